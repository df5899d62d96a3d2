"""Autologging: what it adds to a training, ours and MLflow's; the worst of five estimators.

Each is fitted in a process of its own by ``probes/autolog.py``, with everything at its
default and one processor: threads of a numeric library that wait for each other on a machine that
others use would take minutes instead of seconds. Fits take about 14 seconds, because 2 % of a shorter one is
less than the 200 ms that autologging may always take.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import environments
from harness import Metric

PROBE = Path(__file__).parent / "probes" / "autolog.py"
ESTIMATORS = ("LogisticRegression", "RandomForest", "k-NN", "SVC", "XGBoost")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PATIENCE = 240.0  # seconds of one estimator; who takes longer is told as what that is at least
FIT = 14.0  # seconds of the fit that is measured, as the probe makes it
PREPARED = 45.0  # seconds at most that the probe needs besides, three fits among them


def _worst(who: str) -> float:
    return max(_overhead(who, estimator) for estimator in ESTIMATORS)


def _overhead(who: str, estimator: str) -> float:
    python = sys.executable if who == "ours" else environments.python("mlflow-autolog")
    with tempfile.TemporaryDirectory(prefix="mlgitops-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLGITOPS_", "MLFLOW_"))}
        try:
            done = subprocess.run(
                [str(python), str(PROBE), who, estimator],
                cwd=folder,
                env=kept | ONE_THREAD | {"HOME": folder, "MLGITOPS_DIR": f"{folder}/.mlgitops"},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            figure = 100 * (PATIENCE - PREPARED) / FIT
            print(f"  {who} {estimator}: more than {figure:.0f} %", file=sys.stderr, flush=True)
            return figure
    if done.returncode:
        raise RuntimeError(f"{who} {estimator}: {done.stderr[-2000:]}")
    figure = float(json.loads(done.stdout.splitlines()[-1]))
    print(f"  {who} {estimator}: {figure:.2f} %", file=sys.stderr, flush=True)
    return figure


METRICS = (
    Metric(
        "autolog_overhead_percent",
        "%",
        "lower",
        partial(_worst, "ours"),
        {"mlflow": partial(_worst, "mlflow")},
        goal="<=2",
        rounds=(3, 1),
    ),
)
