"""Small files that autologging adds to a run."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from mlgitops.tracking.run import Run


def log_text(run: Run, name: str, text: str) -> None:
    """Write a text as an artifact; one of the same name, from an earlier fit in the run, is replaced."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text"
        path.write_text(text, "utf-8")
        run.log_artifact(path, name)


def log_json(run: Run, name: str, value: object) -> None:
    """Write a value as JSON."""
    log_text(run, name, json.dumps(value, indent=1) + "\n")
