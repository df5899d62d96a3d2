"""The index of a root's records: one SQLite file in the user's cache folder.

It holds nothing that the records do not say, and is made again whenever it is missing,
damaged or of another format. Where no such file can be kept (a read-only or full disk), an
index in memory serves one search.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from mlgitops import config, digest, files
from mlgitops.errors import OutsideError
from mlgitops.tracking.query.roots import Records

FORMAT = 7  # of the tables; another one is made again
PATIENCE = 60.0  # seconds to wait for another process that writes
_Answer = TypeVar("_Answer")
_OUTSIDE = {"SQLITE_BUSY", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PERM"}

# Of ``runs``, ``stamp`` and ``meta`` are the change times (nanoseconds) of a run's folder and of its meta/;
# ``watch`` says what else may change: 0 nothing, 1 the files in ``seen``, 2 those and being alive.
# ``unreadable`` holds what is no record that this version can read, by what shows that it changed; ``why`` is
# empty where nothing is amiss, such as a start that was cut short.
# ``pyramids`` holds what is drawn of a run (``charts``) whose files were as ``drawn`` says.
_TABLES = """
CREATE TABLE runs (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    stamp INTEGER NOT NULL, meta INTEGER NOT NULL, watch INTEGER NOT NULL, seen TEXT NOT NULL,
    name TEXT, experiment TEXT, status TEXT, started_at REAL, finished_at REAL, duration REAL,
    repository TEXT, "commit" TEXT, dirty TEXT, entry_point TEXT, branch TEXT,
    parent TEXT, "group" TEXT
);
CREATE TABLE records (run INTEGER PRIMARY KEY, record TEXT NOT NULL, tails TEXT NOT NULL);
CREATE TABLE unreadable (id TEXT PRIMARY KEY, stamp TEXT NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE keys (key INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
CREATE TABLE metrics (
    key INTEGER, run INTEGER, last REAL, min REAL, max REAL, mean REAL, count INTEGER, step INTEGER,
    PRIMARY KEY (key, run)
) WITHOUT ROWID;
CREATE INDEX metrics_of_run ON metrics (run);
CREATE TABLE texts (key INTEGER, run INTEGER, text TEXT, number REAL, PRIMARY KEY (key, run)) WITHOUT ROWID;
CREATE INDEX texts_of_run ON texts (run);
CREATE TABLE datasets (run INTEGER, name TEXT, context TEXT, digest TEXT, uri TEXT, rows REAL);
CREATE INDEX datasets_of_run ON datasets (run);
CREATE TABLE drawn (run TEXT PRIMARY KEY, seen TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE pyramids (
    run TEXT NOT NULL, series TEXT NOT NULL, writer TEXT NOT NULL, level INTEGER NOT NULL, count INTEGER NOT NULL,
    stretches BLOB NOT NULL
);
CREATE UNIQUE INDEX pyramid_of_series ON pyramids (run, series, writer, level);
"""


def ask(records: Records, question: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
    """Bring an index up to date with its records and return what a question reads from it.

    A damaged index is made again, and the question asked again.

    Raises:
        OutsideError: not even an index in memory can be made, or a store with records cannot be read.
    """
    path = place(records)
    try:
        try:
            return _ask_file(path, records, question)
        except sqlite3.DatabaseError as error:
            if _is_outside(error):
                raise
            _remove(path)
            return _ask_file(path, records, question)
    except (sqlite3.DatabaseError, OSError):
        pass
    try:
        with _connected(":memory:") as connection:
            return _ask(connection, records, question, None)
    except sqlite3.DatabaseError as error:
        raise OutsideError(f"the runs of {records.name} cannot be searched: {error}") from error


def place(records: Records) -> Path:
    """Return the file that the index of records is kept in; their name decides."""
    key = digest.hex_of(digest.of_bytes(records.name.encode("utf-8", "surrogateescape")))
    return config.cache_dir() / "runs" / f"{key[:32]}.sqlite"


def _ask_file(path: Path, records: Records, question: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _connected(str(path)) as connection:
        return _ask(connection, records, question, path.with_suffix(".lock"))


def _ask(
    connection: sqlite3.Connection,
    records: Records,
    question: Callable[[sqlite3.Connection], _Answer],
    lock: Path | None,
) -> _Answer:
    _prepare(connection, lock)
    records.refresh(connection, lock)
    return question(connection)


@contextlib.contextmanager
def opened(records: Records) -> Iterator[sqlite3.Connection]:
    """Open an index as it is, whatever is new of its records.

    Raises:
        sqlite3.DatabaseError: it is damaged, which the next ``ask`` mends.
        OSError: there is no place for one.
    """
    path = place(records)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _connected(str(path)) as connection:
        _prepare(connection, path.with_suffix(".lock"))
        yield connection


@contextlib.contextmanager
def writing(connection: sqlite3.Connection, records: Records) -> Iterator[None]:
    """Write to an opened index: all of it or, when something raises, nothing."""
    with files.lock(place(records).with_suffix(".lock")), connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def _prepare(connection: sqlite3.Connection, lock: Path | None) -> None:
    with files.lock(lock) if lock else contextlib.nullcontext():
        if connection.execute("PRAGMA user_version").fetchone() != (FORMAT,):
            _make(connection)


def _make(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for kind, name in connection.execute("SELECT type, name FROM sqlite_master").fetchall():
            if kind == "table":
                quoted = name.replace('"', '""')
                connection.execute(f'DROP TABLE IF EXISTS "{quoted}"')
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT}")


@contextlib.contextmanager
def _connected(path: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        connection.create_function("alike", 3, alike, deterministic=True)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")  # KiB
        connection.execute("PRAGMA mmap_size = 1073741824")
        yield connection
    finally:
        connection.close()


def _remove(path: Path) -> None:
    # Under the lock nobody writes, so no journal is left that could be taken for the new file's.
    with files.lock(path.with_suffix(".lock")):
        for name in (path, path.with_name(path.name + "-journal")):
            name.unlink(missing_ok=True)


def _is_outside(error: sqlite3.DatabaseError) -> bool:
    name = str(getattr(error, "sqlite_errorname", ""))
    return any(name.startswith(known) for known in _OUTSIDE)


def alike(pattern: str, ignore_case: int, text: object) -> bool | None:
    """Say whether a text is like a pattern, as the language has it; None where there is no text."""
    return None if text is None else bool(_pattern(pattern, ignore_case).fullmatch(str(text)))


@lru_cache(maxsize=64)
def _pattern(pattern: str, ignore_case: int) -> re.Pattern[str]:
    """Return SQL's LIKE as a regular expression that needs no backtracking over a ``%``."""
    first, *rest = (re.escape(part).replace("_", ".") for part in re.split("%+", pattern))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    last = f".*{rest[-1]}" if rest else ""
    return re.compile(first + middle + last, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
