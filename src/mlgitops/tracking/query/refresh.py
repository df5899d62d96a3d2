"""Brings an index up to date with the records below a root.

A run that ended says nothing new unless something in its folder or in its ``meta/`` changed,
which their change times tell. A run that was killed says nothing new unless its files grew.
Only live runs are read again, from where reading stopped. Change times that are younger than
``SETTLED`` could hide a second change within the same tick, so such runs are read again too.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from mlgitops import files
from mlgitops.tracking import life, places
from mlgitops.tracking.query.readers import examine_each
from mlgitops.tracking.query.reading import (
    LIFE,
    NEVER,
    Found,
    Unreadable,
    Watched,
    changed,
    examine,
    seen,
    sizes,
    stamp_of,
)
from mlgitops.tracking.query.rows import COLUMNS, Writer
from mlgitops.tracking.query.tails import Tails

_COLUMNS = ", ".join(f'"{name}"' for name in ("n", "id", "stamp", "meta", "watch", "seen", *COLUMNS))
_INSERT = f"INSERT OR REPLACE INTO runs ({_COLUMNS}) VALUES ({', '.join('?' * (6 + len(COLUMNS)))})"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Known:
    """Runs that need not be read again: by id, change times of the settled ones, the others, and what is none."""

    settled: Mapping[str, int]
    watched: Mapping[str, Watched]
    unreadable: Mapping[str, str]

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Known:
        """Return what an index remembers."""
        execute = connection.execute
        settled = dict(execute("SELECT id, stamp FROM runs WHERE watch = 0 AND meta = 0"))
        others = execute("SELECT id, stamp, meta, watch, seen FROM runs WHERE watch > 0 OR meta <> 0")
        unreadable = dict(execute("SELECT id, stamp FROM unreadable"))
        return cls(settled, {run_id: Watched(*rest) for run_id, *rest in others}, unreadable)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self.settled or run_id in self.watched or run_id in self.unreadable

    def missing(self, there: Set[str]) -> set[str]:
        """Return those that are not among these."""
        return (self.settled.keys() | self.watched.keys() | self.unreadable.keys()) - there

    def __len__(self) -> int:
        return len(self.settled) + len(self.watched) + len(self.unreadable)


@dataclass(slots=True)
class Changes:
    """Runs to read, live ones to read on in, and runs that are no longer there.

    Of a run to read there is its folder's change time, and whether that was seen before.
    """

    read: list[tuple[str, int, bool]]
    grown: list[str]
    gone: list[str]

    def __bool__(self) -> bool:
        return bool(self.read or self.grown or self.gone)


def refresh(connection: sqlite3.Connection, root: Path, lock: Path | None) -> None:
    """Bring an index up to date; with several processes one writes, the others find it done."""
    version = connection.execute("PRAGMA data_version").fetchone()
    changes = compare(root / "runs", Known.of(connection))
    if not changes:
        return
    with files.lock(lock) if lock else contextlib.nullcontext(), connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA data_version").fetchone() != version:
            changes = compare(root / "runs", Known.of(connection))
        _apply(connection, root / "runs", changes)


def compare(runs: Path, known: Known) -> Changes:
    """Return what must be read for an index that knows these runs."""
    watched = known.watched
    read: list[tuple[str, int, bool]] = []
    grown: list[str] = []
    unchanged, changed = _folders(runs, known.settled)
    for run_id, stamp in changed:
        if run_id in known.unreadable and known.unreadable[run_id] == stamp_of(runs / run_id, stamp):
            continue
        row = watched.get(run_id)
        if row is None or row.stamp != stamp:
            read.append((run_id, stamp, False))
            continue
        match _news(runs / run_id, row):
            case News.ANY:
                read.append((run_id, stamp, True))
            case News.LINES:
                grown.append(run_id)
    there = unchanged + sum(run_id in known for run_id, _ in changed)
    gone = sorted(known.missing(_names(runs))) if there < len(known) else []
    return Changes(sorted(read), sorted(grown), gone)  # the oldest first, so that live runs lie side by side


def _folders(runs: Path, settled: Mapping[str, int]) -> tuple[int, list[tuple[str, int]]]:
    """Return how many settled runs are as they were, and the id and the folder's change time of all others."""
    unchanged, found = 0, []
    known = settled.get
    with _opened(runs) as descriptor:
        if descriptor is None:
            return 0, []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                before = known(entry.name)
                if before is not None or places.is_run_id(entry.name):
                    try:
                        stamp = entry.stat().st_ctime_ns
                    except OSError:  # removed just now
                        continue
                    if stamp == before:
                        unchanged += 1
                    else:
                        found.append((entry.name, stamp))
    return unchanged, found


def _names(runs: Path) -> set[str]:
    with _opened(runs) as descriptor:
        return set(os.listdir(descriptor)) if descriptor is not None else set()  # noqa: PTH208 - by descriptor


@contextlib.contextmanager
def _opened(runs: Path) -> Iterator[int | None]:
    # By descriptor, so that the system need not walk the whole path for each of a hundred thousand runs.
    try:
        descriptor = os.open(runs, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class News(Enum):
    """What may be new of a run whose folder did not change."""

    NONE = 0
    LINES = 1
    ANY = 2


def _news(folder: Path, row: Watched) -> News:
    if row.meta and row.meta != changed(f"{folder}/{places.META}"):
        return News.ANY
    if row.watch == NEVER:
        return News.NONE
    names = [line.partition("\t")[0] for line in row.seen.splitlines()]
    lives = row.watch == LIFE and any(life.is_writing(f"{folder}/{name}") for name in names)
    if row.seen != seen(sizes(folder, names)):
        return News.LINES if lives else News.ANY
    return News.ANY if row.watch == LIFE and not lives else News.NONE


def _apply(connection: sqlite3.Connection, runs: Path, changes: Changes) -> None:
    writer = Writer(connection)
    for run_id in changes.gone:
        forget(connection, writer, run_id)
    for run_id, found in examine_each(runs, [(run_id, stamp) for run_id, stamp, known in changes.read if not known]):
        _replace(connection, writer, run_id, found)
    for run_id, stamp, known in changes.read:
        if known:
            _read_again(connection, writer, runs / run_id, stamp)
    for run_id in changes.grown:
        _read_on(connection, writer, runs / run_id)


def _read_on(connection: sqlite3.Connection, writer: Writer, folder: Path) -> None:
    """Add up the new lines of a run that goes on; when one is no point, or lines went, the run is read again."""
    number, state = _stored(connection, folder.name)
    tails = Tails(state)
    grown = tails.grow(folder)
    if number is None or grown is None:
        _read_again(connection, writer, folder, changed(str(folder)))
        return
    connection.execute("UPDATE runs SET seen = ? WHERE n = ?", (seen(tails.sizes), number))
    writer.grow(number, grown, tails.dump())


def _read_again(connection: sqlite3.Connection, writer: Writer, folder: Path, stamp: int) -> None:
    found = examine(folder, stamp, _stored(connection, folder.name)[1])
    _replace(connection, writer, folder.name, found)


def _replace(connection: sqlite3.Connection, writer: Writer, run_id: str, found: Found | Unreadable) -> None:
    if isinstance(found, Unreadable):
        leave_out(connection, writer, run_id, found)
    else:
        put(connection, writer, found)


def put(connection: sqlite3.Connection, writer: Writer, found: Found) -> None:
    """Write a run into an index; of one whose files only grew, what says the same already stays untouched."""
    number = _number(connection, found.run_id)
    if number is not None and not found.continued:
        writer.remove(number)
    if number is None:
        connection.execute("DELETE FROM unreadable WHERE id = ?", (found.run_id,))
    cursor = connection.execute(_INSERT, (number, found.run_id, *found.marks, *found.rows.columns))
    writer.write(cursor.lastrowid or 0, found.rows, found.tails)


def forget(connection: sqlite3.Connection, writer: Writer, run_id: str) -> None:
    """Remove a run from an index that may have it."""
    number = _number(connection, run_id)
    if number is not None:
        writer.remove(number)
        connection.execute("DELETE FROM runs WHERE n = ?", (number,))
    connection.execute("DELETE FROM unreadable WHERE id = ?", (run_id,))


def leave_out(connection: sqlite3.Connection, writer: Writer, run_id: str, found: Unreadable) -> None:
    """Remember of a run why it is not in the index, so that it is read again only when it changed."""
    forget(connection, writer, run_id)
    connection.execute("INSERT INTO unreadable VALUES (?, ?, ?)", (run_id, *found))


def left_out(connection: sqlite3.Connection) -> dict[str, str]:
    """Return why runs are not in an index that should be, by id."""
    return dict(connection.execute("SELECT id, why FROM unreadable WHERE why <> '' ORDER BY id DESC").fetchall())


def _number(connection: sqlite3.Connection, run_id: str) -> int | None:
    found = connection.execute("SELECT n FROM runs WHERE id = ?", (run_id,)).fetchone()
    return found[0] if found else None


def _stored(connection: sqlite3.Connection, run_id: str) -> tuple[int | None, str]:
    """Return the number of a run in the index, and how far its files were read."""
    sql = "SELECT n, tails FROM runs LEFT JOIN records ON run = n WHERE id = ?"
    number, tails = connection.execute(sql, (run_id,)).fetchone() or (None, "")
    return number, tails or ""
