"""Where a team's index lies in a store, and its mirror in the user's cache.

    <uri>/parts/<sha256>.parquet     files of ``parts``, never changed
    <uri>/shards/<source>.json       what one root of records adds up to, by one put after its parts

Each root has a shard of its own, so those who index different roots never meet. What is read from
the store may have been written by anybody: a part is what its name says or an error, and its content is
data for DuckDB only.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlgitops import artifacts, config, digest, files
from mlgitops.errors import InputError, IntegrityError, NotFoundError, OutsideError
from mlgitops.tracking import places
from mlgitops.tracking.query import index
from mlgitops.tracking.query.roots import Root, records_of
from mlgitops.tracking.query.team import parts
from mlgitops.tracking.query.team.parts import TABLES

FORMAT = 1  # of shards and parts
GRACE = 86_400.0  # seconds that a part stays though no shard names it: a reader may be about to fetch it
LARGEST_SHARD = 16 << 20  # bytes
PARALLEL = 8  # transfers at a time
_ATTEMPTS = 3  # to read shards whose parts vanished meanwhile
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Published:
    """What was put: how many runs, in how many files, and how many of these the store did not have."""

    runs: int
    files: int
    uploaded: int


@dataclass(frozen=True, slots=True)
class Shard:
    """The index of one root: who made it when (RFC 3339), and each table's files."""

    source: str
    made_at: str
    tables: dict[str, tuple[Path, ...]]


def publish(uri: str, root: Root = None) -> Published:
    """Bring a root's shard of a team's index up to date.

    Args:
        uri: where the index lies, ``s3://…`` or ``file://…``.
        root: where the records lie, as for ``search_runs``.

    Raises:
        InputError: the URI is no store.
        OutsideError: the store cannot be reached, or refuses.
        MissingExtraError: pyarrow is not installed.
    """
    store, records = artifacts.open_store(uri), records_of(root)
    with tempfile.TemporaryDirectory(prefix="mlgitops-index-") as name:
        folder = Path(name)
        made = index.ask(records, lambda connection: list(parts.write(connection, folder)))
        there = store.list("parts")
        new = {found for part in made for found in part.files.values() if _part(found) not in there}
        _each(new, lambda found: store.put(_part(found), folder / f"{found}.parquet"))
    told = records.name
    shard = {
        "format": FORMAT,
        "source": told if "://" in told else socket.gethostname(),
        "made_at": places.utc(time.time()),
        "parts": [part.files for part in made],
    }
    key = digest.hex_of(digest.of_bytes(told.encode("utf-8", "surrogateescape")))[:32]
    store.put(f"shards/{key}.json", json.dumps(shard).encode())
    with contextlib.suppress(OutsideError):  # who may write and not delete leaves them
        _tidy(store)
    return Published(sum(part.runs for part in made), len(made) * len(TABLES), len(new))


def mirror(uri: str) -> tuple[Shard, ...]:
    """Fetch what a team's index has by now, and return its shards, the newest first.

    Raises:
        NotFoundError: there is no index.
        InputError: the URI is no store, or the index is of another format.
        IntegrityError: a part is not what its name says.
        OutsideError: the store cannot be reached, or refuses.
    """
    store = artifacts.open_store(uri)
    folder = config.cache_dir() / "team" / digest.hex_of(digest.of_bytes(store.uri.encode()))[:32]
    for attempt in range(1, _ATTEMPTS + 1):
        shards = [_read(store, key) for key in store.list("shards")]
        if not shards:
            raise NotFoundError(f"{store.uri} holds no index of runs; make it with: mlgitops index --to {store.uri}")
        wanted = {found for shard in shards for part in shard["parts"] for found in part.values()}
        try:
            _fetch(store, folder, wanted)
            break
        except NotFoundError:
            if attempt == _ATTEMPTS:
                raise
    return tuple(sorted((_shard(raw, folder) for raw in shards), key=lambda shard: shard.made_at, reverse=True))


def _read(store: artifacts.Store, key: str) -> dict[str, Any]:
    what = f"{store.uri}/{key}"
    with store.open(key) as reader:
        data = reader.read(LARGEST_SHARD + 1)
    try:
        raw = json.loads(data if len(data) <= LARGEST_SHARD else b"")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is no index of runs; remove it, or index its root again") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else None
        raise InputError(f"{what} is of format {found!r}, known is {FORMAT}; update mlgitops")
    if not _is_shard(raw):
        raise InputError(f"{what} is no index of runs; remove it, or index its root again")
    return raw


def _is_shard(raw: dict[str, Any]) -> bool:
    found = raw.get("parts")
    return (
        isinstance(raw.get("source"), str)
        and isinstance(raw.get("made_at"), str)
        and isinstance(found, list)
        and found != []
        and all(
            isinstance(part, dict)
            and part.keys() == set(TABLES)
            and all(isinstance(name, str) and _HEX.fullmatch(name) for name in part.values())
            for part in found
        )
    )


def _shard(raw: dict[str, Any], folder: Path) -> Shard:
    tables = {table: tuple(folder / f"{part[table]}.parquet" for part in raw["parts"]) for table in TABLES}
    return Shard(raw["source"], raw["made_at"], tables)


def _fetch(store: artifacts.Store, folder: Path, wanted: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with files.lock(folder / ".lock"):
        here = {path.stem for path in folder.glob("*.parquet")}
        _each(wanted - here, lambda found: _download(store, folder, found))
        for left in here - wanted:
            # A search that has it open goes on reading it.
            (folder / f"{left}.parquet").unlink(missing_ok=True)


def _download(store: artifacts.Store, folder: Path, found: str) -> None:
    partial = folder / f"{found}.partial"
    try:
        store.download(_part(found), partial)
        there = digest.of_file(partial)
        if there != f"sha256:{found}":
            raise IntegrityError(f"{store.uri}/{_part(found)}", expected=f"sha256:{found}", found=there)
        partial.replace(folder / f"{found}.parquet")
    finally:
        partial.unlink(missing_ok=True)


def _tidy(store: artifacts.Store) -> None:
    """Remove parts that no shard names and that no reader can still be about to fetch."""
    named = {found for key in store.list("shards") for part in _read(store, key)["parts"] for found in part.values()}
    old = time.time() - GRACE
    entries = store.entries("parts").items()
    store.delete(key for key, stored in entries if stored.modified < old and Path(key).stem not in named)


def _part(found: str) -> str:
    return f"parts/{found}.parquet"


def _each(names: Iterable[str], work: Any) -> None:
    names = sorted(names)
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="index") as pool:
        for _ in pool.map(work, names):
            pass
