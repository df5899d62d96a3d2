"""What a training script calls: the active run, and functions that write to it.

The active run is the one of this context (a ``ContextVar``); a thread that has none of its
own writes to the run that the process started last. Logging without any run starts one.
Runs that a script does not end are ended when Python exits: failed after an uncaught
error, else finished.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path

from mlgitops.tracking import places
from mlgitops.tracking.run import Run

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from typing import Any

    from mlgitops.tracking.records import Dataset, LoggedModel

_here: ContextVar[Run | None] = ContextVar("mlgitops_run", default=None)
_started: list[Run] = []  # not yet ended, in order of their start


def start_run(
    name: str | None = None,
    *,
    experiment: str = "default",
    tags: Mapping[str, object] | None = None,
) -> Run:
    """Start a run and make it the active one; use it in a ``with`` statement, or end it with ``end_run``.

    The record lies below ``mlgitops.tracking.root()``. A record that cannot be written is told
    and does not stop training (``MLGITOPS_STRICT=1`` raises).
    """
    run = Run(str(name or ""), str(experiment), tags or {}, places.root())
    if not _started:
        atexit.unregister(_end_all)
        atexit.register(_end_all)
    _started.append(run)
    _here.set(run)
    return run


def active_run() -> Run | None:
    """Return the run that the functions of this module write to, or None."""
    run = _here.get()
    if run is not None and run.status == "running":
        return run
    return _started[-1] if _started else None


def end_run(status: str = "finished") -> None:
    """End the active run, as ``finished`` or ``failed``; do nothing without one."""
    run = active_run()
    if run is not None:
        leave(run)
        run.end(status)


def log_metric(name: str, value: float, step: int | None = None) -> None:
    """Write one point of a metric; never raises. See ``Run.log_metric``."""
    _run().log_metric(name, value, step)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Write one point of each of several metrics; never raises."""
    _run().log_metrics(metrics, step)


def log_param(name: str, value: object) -> None:
    """Write a parameter; never raises."""
    _run().log_param(name, value)


def log_params(params: Mapping[str, object]) -> None:
    """Write several parameters; never raises."""
    _run().log_params(params)


def set_tag(name: str, value: object) -> None:
    """Write a tag; never raises."""
    _run().set_tag(name, value)


def set_tags(tags: Mapping[str, object]) -> None:
    """Write several tags; never raises."""
    _run().set_tags(tags)


def log_artifact(path: str | os.PathLike[str], name: str | None = None) -> Path:
    """Copy a file or folder into the record. See ``Run.log_artifact``."""
    return _run().log_artifact(path, name)


def log_dataset(data: object, name: str | None = None, context: str | None = None) -> Dataset:
    """Write which data the run used. See ``Run.log_dataset``."""
    return _run().log_dataset(data, name, context)


def log_model(model: Any, name: str = "model", **options: Any) -> LoggedModel:
    """Save a model as a package of the run. See ``Run.log_model``."""
    return _run().log_model(model, name, **options)


def leave(run: Run) -> None:
    """Make a run inactive; the one that was started before it is active again."""
    if run in _started:
        _started.remove(run)
    if _here.get() is run:
        _here.set(_started[-1] if _started else None)


def _run() -> Run:
    run = _here.get()
    if run is not None and run.status == "running":
        return run
    return active_run() or start_run()


def _end_all() -> None:
    # The interpreter remembers an uncaught error here before it exits.
    error = getattr(sys, "last_value", None)
    for run in reversed(_started[:]):
        leave(run)
        if error is None:
            run.end()
        else:
            run.end("failed", f"{type(error).__name__}: {error}")
