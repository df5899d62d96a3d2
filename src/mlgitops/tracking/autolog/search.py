"""Searches of scikit-learn: the best parameters, the table of candidates, the best ones as child runs."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlgitops.tracking.autolog import children
from mlgitops.tracking.autolog.fits import LIFT, Fit

TABLE = "cv_results.csv"


def is_search(estimator: Any) -> bool:
    """Return whether an estimator tries candidates and keeps the best."""
    return any(kind.__name__ == "BaseSearchCV" for kind in type(estimator).__mro__)


def log(fit: Fit, estimator: Any) -> None:
    """Log what a search found."""
    for name, value in getattr(estimator, "best_params_", {}).items():
        fit.run.log_param(f"best_{name}", value)
    if hasattr(estimator, "best_score_"):
        fit.run.log_metric("best_cv_score", estimator.best_score_)
    fit.run.log_text(table(estimator.cv_results_), TABLE)


def log_candidates(fit: Fit, results: Mapping[str, Any]) -> None:
    """Log the best candidates as child runs: so many as were asked for, and as there is time for."""
    rank = next((key for key in results if key.startswith("rank_test_")), None)
    wanted = fit.options.max_child_runs
    if rank is None or not wanted:
        return
    order = sorted(range(len(results["params"])), key=lambda place: (int(results[rank][place]), place))[:wanted]
    took = 0.0
    for number, place in enumerate(order):
        if fit.budget.left < took:
            which = f"the best {number} of {len(results['params'])} candidates" if number else "left out: no time"
            fit.note("child_runs", f"{which}; {LIFT}")
            return
        began = time.perf_counter()
        run = children.start(fit.run, f"candidate-{place}")
        run.log_params(results["params"][place])
        run.log_metrics({key: results[key][place] for key in results if _is_number(results[key][place])})
        children.end(run)
        took = time.perf_counter() - began


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def table(results: Mapping[str, Any]) -> str:
    """Return the results as CSV, one candidate a row."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(results)
    writer.writerows(zip(*results.values(), strict=True))
    return out.getvalue()
