"""The main job as ``mlgitops demo --once`` does it: how long it takes, and what it drops."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from harness import Measure, Metric

from mlgitops.local.cluster import Cluster

PATIENCE = 1800.0  # seconds, enough for a cold build


class Runs:
    """One demo a round: the first metric to ask for a round runs it, the others read it."""

    def __init__(self) -> None:
        self._asked: dict[str, int] = {}

    def value(self, key: str) -> float:
        """Return a figure of this key's next round."""
        number = self._asked[key] = self._asked.get(key, 0) + 1
        return float(_demo(number)[key])


@cache
def _demo(number: int) -> dict[str, Any]:
    command = [str(Path(sys.prefix) / "bin" / "mlgitops"), "demo", "--once", "--output", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=sys.stderr, timeout=PATIENCE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    if not found["ok"]:
        raise RuntimeError(f"demo {number} did not succeed: {found}")
    return found


_runs = Runs()


def _figure(key: str) -> Measure:
    return lambda: _runs.value(key)


def _cluster_up() -> float:
    """Return the seconds until a cluster of its own takes pods; its programs are in the cache already."""
    with tempfile.TemporaryDirectory(prefix="mlgitops-bench-") as folder:
        began = time.monotonic()
        cluster = Cluster.up("bench", attached=True, folder=Path(folder) / "bench")
        took = time.monotonic() - began
        cluster.down()
    return took


METRICS = (
    Metric("cluster_up_seconds", "s", "lower", _cluster_up, goal="<=10", rounds=(5, 2)),
    Metric("wall_seconds", "s", "lower", _figure("wall_seconds"), goal="<=90", rounds=(3, 1)),
    Metric("merge_to_serving_seconds", "s", "lower", _figure("merge_to_serving_seconds"), goal="<=5", rounds=(3, 1)),
    Metric("failed_requests", "requests", "lower", _figure("failed_requests"), goal="<=0", rounds=(3, 1)),
)
