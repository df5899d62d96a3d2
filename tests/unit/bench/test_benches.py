"""Every bench can be imported and has the figures that it is asked for, so that none rots unseen between two runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[3] / "bench"
ASKED_FOR = {
    "tracking": {
        "import_ms",
        "run_start_ms",
        "log_metric_p50_us",
        "log_metric_per_s",
        "log_metrics_points_per_s",
        "lost_points_sigkill",
        "autolog_overhead_percent",
    },
    "query": {"search_10k_warm_seconds", "search_10k_cold_seconds", "search_100k_warm_seconds"},
    "validate": {"cold_seconds_10k", "warm_seconds_10k", "memory_mib"},
    "registry": {"live_version_p95_ms_10k", "cold_seconds_100k", "promote_seconds_10k"},
    "demo": {"wall_seconds", "merge_to_serving_seconds", "failed_requests"},
}
# In a process of its own: the modules are called like packages of ours.
LIST = """
import importlib, json, pathlib, sys
sys.path[:0] = sys.argv[1:]
import harness
metrics = {name: importlib.import_module(name).METRICS for name in harness.names()}
for probe in pathlib.Path(sys.argv[1], "probes").glob("*.py"):
    importlib.import_module(f"probes.{probe.stem}")
print(json.dumps({name: [vars(one) | {"ours": None, "peers": [*one.peers]} for one in found]
                  for name, found in metrics.items()}))
"""


@pytest.fixture(scope="module")
def benches() -> dict[str, list[dict[str, Any]]]:
    done = subprocess.run([sys.executable, "-c", LIST, str(BENCH)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def test_every_bench_has_the_figures_that_it_is_asked_for(benches: dict[str, list[dict[str, Any]]]) -> None:
    for name, wanted in ASKED_FOR.items():
        assert wanted <= {metric["name"] for metric in benches[name]}


def test_every_figure_can_be_judged(benches: dict[str, list[dict[str, Any]]]) -> None:
    for metrics in benches.values():
        for metric in metrics:
            assert metric["better"] in ("lower", "higher")
            assert re.fullmatch(r"|(<=|>=)[\d.]+x?", metric["goal"]), metric
            assert metric["rounds"][0] >= metric["rounds"][1] >= 1


def test_every_peer_has_an_environment(benches: dict[str, list[dict[str, Any]]]) -> None:
    pinned = {path.stem for path in (BENCH / "peers").glob("*.txt")}
    peers = {peer for metrics in benches.values() for metric in metrics for peer in metric["peers"]}
    assert peers - {"stdlib"} <= pinned


def test_every_bench_is_named_in_the_readme(benches: dict[str, list[dict[str, Any]]]) -> None:
    told = (BENCH / "README.md").read_text()
    assert all(f"| `{name}` |" in told for name in benches)
