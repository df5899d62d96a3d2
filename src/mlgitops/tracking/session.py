"""The active run: how a script starts it, finds it and ends it.

The active run is the one of this context (a ``ContextVar``); a thread that has none of its
own writes to the run that the process started last. Logging without any run starts one.
Runs that a script does not end are ended when Python exits: failed after an uncaught
error, else finished. SIGTERM ends them as pre-empted, see ``preemption``.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path

from mlgitops.tracking import beginning, places, preemption, ranks
from mlgitops.tracking.run import Run

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from typing import Any

_here: ContextVar[Run | None] = ContextVar("mlgitops_run", default=None)
_started: list[Run] = []  # not yet ended, in order of their start
_taken: set[str] = set()  # values of MLGITOPS_RUN_ID that this process has taken part in
_experiment = ""  # what set_experiment said


def start_run(
    name: str | None = None,
    *,
    experiment: str | None = None,
    tags: Mapping[str, object] | None = None,
    parent: Run | str | None = None,
    nested: bool = False,
    group: str | None = None,
    resume: str | None = None,
    join: str | None = None,
    mode: str = "enabled",
    system_metrics: bool | float | None = None,
    push_every: float | None = None,
) -> Run:
    """Start a run and make it the active one; use it in a ``with`` statement, or end it with ``end_run``.

    The record lies below ``mlgitops.tracking.root()``. A record that cannot be written is told
    and does not stop training (``MLGITOPS_STRICT=1`` raises).

    Args:
        name: what people call it; default: the script's name.
        experiment: what it belongs to; default: what ``set_experiment`` said, the parent's, or ``default``.
        tags: texts by name.
        parent: the run that this is a part of, or its id.
        nested: the active run is the parent.
        group: a name that runs of one purpose share, such as the folds of a cross-validation.
        resume: the id, or its beginning, of a run that ended or died, to go on with.
        join: the id of a run of another process, to write to as well.
        mode: ``disabled`` records nothing, as ``MLGITOPS_DISABLED=1`` does everywhere.
        system_metrics: sample the machine, every ten or so many seconds; default: ``MLGITOPS_SYSTEM_METRICS``.
        push_every: push the run to the store while it runs, every so many seconds; default: ``MLGITOPS_PUSH_EVERY``.

    Raises:
        NotFoundError: no run has the id of ``parent``, ``resume`` or ``join``.
        InputError: the run that shall be resumed is still written, or arguments exclude each other.
    """
    if mode not in ("enabled", "disabled"):
        raise _input_error(f"mode {mode!r} is unknown; expected enabled or disabled")
    if sum(argument is not None for argument in (resume, join, parent)) + nested > 1:
        raise _input_error("resume, join, parent and nested exclude each other; give one of them")
    if nested:
        parent = active_run()
    run = _made(str(name or ""), experiment, tags, parent, str(group or ""), resume, join, mode)
    run.accompany(system_metrics, push_every)
    activate(run)
    return run


def set_experiment(name: str, *, description: str | None = None, tags: Mapping[str, object] | None = None) -> None:
    """Let runs that are started from now on belong to an experiment, and say what it is about.

    Raises:
        OutsideError: the description cannot be written.
    """
    global _experiment
    _experiment = str(name)
    if not places.is_disabled() and (description is not None or tags):
        from mlgitops.tracking import remarks

        remarks.describe_experiment(places.root(), _experiment, description, tags or {})


def active_run() -> Run | None:
    """Return the run that the logging functions write to, or None."""
    run = _here.get()
    if run is not None and run.status == "running":
        return run
    return _started[-1] if _started else None


def end_run(status: str = "finished") -> None:
    """End the active run, as ``finished``, ``failed`` or ``preempted``; do nothing without one."""
    run = active_run()
    if run is not None:
        run.end(status)
        leave(run)


def current() -> Run:
    """Return the active run; start one when there is none."""
    run = _here.get()
    if run is not None and run.status == "running":
        return run
    return active_run() or start_run()


def activate(run: Run) -> None:
    """Make a run the active one, and have it ended with the process."""
    if not _started:
        atexit.unregister(_end_all)
        atexit.register(_end_all)
    outer = _here.get()
    run.outer = outer if outer in _started else None
    _started.append(run)
    _here.set(run)
    preemption.watch(_preempted)


def leave(run: Run) -> None:
    """Make a run inactive; the one that was active here when it was started is active again."""
    if run in _started:
        _started.remove(run)
    outer, run.outer = run.outer, None
    for inner in _started[:]:
        if inner.outer is run:
            inner.outer = outer
    if _here.get() is run:
        _here.set(outer)  # not the one that was started last: that may be another thread's
    if not _started:
        preemption.unwatch()


def attach(root: str, run_id: str) -> Run:
    """Return this process's handle of a run that another process sent it, and join the run for that."""
    for run in _started:
        if run.id == run_id:
            return run
    run = _disabled() if places.is_disabled() else beginning.join(Path(root) / "runs" / run_id, is_worker=True)
    activate(run)
    return run


def _made(
    name: str,
    experiment: str | None,
    tags: Mapping[str, object] | None,
    parent: Run | str | None,
    group: str,
    resume: str | None,
    join: str | None,
    mode: str,
) -> Run:
    root = places.root()
    wanted = os.environ.get("MLGITOPS_RUN_ID", "")
    if mode == "disabled" or places.is_disabled():
        return _disabled(name)
    if resume:
        return beginning.resume(_found(root, resume), tags=tags)
    if join:
        return beginning.join(_place(root, join, "join"))
    parent_id, parents_experiment = _parent(root, parent)
    given: dict[str, Any] = {
        "name": name,
        "experiment": str(experiment) if experiment is not None else _experiment or parents_experiment or "default",
        "parent": parent_id,
        "group": group,
        "tags": tags,
    }
    if wanted and not parent_id and wanted not in _taken:
        _taken.add(wanted)
        return beginning.take_part(_place(root, wanted, "MLGITOPS_RUN_ID"), **given)
    if ranks.rank() and not wanted:
        return _disabled(name)
    return beginning.start(root / "runs" / places.new_run_id(), **given)


def _disabled(name: str = "") -> Run:
    from mlgitops.tracking.disabled import DisabledRun

    return DisabledRun(name)


def _parent(root: Path, parent: Run | str | None) -> tuple[str, str]:
    """Return id and experiment of a parent."""
    if parent is None or isinstance(parent, Run):
        return (parent.id, parent.experiment) if parent else ("", "")
    from mlgitops.tracking import records

    folder = _found(root, str(parent))
    return folder.name, str(records.read_head(folder).get("experiment") or "")


def _found(root: Path, run_id: str) -> Path:
    from mlgitops.tracking import records

    return records.find(root, run_id)


def _place(root: Path, run_id: str, what: str) -> Path:
    if not places.is_run_id(run_id):
        raise _input_error(f"{what} {run_id!r} is no run id; make one with mlgitops.new_run_id()")
    return root / "runs" / run_id


def _input_error(message: str) -> Exception:
    from mlgitops.errors import InputError

    return InputError(message)


def _end_all() -> None:
    # The interpreter remembers an uncaught error here before it exits.
    error = getattr(sys, "last_value", None)
    for run in reversed(_started[:]):
        leave(run)
        if error is None:
            run.end()
        else:
            run.end("failed", f"{type(error).__name__}: {error}")


def _preempted() -> None:
    for run in reversed(_started[:]):
        run.end("preempted", "SIGTERM")
