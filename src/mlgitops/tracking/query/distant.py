"""The runs of a store, from what ``push`` says of each in its ``current.json`` (docs/design/0013).

One listing tells which of these are new; only they are fetched. What a store says is not
trusted: it is read by the same code as any record's files, under the id of its place.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlgitops import artifacts, config, digest, files
from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking import life, places, records, remarks
from mlgitops.tracking.live import CURRENT
from mlgitops.tracking.points import to_object
from mlgitops.tracking.pulling import pull, read_current
from mlgitops.tracking.query import index
from mlgitops.tracking.query.parser import milliseconds
from mlgitops.tracking.query.reading import LIFE, LONGEST, NEVER, Found, Unreadable, Watched
from mlgitops.tracking.query.refresh import forget, leave_out, put
from mlgitops.tracking.query.rows import Writer, rows_of
from mlgitops.tracking.records import RunRecord

PARALLEL = 16  # requests at a time
_STATES = (*life.ENDED, "running", "killed", "stale")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a listing tells of a run: a text that changes when it does, and the keys of what was added later."""

    tag: str
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A run or an experiment in a store, about which something can be said."""

    store: artifacts.Store
    key: str

    def add(self, name: str, content: bytes) -> None:
        """Create an object beside the record, which stays as it is."""
        self.store.create(f"{self.key}/{places.META}/{name}", content)


class StoreRecords:
    """The runs that were pushed to a store."""

    def __init__(self, uri: str) -> None:
        self._store = artifacts.open_store(uri)
        key = digest.hex_of(digest.of_bytes(self._store.uri.encode()))[:32]
        self.folder = config.cache_dir() / "pulled" / key

    @property
    def name(self) -> str:
        """The store's URI."""
        return self._store.uri

    def refresh(self, connection: sqlite3.Connection, lock: Path | None) -> None:
        """Fetch what is new in the store.

        Raises:
            OutsideError: the store cannot be reached, or refuses.
        """
        there = pushed(self._store)
        sql = "SELECT id, seen FROM runs UNION ALL SELECT id, stamp FROM unreadable"
        known = dict(connection.execute(sql).fetchall())
        silent = connection.execute(
            "SELECT id FROM runs WHERE watch = ? AND stamp < ?", (LIFE, time.time() - life.SILENT)
        ).fetchall()
        wanted = {run_id for run_id, found in there.items() if known.get(run_id) != found.tag}
        wanted |= {run_id for (run_id,) in silent} & there.keys()
        gone = known.keys() - there.keys()
        if not wanted and not gone:
            return
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="runs") as pool:
            read = list(pool.map(lambda run_id: self._read(run_id, there[run_id]), sorted(wanted)))
        with files.lock(lock) if lock else contextlib.nullcontext(), connection:
            connection.execute("BEGIN IMMEDIATE")
            writer = Writer(connection)
            for run_id in gone:
                forget(connection, writer, run_id)
            for run_id, record, at in read:
                if isinstance(record, str):
                    tag = there[run_id].tag if record else ""
                    leave_out(connection, writer, run_id, Unreadable(tag, record))
                    continue
                watch = LIFE if record.status == "running" else NEVER
                marks = Watched(int(at), 0, watch, there[run_id].tag)
                put(connection, writer, Found(record.id, marks, rows_of(record)))

    def read(self, run_id_or_prefix: str) -> RunRecord:
        """Pull the run into the cache, unless it is there as the store has it."""
        found = index.ask(self, lambda connection: dict(connection.execute("SELECT id, seen FROM runs").fetchall()))
        run_id = records.choose(found, run_id_or_prefix, self.name)
        folder, told = self.folder / "runs" / run_id, self.folder / "runs" / f".{run_id}"
        with files.lock(self.folder / ".lock"):
            if not folder.is_dir() or not told.is_file() or told.read_text() != found[run_id]:
                pull(self._store.uri, run_id, folder.parent)
                files.write_atomic(told, found[run_id].encode())
        status = index.ask(self, lambda connection: _status(connection, run_id))
        record = replace(records.read(folder), id=run_id)
        # Whether it goes on is told by the store, and not by files that were copied here.
        return replace(record, status=status) if status else record

    def experiments(self) -> tuple[remarks.Experiment, ...]:
        """Fetch the store's experiments, and what was said about them.

        Raises:
            OutsideError: the store cannot be reached, or refuses.
        """
        keys: dict[str, list[str]] = {}
        for key in self._store.list(remarks.EXPERIMENTS):
            _, slug, *rest = key.split("/")
            if rest == [remarks.EXPERIMENT] or _is_remark(rest):
                keys.setdefault(slug, []).append(key)
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="experiments") as pool:
            read = {slug: list(pool.map(self._remark, sorted(found))) for slug, found in keys.items()}
        found = []
        for slug, (head, *said) in read.items():
            name = head.get("name")
            if isinstance(name, str) and places.slug(name) == slug:
                folder = self.folder / remarks.EXPERIMENTS / slug
                found.append(remarks.experiment(name, remarks.fold(said), folder))
        return tuple(sorted(found, key=lambda experiment: experiment.name))

    def place(self, run_id_or_prefix: str) -> StoredPlace:
        """Find the run in a listing."""
        run_id = records.choose(pushed(self._store), run_id_or_prefix, self.name)
        return StoredPlace(self._store, f"runs/{run_id}")

    def place_of(self, experiment: remarks.Experiment) -> StoredPlace:
        """Return where the experiment lies in the store."""
        return StoredPlace(self._store, f"{remarks.EXPERIMENTS}/{places.slug(experiment.name)}")

    def _read(self, run_id: str, found: Pushed) -> tuple[str, RunRecord | str, float]:
        """Return a run, or why it is left out, and when it was pushed (seconds since the epoch)."""
        try:
            current = read_current(self._store.uri, run_id)
            added = remarks.fold([self._remark(key) for key in found.added])
        except NotFoundError:  # removed just now
            return run_id, "", 0.0
        except InputError as error:
            return run_id, ascii(str(error))[1:-1][:LONGEST], 0.0
        at = (milliseconds(str(current.get("pushed_at"))) or 0.0) / 1000
        record = _record(current, added, self.folder / "runs" / run_id, at)
        return run_id, record or f"{self._store.uri}/runs/{run_id} is of another format; update mlgitops", at

    def _remark(self, key: str) -> dict[str, Any]:
        with self._store.open(key) as reader:
            return to_object(reader.read(remarks.LONGEST))


def pushed(store: artifacts.Store) -> dict[str, Pushed]:
    """Return the runs of a store by id, from one listing."""
    tags: dict[str, str] = {}
    added: dict[str, list[str]] = {}
    try:
        entries = store.entries("runs")
    except NotFoundError:
        return {}
    for key, stored in entries.items():
        _, run_id, *rest = key.split("/")
        if not places.is_run_id(run_id):
            continue
        if rest == [CURRENT]:
            tags[run_id] = stored.tag
        elif _is_remark(rest):
            added.setdefault(run_id, []).append(key)
    return {
        run_id: Pushed("\n".join([tag, *added.get(run_id, ())]), tuple(added.get(run_id, ())))
        for run_id, tag in tags.items()
    }


def _is_remark(parts: list[str]) -> bool:
    return len(parts) == 2 and parts[0] == places.META and places.is_run_id(parts[1].removesuffix(".json"))


def _record(current: Mapping[str, Any], added: remarks.Added, folder: Path, at: float) -> RunRecord | None:
    run, capture, status = current["run"], current.get("capture"), current.get("status")
    if run.get("format") != places.FORMAT or status not in _STATES:
        return None
    if status == "running" and life.is_silent(at):
        status = "stale"
    record = records.from_parts(run, capture if isinstance(capture, dict) else None, folder, str(status))
    tags = {**record.tags, **added.tags}
    return replace(
        record,
        id=folder.name,
        tags={name: value for name, value in tags.items() if value is not None},
        description=added.description,
        notes=added.notes,
    )


def _status(connection: sqlite3.Connection, run_id: str) -> str:
    found = connection.execute("SELECT status FROM runs WHERE id = ?", (run_id,)).fetchone()
    return str(found[0]) if found else ""
