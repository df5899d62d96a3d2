"""``mlgitops gc runs``: which run records go, by whose word the others stay, and their removal."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from mlgitops.artifacts import open_store
from mlgitops.bot.named import Named
from mlgitops.errors import InputError, NotFoundError, OutsideError
from mlgitops.tracking.live import CURRENT
from mlgitops.tracking.pulling import read_current
from mlgitops.tracking.query.parser import milliseconds
from mlgitops.tracking.query.roots import FolderRecords, Root, records_of
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.records import RunRecord, is_alive

_AGE = re.compile(r"([0-9]{1,5})([hdw])")
_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800}
GONE = ".gone-"  # before the id of a record that is being removed: no longer a record for any reader


class Why(StrEnum):
    """Why a run that a filter holds for stays."""

    RUNNING = "still running"
    NAMED = "named by the registry"
    YOUNG = "too young"
    NEWEST = "among the newest of its experiment"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may go: runs that ``filter`` holds for and that are older than ``older_than`` seconds, None for any age.

    The newest ``keep_last`` runs of each experiment stay whatever the filter.
    """

    filter: str = ""
    older_than: float | None = None
    keep_last: int = 0

    @property
    def empty(self) -> bool:
        """Whether it asks for nothing in particular, which would be every run."""
        return self.older_than is None and not (self.filter.strip() or self.keep_last)


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Runs that go, the oldest last, and those that would have gone but for a reason."""

    going: tuple[RunRecord, ...]
    staying: dict[Why, tuple[RunRecord, ...]] = field(default_factory=dict)


def age(text: str) -> float:
    """Return an age such as ``12h``, ``30d`` or ``6w`` in seconds.

    Raises:
        InputError: it is none.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is no age; expected for example 12h, 30d or 6w")
    return float(int(match[1]) * _SECONDS[match[2]])


def plan(root: Root, policy: Policy, named: Named, now: datetime | None = None) -> Cleaning:
    """Return which runs below a root may go, and why others stay.

    Raises:
        InputError: the policy asks for nothing in particular, or keeps a negative number.
        FilterError: its filter cannot be understood.
    """
    if policy.empty or policy.keep_last < 0:
        raise InputError("say which runs may go: a filter, --older-than or --keep-last")
    moment = (now or datetime.now(UTC)).timestamp() * 1000
    newest = _newest(search_runs(root=root, limit=None), policy.keep_last) if policy.keep_last else set()
    going: list[RunRecord] = []
    staying: dict[Why, list[RunRecord]] = {}
    for run in search_runs(policy.filter, root=root, limit=None):
        ended = milliseconds(run.finished_at or run.started_at)
        if run.status == "running":
            why = Why.RUNNING
        elif _is_named(run, named):
            why = Why.NAMED
        elif policy.older_than and (ended is None or moment - ended < policy.older_than * 1000):
            why = Why.YOUNG
        elif run.id in newest:
            why = Why.NEWEST
        else:
            going.append(run)
            continue
        staying.setdefault(why, []).append(run)
    return Cleaning(tuple(going), {why: tuple(staying[why]) for why in Why if why in staying})


def size(root: Root, run: RunRecord) -> int:
    """Return how many bytes a run's record has, in its folder or in a store.

    Raises:
        OutsideError: the store cannot be reached, or refuses.
    """
    if isinstance(records_of(root), FolderRecords):
        return _size(run.folder)
    return sum(open_store(str(root)).list(f"runs/{run.id}").values())


def remove(root: Root, runs: Iterable[RunRecord]) -> tuple[str, ...]:
    """Remove run records; return the ids of those that began to write again meanwhile, and stay.

    No reader ever sees half of one: a folder is renamed first, of a store what names all else goes first.
    What an earlier removal that was cut short left behind goes too.

    Raises:
        OutsideError: a record cannot be removed; the message names it.
    """
    records = records_of(root)
    if isinstance(records, FolderRecords):
        return _remove_folders(records.folder, runs)
    return _remove_pushed(str(root), runs)


def _remove_folders(root: Path, runs: Iterable[RunRecord]) -> tuple[str, ...]:
    spared = []
    for left in (root / "runs").glob(f"{GONE}*"):
        shutil.rmtree(left, ignore_errors=True)  # another process may be at it
    for run in runs:
        if is_alive(run.folder):
            spared.append(run.id)
            continue
        gone = run.folder.with_name(f"{GONE}{run.folder.name}")
        try:
            run.folder.rename(gone)
            shutil.rmtree(gone)
        except FileNotFoundError:
            continue  # somebody else removed it
        except OSError as error:
            raise OutsideError(f"cannot remove {gone}: {error.strerror or error}") from error
    return tuple(spared)


def _remove_pushed(root: str, runs: Iterable[RunRecord]) -> tuple[str, ...]:
    store, spared = open_store(root), []
    for run in runs:
        try:
            if read_current(root, run.id).get("status") == "running" and run.status != "stale":
                spared.append(run.id)
                continue
        except (NotFoundError, InputError):
            pass  # nothing that could go on
        place = f"runs/{run.id}"
        store.delete(sorted(store.list(place), key=lambda key: key != f"{place}/{CURRENT}"))
    return tuple(spared)


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(f"{place}/{name}").st_size
    return total


def _is_named(run: RunRecord, named: Named) -> bool:
    return run.id in named.runs or any(model.digest.removeprefix("sha256:") in named.digests for model in run.models)


def _newest(runs: Sequence[RunRecord], count: int) -> set[str]:
    """Return the ids of the newest runs of each experiment; ids sort by time."""
    kept: dict[str, list[str]] = {}
    for run in runs:  # the newest first
        of_experiment = kept.setdefault(run.experiment, [])
        if len(of_experiment) < count:
            of_experiment.append(run.id)
    return {run_id for ids in kept.values() for run_id in ids}
