"""Brings a run from a store into a folder that every reader takes (docs/design/0013 has the layout).

What a store says is not trusted: keys that leave the record are refused, and a sealed record is verified.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from mlgitops import artifacts, digest
from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.tracking import places
from mlgitops.tracking.live import CURRENT, LIVE

LARGEST_CURRENT = 256 << 20  # bytes


def read_current(store_uri: str, run_id: str) -> dict[str, Any]:
    """Return a run's ``current.json``, which tells all but single points and files.

    Raises:
        NotFoundError: the store has no such run.
        InputError: it cannot be read, or is of a newer format.
        OutsideError: the store cannot be reached, or refuses.
    """
    if not places.is_run_id(run_id):
        raise InputError(f"{run_id!r} is no run id")
    uri = artifacts.join(store_uri, "runs", run_id)
    with artifacts.open_store(uri).open(CURRENT) as reader:
        data = reader.read(LARGEST_CURRENT + 1)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{uri}/{CURRENT} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("format") != places.FORMAT or not isinstance(found.get("run"), dict):
        raise InputError(f"{uri}/{CURRENT} is not of format {places.FORMAT}; update mlgitops")
    return found


def pull(store_uri: str, run_id: str, into: Path) -> Path:
    """Make a folder of a run in a store, or renew it, and return it: ``<into>/<run id>``.

    Raises:
        NotFoundError: the store has no such run.
        IntegrityError: a sealed record is not what its digest promises.
        InputError: the store holds something that is no run.
        OutsideError: the store cannot be reached, or refuses.
    """
    current = read_current(store_uri, run_id)
    uri = artifacts.join(store_uri, "runs", run_id)
    into.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=into, prefix=".pull-"))
    try:
        sealed = current.get("digest")
        if isinstance(sealed, str):
            name = f"sha256-{digest.hex_of(sealed)}"
            artifacts.fetch(artifacts.join(uri, name), sealed, made / "run")
        else:
            _pull_live(artifacts.open_store(uri), current, made / "run")
        _pull_remarks(artifacts.open_store(uri), made / "run")
        if (into / run_id).exists():
            (into / run_id).replace(made / "before")
        (made / "run").replace(into / run_id)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return into / run_id


def _pull_live(store: artifacts.Store, current: dict[str, Any], folder: Path) -> None:
    run = {**current["run"], "status": "running"}
    write_atomic(folder / places.RUN, json.dumps(run).encode())
    pieces: dict[str, list[str]] = {}
    for key in sorted(store.list(LIVE)):
        _, name, *rest = key.split("/")
        if name.startswith("w-") and rest:
            pieces.setdefault(name, []).append(rest[0])
        else:
            store.download(key, _inside(folder, key.removeprefix(f"{LIVE}/")))
    for name, starts in pieces.items():
        _put_together(store, name, starts, _inside(folder, name))
    # Readers take the age of a file of another machine for its life; what they read is as old as the push.
    pushed = _seconds(current.get("pushed_at"))
    for name in pieces:
        os.utime(folder / name, (pushed, pushed))


def _put_together(store: artifacts.Store, name: str, starts: list[str], path: Path) -> None:
    """Write a writer's file from its pieces, which may overlap after a restart; what follows a gap is left out."""
    written = 0
    with path.open("wb") as file:
        for start in starts:
            if not (start.isdigit() and len(start) == 16) or int(start) > written:
                continue
            data = store.get(f"{LIVE}/{name}/{start}")[written - int(start) :]
            file.write(data)
            written += len(data)


def _pull_remarks(store: artifacts.Store, folder: Path) -> None:
    for key in store.list(places.META):
        name = key.removeprefix(f"{places.META}/")
        if name.endswith(".json") and places.is_run_id(name.removesuffix(".json")):
            store.download(key, folder / places.META / name)


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if name.startswith("/") or ".." in name.split("/") or "\\" in name:
        raise InputError(f"{name!r} leads out of the record; the store holds something that is no run")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _seconds(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
