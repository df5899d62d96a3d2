"""Runs for tests that need many of them, each by its own handle and not as the active one."""

from __future__ import annotations

from pathlib import Path

from mlgitops.tracking import beginning, places
from mlgitops.tracking.run import Run


def new_run(root: Path, name: str, *, experiment: str = "experiment", **tags: str) -> Run:
    """Start a run."""
    return beginning.start(root / "runs" / places.new_run_id(), name=name, experiment=experiment, tags=tags)
