"""Digests of files and folders, each file read once for as long as it does not change.

What was read is remembered in the user's cache by path, size, times and inode. A file whose time is
younger than ``SETTLED`` could change again within the same tick of the clock, so it is not remembered.
Without the cache everything is read again, and nothing else is different.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mlgitops import config
from mlgitops import digest as digests
from mlgitops.errors import NotFoundError

SETTLED = 2_000_000_000  # nanoseconds
_TABLE = "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, state TEXT NOT NULL, digest TEXT NOT NULL)"


class Digests:
    """Reads files, and remembers what it read in ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def of(self, path: Path) -> str:
        """Return the digest of a file, or of a folder (of its manifest).

        Raises:
            NotFoundError: there is nothing.
            InputError: something in the folder is neither a plain file nor a folder.
        """
        if path.is_dir():
            return digests.Manifest.of_folder(path, self.of_file).digest
        if not path.is_file():
            raise NotFoundError(f"{path} does not exist; log_dataset takes a file, a folder or data")
        return self.of_file(path)

    def of_file(self, path: Path) -> str:
        """Return the digest of a file."""
        state = _state(path)
        known = self._known(path, state)
        if known:
            return known
        found = digests.of_file(path)
        if _is_settled(path) and _state(path) == state:
            self._remember(path, state, found)
        return found

    def unread(self, path: Path) -> int:
        """Return how many bytes below a path would have to be read."""
        files = [path] if path.is_file() else (Path(top) / name for top, _, names in os.walk(path) for name in names)
        found = 0
        for file in files:
            with contextlib.suppress(OSError):
                found += 0 if self._known(file, _state(file)) else file.stat().st_size
        return found

    def close(self) -> None:
        """Close the cache."""
        if self._connection:
            with contextlib.suppress(sqlite3.Error):
                self._connection.commit()
                self._connection.close()

    def _known(self, path: Path, state: str) -> str | None:
        with contextlib.suppress(sqlite3.Error, OSError):
            row = self._open().execute("SELECT state, digest FROM files WHERE path = ?", (_key(path),)).fetchone()
            if row and row[0] == state and digests.PATTERN.fullmatch(str(row[1])):
                return str(row[1])
        return None

    def _remember(self, path: Path, state: str, digest: str) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):
            connection = self._open()
            connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (_key(path), state, digest))
            connection.commit()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(self._path, timeout=1.0)
            self._connection.execute("PRAGMA synchronous = OFF")  # it can be made again
            self._connection.execute(_TABLE)
        return self._connection


@contextlib.contextmanager
def cached() -> Iterator[Digests]:
    """Yield what reads files by way of the user's cache."""
    found = Digests(config.cache_dir() / "digests.sqlite")
    try:
        yield found
    finally:
        found.close()


def _key(path: Path) -> bytes:
    return os.fsencode(path.absolute())


def _state(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_dev} {status.st_ino}"


def _is_settled(path: Path) -> bool:
    import time

    status = path.stat()
    return max(status.st_mtime_ns, status.st_ctime_ns) < time.time_ns() - SETTLED
