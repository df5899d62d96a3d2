"""How a process comes to write to a run: it starts one, goes on with one, or joins one.

The owner of a run locks ``.owner`` in its folder for as long as it lives, so that two processes
never both sum up and seal one record.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path

from mlgitops.tracking import helper, locks, places, ranks
from mlgitops.tracking.run import Run

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from typing import Any

_RESERVE = b"\n" * 8192  # of a disk that is full at the end, so that the end can be written
_SUMS = 1.0  # seconds for a process that adds up a run which has ended
_BEFORE = "before it was resumed: "
_LITTLE = 256 << 20  # bytes that are free on a disk that will soon be full
_FEW = 1000  # files that it may still hold


def start(
    folder: Path,
    *,
    name: str = "",
    experiment: str = "default",
    parent: str = "",
    group: str = "",
    tags: Mapping[str, object] | None = None,
    lock: locks.Held | None = None,
) -> Run:
    """Start a run; one whose record cannot be made is told and does not stop training."""
    run = Run(folder, name=name, experiment=experiment, parent=parent, group=group)
    try:
        places.prepare(run.root)
        folder.mkdir(parents=True, exist_ok=True)  # other ranks may have been faster
        run.owner_lock = lock or locks.claim(folder / places.OWNER)
        write_experiment(run.root, experiment)
        _begin(run)
    except OSError as error:
        run.failed("the start of the run", error)
    run.set_tags(tags or {})
    _log_seeds(run)
    return run


def resume(folder: Path, *, tags: Mapping[str, object] | None = None, lock: locks.Held | None = None) -> Run:
    """Go on with a run that ended or died: its points stay, steps go on, and it gets a new end.

    Raises:
        NotFoundError: the folder is no run.
        InputError: its owner lives, or its record cannot be read.
    """
    from mlgitops.errors import InputError
    from mlgitops.tracking import records

    before = records.read(folder)
    lock = lock or _claim(folder)
    if lock is None:
        raise InputError(
            f"run {before.id} is still written by another process; wait for its end, "
            f"or write to it too: start_run(join={before.id!r})"
        )
    run = Run(folder, name=before.name, experiment=before.experiment, parent=before.parent, group=before.group)
    run.owner_lock = lock
    run.started_at = before.started_at
    run.resumed_at = [*before.resumed_at, places.utc(time.time())]
    for problem in records.told_problems(folder):
        run.add_problem(problem if problem.startswith(_BEFORE) else f"{_BEFORE}{problem}")
    run.go_on_after({name: summary.step for name, summary in before.metrics.items()})
    try:
        _put_aside(folder, len(run.resumed_at))
        _begin(run)
    except OSError as error:
        run.failed("going on with the run", error)
    run.set_tags(tags or {})
    _log_seeds(run)
    return run


def join(folder: Path, *, is_worker: bool = False) -> Run:
    """Write to a run of another process, which ends it; this process has a file of its own.

    The folder is made when the owner has not made it yet. Steps of a rank that wrote to it before go on.

    Args:
        folder: of the run.
        is_worker: it works for a process that writes to the run itself, whose rank it has too.
    """
    from mlgitops.errors import InputError
    from mlgitops.tracking import records
    from mlgitops.tracking.points import last_steps

    head: dict[str, Any] = {}
    with suppress(InputError):  # not there yet, or of a newer format, which its owner knows
        head = records.read_head(folder)
    texts = {key: str(head.get(key) or "") for key in ("name", "experiment", "parent", "group")}
    run = Run(folder, is_owner=False, **{**texts, "experiment": texts["experiment"] or "default"})
    run.writer.is_worker = is_worker
    rank = None if is_worker else ranks.rank()
    try:
        if rank is not None:
            run.go_on_after(last_steps(folder, f"rank {rank}"))
        folder.mkdir(parents=True, exist_ok=True)
        run.writer.open()
    except OSError as error:
        run.failed("joining the run", error)
    return run


def take_part(
    folder: Path, *, name: str, experiment: str, parent: str, group: str, tags: Mapping[str, object] | None
) -> Run:
    """Be one of many processes of a run: rank zero starts it or goes on with it, others join."""
    if ranks.rank():
        return join(folder)
    lock = _claim(folder)
    if lock is None:
        return join(folder)
    if (folder / places.RUN).exists():
        return resume(folder, tags=tags, lock=lock)
    return start(folder, name=name, experiment=experiment, parent=parent, group=group, tags=tags, lock=lock)


def write_experiment(root: Path, experiment: str) -> None:
    """Make an experiment's folder when it is new.

    Raises:
        OSError: it cannot be made.
    """
    path = root / "experiments" / places.slug(experiment) / "experiment.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f'{{"format":{places.FORMAT},"name":{quoted(experiment)}}}\n'.encode())


def _begin(run: Run) -> None:
    """Make the process's file, say that the run runs, and have code and environment captured."""
    if run.owner_lock:
        os.pwrite(run.owner_lock.descriptor, _RESERVE, 0)
    run.writer.open()
    # Not files.write_atomic, nor a text file: what they import would be half of the time that a start takes.
    new = run.folder / f".{places.RUN}"
    new.write_bytes(f"{dumps(run.head())}\n".encode())
    new.replace(run.folder / places.RUN)
    run.helper = helper.capture(run.folder)
    _warn_of_a_full_disk(run.root)


def _warn_of_a_full_disk(root: Path) -> None:
    """Tell once that little fits where records are kept; ``preflight`` looks for what takes longer to see."""
    if str(root) in _warned or not hasattr(os, "statvfs"):
        return
    try:
        disk = os.statvfs(root)
    except OSError:
        return  # what cannot be seen is told when it cannot be written
    free = disk.f_bavail * disk.f_frsize
    is_out_of_files = disk.f_files > 0 and disk.f_favail < _FEW  # some file systems do not count them
    if free < _LITTLE or is_out_of_files:
        _warned.add(str(root))
        left = f"{disk.f_favail} files" if is_out_of_files else f"{free >> 20} MiB"
        print(f"mlgitops: warning: only {left} more fit where run records are kept, {root}", file=sys.stderr)


_warned: set[str] = set()


def _log_seeds(run: Run) -> None:
    if (
        "numpy" in sys.modules
        or "torch" in sys.modules
        or "tensorflow" in sys.modules
        or "PYTHONHASHSEED" in os.environ
    ):
        from mlgitops.tracking import seeds

        seeds.log(run)


def _claim(folder: Path) -> locks.Held | None:
    """Return the lock of a run's owner, None when it lives."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return locks.claim(folder / places.OWNER) or _after_the_sums(folder)
    except OSError:
        return locks.Held()  # a record that cannot be written; that is told when it is


def _after_the_sums(folder: Path) -> locks.Held | None:
    """Return the lock of a run that has ended once it is given back: it is added up again, in milliseconds."""
    from mlgitops.errors import InputError
    from mlgitops.tracking import life, records

    deadline = time.monotonic() + _SUMS
    with suppress(InputError):
        while records.read_head(folder).get("status") in life.ENDED and time.monotonic() < deadline:
            time.sleep(0.005)
            if lock := locks.claim(folder / places.OWNER):
                return lock
    return None


def _put_aside(folder: Path, number: int) -> None:
    """Keep what was captured before under other names, and unseal the record."""
    from mlgitops.digest import MANIFEST

    (folder / MANIFEST).unlink(missing_ok=True)
    for name in (places.CAPTURE, places.DIFF, places.PACKAGES):
        if (folder / name).exists():
            stem, _, ending = name.partition(".")
            os.replace(folder / name, folder / f"{stem}-{number}.{ending}")
