"""Query: what it costs to find runs, as the store grows.

Every figure is one search by ``probes/query.py`` in a fresh process, ours in the project's
environment, MLflow in its own with its default store, SQLite. Cold means without our index;
it is measured over runs that ended. Before each warm search every live run gets a new point.
The stores stay in the cache folder, below ``bench``: writing 100,000 runs takes minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import environments
from harness import Metric

from mlgitops import config

PROBE = Path(__file__).parent / "probes" / "query.py"
PATIENCE = 1800.0  # seconds to write the largest store, or to index it
FORMAT = 1  # of the stores that probes/query.py writes; another one is written again


def _run(who: str, job: str, folder: Path, *arguments: str) -> float:
    python = sys.executable if who == "ours" else str(environments.python(who))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLGITOPS_", "MLFLOW_"))}
    done = subprocess.run(
        [python, str(PROBE), who, job, str(folder), *arguments],
        env=kept | {"HOME": str(folder.parent), "MLGITOPS_CACHE_DIR": str(folder.parent / "cache")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if done.returncode:
        raise RuntimeError(f"{who} {job}: {done.stderr[-2000:]}")
    if job == "search":
        print(f"{who}: {done.stderr.splitlines()[-1]}", file=sys.stderr, flush=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _store(who: str, kind: str, count: int) -> Path:
    """Return a store of so many runs, written once."""
    folder = config.cache_dir() / "bench" / f"query-{FORMAT}-{who}-{kind}-{count}" / "store"
    done = folder.parent / "complete"
    if not done.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.mkdir(parents=True)
        _run(who, f"make-{kind}", folder, str(count))
        done.touch()
    return folder


def _warm(who: str, count: int) -> float:
    folder = _store(who, "mixed", count)
    # A store that lay around for ten minutes has no live runs; a point makes them live, as they were before.
    _run(who, "log", folder, str(count))
    _run(who, "search", folder)
    _run(who, "log", folder, str(count))
    return _run(who, "search", folder)


def _cold(count: int) -> float:
    folder = _store("ours", "finished", count)
    shutil.rmtree(folder.parent / "cache", ignore_errors=True)
    return _run("ours", "search", folder)


METRICS = (
    Metric(
        "search_10k_warm_seconds",
        "s",
        "lower",
        partial(_warm, "ours", 10_000),
        {"mlflow": partial(_warm, "mlflow", 10_000)},
        goal="<=0.3",
    ),
    Metric("search_10k_cold_seconds", "s", "lower", partial(_cold, 10_000), goal="<=3"),
    Metric(
        "search_100k_warm_seconds",
        "s",
        "lower",
        partial(_warm, "ours", 100_000),
        {"mlflow": partial(_warm, "mlflow", 100_000)},
        goal="<=1",
    ),
)
