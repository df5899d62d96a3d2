"""Runs that are a part of another: trials of a study, candidates of a search."""

from __future__ import annotations

from mlgitops.tracking import session
from mlgitops.tracking.run import Run


def start(parent: Run, name: str) -> Run:
    """Start a run below another one and make it the active one of this thread."""
    return session.start_run(name, experiment=parent.experiment, tags={"parent": parent.id})
