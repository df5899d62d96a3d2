"""Runs that are a part of another: trials of a study, candidates of a search."""

from __future__ import annotations

from mlgitops.tracking import session
from mlgitops.tracking.disabled import DisabledRun
from mlgitops.tracking.run import Run


def start(parent: Run, name: str) -> Run:
    """Start a run below another one and make it the active one of this thread; below one that records nothing too."""
    if isinstance(parent, DisabledRun):
        return session.start_run(name, mode="disabled")
    return session.start_run(name, parent=parent)


def end(run: Run, status: str = "finished", error: str = "") -> None:
    """End it; the one that was active before is active again."""
    session.leave(run)
    run.end(status, error)
