"""What was found out before, by content: so that only what changed is parsed and judged again.

One SQLite file in the user's cache. It holds sound documents by the digest of their bytes,
and whole verdicts by the names of everything that they are about. Whatever could change an
answer is part of its fingerprint: when our code or the CRDs differ, all of it is dropped.
A cache that cannot be read or written is no cache, never an error.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mlgitops import config
from mlgitops.api import schemas

_DOCUMENTS: Final = 100_000
_VERDICTS: Final = 64
# Rows of one query; SQLite takes 32766 variables, older ones 999.
_MANY: Final = 500
# The rooms whose code decides; they are named, because importing them takes longer than a known answer.
_JUDGES: Final = ("registry", "api", "artifacts")
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS fingerprint (value TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS documents (digest BLOB PRIMARY KEY, raw BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, verdict BLOB NOT NULL);
"""


def digest(data: bytes) -> bytes:
    """Return the key of a document's bytes."""
    return hashlib.blake2b(data, digest_size=20).digest()


def key(parts: Iterable[str]) -> bytes:
    """Return the key of a verdict about everything that the parts name."""
    return digest("\0".join(parts).encode("utf-8", "surrogateescape"))


class Cache:
    """The cache of this user; use it inside ``opened``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def documents(self, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the JSON of those documents that were found sound before, by their digests."""
        wanted = list(digests)
        found: dict[bytes, bytes] = {}
        for start in range(0, len(wanted), _MANY):
            some = wanted[start : start + _MANY]
            marks = ",".join("?" * len(some))
            # Only question marks are put into the statement.
            query = f"SELECT digest, raw FROM documents WHERE digest IN ({marks})"  # noqa: S608
            found.update(self._connection.execute(query, some).fetchall())
        return found

    def put_documents(self, documents: Mapping[bytes, bytes]) -> None:
        """Keep the JSON of sound documents by their digests; the oldest make room."""
        with self._connection as connection:
            connection.executemany("INSERT OR IGNORE INTO documents VALUES (?, ?)", documents.items())
            _limit(connection, "documents", _DOCUMENTS)

    def verdict(self, wanted: bytes) -> Any:
        """Return what was kept under a key, None when nothing was."""
        row = self._connection.execute("SELECT verdict FROM verdicts WHERE key = ?", (wanted,)).fetchone()
        return json.loads(row[0]) if row else None

    def put_verdict(self, wanted: bytes, verdict: Any) -> None:
        """Keep JSON data under a key; the oldest make room."""
        with self._connection as connection:
            connection.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", (wanted, json.dumps(verdict)))
            _limit(connection, "verdicts", _VERDICTS)


@contextlib.contextmanager
def opened() -> Iterator[Cache | None]:
    """Open the user's cache; None when there can be none. What fails inside is left to the caller."""
    path = config.cache_dir() / "validated.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=1.0)
    except (sqlite3.Error, OSError):
        yield None
        return
    with contextlib.closing(connection):
        yield Cache(connection) if _ready(connection, path) else None


def _ready(connection: sqlite3.Connection, path: Path) -> bool:
    try:
        with connection:
            connection.executescript(_SCHEMA)
            kept = connection.execute("SELECT value FROM fingerprint").fetchall()
            if kept != [(_fingerprint(),)]:
                for table in ("documents", "verdicts", "fingerprint"):
                    connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
                connection.execute("INSERT INTO fingerprint VALUES (?)", (_fingerprint(),))
    except sqlite3.DatabaseError as error:
        # Not SQLite, or broken: away with it, and the next run makes a new one. Busy is neither.
        if not isinstance(error, sqlite3.OperationalError):
            path.unlink(missing_ok=True)
        return False
    return True


def _limit(connection: sqlite3.Connection, table: str, most: int) -> None:
    newest = f"SELECT max(rowid) FROM {table}"  # noqa: S608 - names of ours
    connection.execute(f"DELETE FROM {table} WHERE rowid <= ({newest}) - ?", (most,))  # noqa: S608


@functools.cache
def _fingerprint() -> str:
    """Return what all answers depend on besides the documents: the code that judges, and the CRDs."""
    package = Path(__file__).parents[1]
    folders = (*(package / room for room in _JUDGES), schemas.folder())
    states = (
        (path.name, state.st_size, state.st_mtime_ns)
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix in (".py", ".yaml")
        for state in (path.stat(),)
    )
    return hashlib.sha256(repr(tuple(states)).encode()).hexdigest()
