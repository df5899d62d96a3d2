"""Searches of scikit-learn: the best parameters, the table of candidates, the best ones as child runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from mlgitops.tracking.autolog import files
from mlgitops.tracking.autolog.fits import Fit

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
    files.log_text(fit.run, TABLE, table(estimator.cv_results_))


def table(results: Mapping[str, Any]) -> str:
    """Return the results as CSV, one candidate a row."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(results)
    writer.writerows(zip(*results.values(), strict=True))
    return out.getvalue()
