"""Files that are either the old or the new, never half of one. Standard library only."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlgitops.errors import OutsideError


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644, sync: bool = False) -> None:
    """Write a file by way of a temporary one beside it and a rename.

    Args:
        path: the file; its folder is made when missing.
        data: the whole content.
        mode: permission bits of the new file.
        sync: also wait until the disk has it (survives a power cut).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def lock(path: Path, *, blocking: bool = True) -> Iterator[None]:
    """Hold an advisory lock on a file for the length of a block (POSIX only).

    The file is made when missing and never removed: removing it would let two
    processes hold "the" lock on two different inodes.

    Raises:
        OutsideError: ``blocking`` is False and another process holds the lock.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if blocking else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutsideError(f"{path} is locked by another process; wait for it to end") from error
        yield
