"""The show is the proof: the whole story on a real cluster, as `make demo` tells it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STEPS = [
    "cluster",
    "registry",
    "train-v1",
    "propose-v1",
    "merge-v1",
    "promote-v1",
    "predict",
    "refuse-v2",
    "canary-v3",
    "rollback",
    "rebuild",
]


@pytest.mark.timeout(900)
def test_a_model_goes_from_training_to_production_and_back_without_a_failed_request(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlgitops", "demo", "--once", "--output", "json"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout)
    by_name = {step["name"]: step for step in told["steps"]}
    assert list(by_name) == STEPS
    assert all(step["ok"] and step["seconds"] >= 0 for step in told["steps"])
    assert told["ok"]
    assert told["requests"] >= 500
    assert told["failed_requests"] == 0
    assert 0 < told["merge_to_serving_seconds"] < told["wall_seconds"]
    assert "below the minimum 0.9" in by_name["refuse-v2"]["reason"]
    assert set(by_name["canary-v3"]["answers"]) == {"1", "3"}
    assert by_name["rebuild"]["active"]["version"] == "1"
    # Nothing that it started outlives it, and nothing of it stays on the disk.
    assert str(tmp_path) not in _command_lines()
    assert list(tmp_path.iterdir()) == []


def _command_lines() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode("utf-8", "replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return "\n".join(found)
