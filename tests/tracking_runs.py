"""Runs for tests that need many of them, each by its own handle and not as the active one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from mlgitops.tracking import beginning, places, points
from mlgitops.tracking.run import Run


def write_as(folder: Path, who: str, losses: Sequence[float]) -> str:
    """Write a file of lines as another process of a run would, and return its name; ``who`` is JSON of its header."""
    name = f"w-elsewhere-{len(points.writers(folder))}.jsonl"
    lines = [f'{{"writer":{{"host":"elsewhere","pid":1,{who}}},"format":1,"time":{time.time()}}}']
    for step, loss in enumerate(losses):
        lines.append(f'{{"metric":"loss","value":{loss},"step":{step},"time":{time.time()}}}')
    (folder / name).write_text("".join(f"{line}\n" for line in (*lines, '{"end":"finished"}')))
    return name


def new_run(root: Path, name: str, *, experiment: str = "experiment", **tags: str) -> Run:
    """Start a run."""
    return beginning.start(root / "runs" / places.new_run_id(), name=name, experiment=experiment, tags=tags)
