"""Pushes a run that still goes on, each time only what is new (docs/design/0013 has the layout).

Lines only grow: of each writer's file the bytes since the last push become one more piece, named
by its offset. What has been pushed is read from the store, so that another process can go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

from mlgitops import artifacts
from mlgitops.errors import InputError
from mlgitops.tracking import ending, life, places, points, records, remarks, unsaved
from mlgitops.tracking.query.tails import Tails
from mlgitops.tracking.sums import of_run_json

CURRENT = "current.json"
LIVE = "live"
LARGEST_PIECE = 64 << 20  # bytes of lines in one object
_SKIPPED = (places.OWNER, places.RUN, places.MODELS, places.META)


class LivePush:
    """Pushes one run again and again."""

    def __init__(self, folder: Path, store_uri: str) -> None:
        self._folder = folder
        self._store_uri = store_uri
        self._store = artifacts.open_store(artifacts.join(store_uri, "runs", folder.name))
        self._tails = Tails()
        self._files: dict[str, tuple[int, int]] = {}  # what was pushed, by size and time
        self._said: dict[str, tuple[int, int]] = {}  # the same of what was said about the experiment
        self._offsets = offsets(self._store.list(LIVE))

    def push(self) -> None:
        """Push what is new, and then what the whole run adds up to.

        Raises:
            InputError: the folder is no run.
            OutsideError: the store cannot be reached, or refuses.
        """
        head = records.read_head(self._folder)
        if head.get("status") in life.ENDED:
            raise InputError(f"run {self._folder.name} has ended; its record is pushed whole")
        for path in points.writers(self._folder):
            self._push_lines(path)
        for name in self._plain_files():
            put_changed(self._store, self._folder / name, f"{LIVE}/{name}", self._files)
        push_remarks(self._folder, self._store, self._files)
        sums = ending.sums_of(self._tails.sum_up(self._folder))
        status = life.state(self._folder)
        self._store.put(CURRENT, current({**head, **sums}, self._folder, status))
        push_experiment(self._folder, str(head.get("experiment") or ""), self._store_uri, self._said)

    def _push_lines(self, path: Path) -> None:
        """Push a writer's whole lines since the last time."""
        start = self._offsets.get(path.name, 0)
        with os.fdopen(points.open_plain(path), "rb") as file:
            while True:
                file.seek(start)
                read = file.read(LARGEST_PIECE)
                whole = read[: read.rfind(b"\n") + 1]
                if not whole:
                    return
                self._store.put(f"{LIVE}/{path.name}/{start:016d}", whole)
                start += len(whole)
                self._offsets[path.name] = start

    def _plain_files(self) -> list[str]:
        found = []
        for folder, folders, names in os.walk(self._folder):
            below = Path(folder).relative_to(self._folder)
            if below == Path():
                folders[:] = [name for name in folders if name not in _SKIPPED]
                names = [name for name in names if name not in _SKIPPED and not name.startswith(("w-", "."))]
            found += [(below / name).as_posix() for name in names if not name.startswith(".")]
        return sorted(name for name in found if not (self._folder / name).is_symlink())


def current(run: dict[str, Any], folder: Path, status: str, digest: str | None = None, **more: object) -> bytes:
    """Return a run's ``current.json``."""
    try:
        capture: Any = json.loads((folder / places.CAPTURE).read_bytes())
    except (OSError, ValueError):
        capture = None
    content = {
        "format": places.FORMAT,
        "pushed_at": places.utc(time.time()),
        "digest": digest,
        "status": status,
        "run": _as_seen_here(run, folder),
        "capture": capture,
        "models": {},
        **more,
    }
    return json.dumps(content).encode() + b"\n"


def _as_seen_here(run: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what a run says, with lost models as problems: only this machine sees by its lock who saves one."""
    if not run.get("saving"):
        return run
    promised, problems = of_run_json(run).saving, run.get("problems")
    broken = {token for token in unsaved.broken(folder, promised) if not unsaved.is_answered(folder, token)}
    return {
        **run,
        "saving": [{"name": name, "token": token} for token, name in promised.items() if token not in broken],
        "problems": [
            *(problems if isinstance(problems, list) else ()),
            *(unsaved.lost(promised[token]) for token in sorted(broken)),
        ],
    }


def push_remarks(folder: Path, store: artifacts.Store, known: dict[str, tuple[int, int]]) -> None:
    """Push what was said about a run or an experiment since the last time; such files never change."""
    unknown = _unknown(folder, known)
    there = store.list(places.META) if unknown else {}
    for key, path in unknown.items():
        if key in there:
            known[key] = (there[key], 0)
        elif places.is_run_id(path.stem) and not path.is_symlink():
            put_changed(store, path, key, known)


def push_experiment(folder: Path, name: str, store_uri: str, known: dict[str, tuple[int, int]]) -> None:
    """Push what was said about the experiment of a run since the last time.

    In a store it is what it is on a disk: files that are never changed, so that what several machines say adds up,
    in order of time. A store in which only runs may be written has no experiments.
    """
    slug = places.slug(name)
    place = folder.parent.parent / remarks.EXPERIMENTS / slug
    if not slug or (remarks.EXPERIMENT in known and not _unknown(place, known)):
        return
    store = artifacts.open_store(artifacts.join(store_uri, remarks.EXPERIMENTS, slug))
    with contextlib.suppress(artifacts.ForbiddenError):
        if not store.exists(remarks.EXPERIMENT):
            # Our own text: what lies beside a record that was made by hand may be a link to anything.
            store.put(remarks.EXPERIMENT, json.dumps({"format": places.FORMAT, "name": name}).encode() + b"\n")
        known[remarks.EXPERIMENT] = (0, 0)
        push_remarks(place, store, known)


def _unknown(folder: Path, known: Container[str]) -> dict[str, Path]:
    """Return what was said about a run or an experiment and is not yet known to be in the store."""
    paths = sorted((folder / places.META).glob("*.json"))
    return {key: path for path in paths if (key := f"{places.META}/{path.name}") not in known}


def put_changed(store: artifacts.Store, path: Path, key: str, known: dict[str, tuple[int, int]]) -> None:
    """Put a file that is new or changed since it was put last; one that is gone meanwhile is left out."""
    try:
        status = path.stat()
    except OSError:
        return
    seen = (status.st_size, status.st_mtime_ns)
    if known.get(key) != seen:
        with contextlib.suppress(InputError):  # a name that no store takes
            store.put(key, path)
        known[key] = seen


def offsets(keys: dict[str, int]) -> dict[str, int]:
    """Return how much of each writer's file a store holds, from its keys below ``live`` and their sizes."""
    found: dict[str, int] = {}
    for key, size in keys.items():
        parts = key.split("/")
        if len(parts) == 3 and parts[1].startswith("w-") and len(parts[2]) == 16 and parts[2].isdigit():
            found[parts[1]] = max(found.get(parts[1], 0), int(parts[2]) + size)
    return found
