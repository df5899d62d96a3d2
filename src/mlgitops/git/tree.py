"""The files of one commit, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock

import git
from gitdb.exc import BadObject
from gitdb.util import hex_to_bin

from mlgitops.errors import OutsideError
from mlgitops.git.command import run


class Files(Mapping[str, bytes]):
    """Plain files by their path in the tree; contents are read on access and not kept.

    Symbolic links and submodules are not in it: following either would read what the
    commit does not hold.
    """

    def __init__(self, repository: git.Repo, lock: Lock, blobs: Mapping[str, str]) -> None:
        self._repository = repository
        self._lock = lock
        self._blobs = blobs

    def __getitem__(self, path: str) -> bytes:
        sha = self._blobs[path]
        try:
            with self._lock:  # GitPython reads all objects through one pipe
                return bytes(self._repository.odb.stream(hex_to_bin(sha)).read())
        except (BadObject, ValueError) as error:
            raise _missing(sha, path) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)

    def __contains__(self, path: object) -> bool:
        return path in self._blobs

    def contents(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return several files with their contents, asked of git at once: a question each takes ten times as long.

        Raises:
            OutsideError: an object is missing.
        """
        wanted = {path: self._blobs[path] for path in paths}
        names = "".join(f"{sha}\n" for sha in wanted.values()).encode()
        folder = Path(self._repository.git_dir)
        output = run(folder, [f"--git-dir={folder}", "cat-file", "--batch"], stdin=names)
        found: dict[str, bytes] = {}
        start = 0
        for path, sha in wanted.items():
            # "<name> blob <bytes>", the content and a line feed; "<name> missing" for what is not there.
            end = output.stdout.find(b"\n", start)
            header = output.stdout[start:end].split()
            if end < 0 or header[1:2] != [b"blob"]:
                raise _missing(sha, path)
            start = end + 1 + int(header[2])
            found[path] = output.stdout[end + 1 : start]
            start += 1
        return found

    def size(self, path: str) -> int:
        """Return a file's size in bytes without reading it."""
        with self._lock:
            return int(self._repository.odb.info(hex_to_bin(self._blobs[path])).size)

    def sha(self, path: str) -> str:
        """Return the object name of a file's content: equal names mean equal bytes."""
        return self._blobs[path]


def _missing(sha: str, path: str) -> OutsideError:
    return OutsideError(f"object {sha} of {path} is missing; fetch the repository again")
