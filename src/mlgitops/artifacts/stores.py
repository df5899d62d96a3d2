"""What a store can do, and the one that is a folder.

Keys are relative POSIX paths below the store's URI. The S3 store lies in ``s3`` and is
imported only for an ``s3://`` URI, because boto3 is an extra and slow to import.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlgitops.artifacts.locations import Location, segments
from mlgitops.errors import ConflictError, InputError, NotFoundError, OutsideError

PIECE = 1 << 20  # bytes read at a time


class ForbiddenError(OutsideError):
    """The store refused these credentials, or there are none."""


class BrokenStreamError(OutsideError):
    """A download began and broke off; trying again may well succeed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store says of a key: ``size`` in bytes, ``modified`` in seconds since the epoch.

    ``tag`` changes whenever the content does; nothing else is known of it.
    """

    size: int
    modified: float
    tag: str


class Reader(Protocol):
    """Bytes in order."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; an empty result is the end."""


class Store(ABC):
    """Bytes by key below one URI.

    Every method raises ``NotFoundError`` for a key that is not there, ``ForbiddenError``
    when access is denied, ``OutsideError`` when the store cannot be reached and
    ``InputError`` for a key that would leave the store.
    """

    def __init__(self, location: Location) -> None:
        self.location = location

    @property
    def uri(self) -> str:
        """Where the store is."""
        return str(self.location)

    @abstractmethod
    def put(self, key: str, content: bytes | Path) -> None:
        """Write bytes, or a file's content, whole or not at all."""

    @abstractmethod
    def open(self, key: str) -> AbstractContextManager[Reader]:
        """Open a key for reading from its start."""

    @abstractmethod
    def create(self, key: str, content: bytes) -> None:
        """Write bytes where nothing is.

        Raises:
            ConflictError: something else is there.
        """

    @abstractmethod
    def probe(self, prefix: str) -> None:
        """Raise what a ``put`` below a folder-like prefix would, and leave nothing behind."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Say whether a key is there."""

    @abstractmethod
    def entries(self, prefix: str = "") -> dict[str, Stored]:
        """Return every key below a folder-like prefix, in order, and what is known of it without reading it."""

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys in the order given; one that is not there is removed already."""

    def list(self, prefix: str = "") -> dict[str, int]:
        """Return every key below a folder-like prefix with its size in bytes."""
        return {key: stored.size for key, stored in self.entries(prefix).items()}

    def get(self, key: str) -> bytes:
        """Return all bytes of a key."""
        with self.open(key) as reader:
            return reader.read()

    def download(self, key: str, path: Path) -> None:
        """Write a key's bytes to a file, which appears whole or not at all."""
        with self.open(key) as reader, _appearing(path) as temporary, temporary.open("wb") as file:
            while piece := reader.read(PIECE):
                file.write(piece)


class FileStore(Store):
    """A folder of this machine, or of a shared file system."""

    def put(self, key: str, content: bytes | Path) -> None:
        """Write beside the key, then rename."""
        path = self._path(key)
        with _os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _appearing(path) as temporary:
                if isinstance(content, Path):
                    shutil.copyfile(content, temporary)
                else:
                    temporary.write_bytes(content)

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[Reader]:
        """Open the file."""
        path = self._path(key)
        with _os_errors(path), path.open("rb") as file:
            yield file

    def create(self, key: str, content: bytes) -> None:
        """Write beside the key, then give it the name, which fails where there is one."""
        path = self._path(key)
        with _os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                os.chmod(temporary, 0o644)
                os.link(temporary, path)
            except FileExistsError as error:
                raise ConflictError(f"{path} is there already") from error
            finally:
                os.unlink(temporary)

    def probe(self, prefix: str) -> None:
        """Ask the nearest folder that is there."""
        path = self._path(prefix)
        while not os.path.lexists(path):
            path = path.parent
        if not path.is_dir():
            raise OutsideError(f"{path} is no folder")
        if not os.access(path, os.W_OK | os.X_OK):
            raise ForbiddenError(f"{path}: permission denied")

    def exists(self, key: str) -> bool:
        """Say whether the file is there."""
        return self._path(key).is_file()

    def entries(self, prefix: str = "") -> dict[str, Stored]:
        """Walk the folder, in order of path."""
        root = self.location.path
        top = self._path(prefix) if prefix else root
        with _os_errors(top):
            files = (path for path in sorted(top.rglob("*")) if path.is_file() and not path.is_symlink())
            return {path.relative_to(root).as_posix(): _stored(path) for path in files}

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the files, and folders that are empty then."""
        for path in map(self._path, keys):
            with _os_errors(path):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty, or gone
                for folder in path.parents:
                    if folder == self.location.path:
                        break
                    folder.rmdir()

    def _path(self, key: str) -> Path:
        root = self.location.path
        path = root.joinpath(*segments(key))
        # A link inside the store must not lead readers or writers out of it.
        if not path.resolve().is_relative_to(root.resolve()):
            raise InputError(f"{key!r} leads out of {self.uri}; remove the link")
        return path


def open_store(uri: str) -> Store:
    """Return the store at a URI.

    S3 is reached at ``MLGITOPS_S3_ENDPOINT_URL``, else as boto3 is configured.

    Raises:
        InputError: neither ``file://`` nor ``s3://``.
        MissingExtraError: boto3 is not installed.
    """
    location = Location.parse(uri)
    if location.scheme == "s3":
        from mlgitops.artifacts.s3 import S3Store

        return S3Store(location)
    return FileStore(location)


def _stored(path: Path) -> Stored:
    found = path.stat()
    return Stored(found.st_size, found.st_mtime, f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}")


@contextlib.contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside a file; rename it there at the end, remove it after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NotFoundError(f"{path} does not exist, or is no file") from error
    except PermissionError as error:
        raise ForbiddenError(f"{path}: permission denied") from error
    except OSError as error:
        raise OutsideError(f"{path}: {error.strerror or error}") from error
