"""scikit-learn: wraps ``fit``, ``fit_predict`` and ``fit_transform`` of its estimators, since it has no callbacks.

Predictions, ``score`` and the functions of ``sklearn.metrics`` are listened to, for scores on later data.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from mlgitops.tracking.autolog import diagrams, later, models, search
from mlgitops.tracking.autolog.estimators import EstimatorFit
from mlgitops.tracking.autolog.fits import Call, Fit
from mlgitops.tracking.autolog.patches import Patches

_METHODS = ("fit", "fit_predict", "fit_transform")
_TRUTHS = ("y_true", "labels_true")  # what metrics, and nothing else, call their first parameter

# What only prepares data is no training, as in MLflow: a run a StandardScaler would hide the others.
_PREPARING = tuple(
    f"sklearn.{name}." for name in ("compose", "feature_extraction", "feature_selection", "impute", "preprocessing")
)


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap the methods of the classes that a module defines, and listen to its metrics."""
    for found in list(vars(module).values()):
        if getattr(found, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(found):
            for name in _METHODS:
                patches.method(found, name, SklearnFit)
            later.listen(found, patches)
        elif isinstance(found, FunctionType) and _is_metric(found):
            # All are decorated by a function that validates what it passes on to the metric itself.
            patches.answers_inside(found, "func", later.measured)


def _is_metric(function: FunctionType) -> bool:
    if not function.__module__.startswith("sklearn.metrics.") or function.__name__.startswith("_"):
        return False
    return next(iter(inspect.signature(function).parameters), None) in _TRUTHS


class SklearnFit(EstimatorFit):
    """A fit of one of scikit-learn's estimators, or of a class that inherits from one."""

    name = "sklearn"

    def wants(self, call: Call) -> bool:
        """Return whether it trains, and is no preparation of data."""
        kinds = type(call.args[0]).__mro__ if call.args else ()
        return hasattr(kinds[0], "get_params") and not any(
            f"{kind.__module__}.".startswith(_PREPARING) for kind in kinds
        )

    def params(self, estimator: Any) -> Mapping[str, Any]:
        """Return parameters; of a search only its own, since those of the estimator are what it searches."""
        found: Mapping[str, Any] = estimator.get_params(deep=not search.is_search(estimator))
        return found

    def after(self, fit: Fit, result: Any) -> None:
        """Log what the search found too."""
        estimator = fit.call.args[0]
        if not search.is_search(estimator):
            super().after(fit, result)
            return
        best = [estimator.best_estimator_] if hasattr(estimator, "best_estimator_") else []
        later.remember(fit, estimator, *best)
        search.log(fit, estimator)
        if best:
            self.log_model(fit, estimator.best_estimator_)
        self.log_data.after(fit)
        search.log_candidates(fit, estimator.cv_results_)
        if fit.budget.left > 0:
            self.log_picture(fit, models.Twin.of(estimator))

    def log_picture(self, fit: Fit, twin: models.Twin) -> None:
        """Log scikit-learn's own picture of an estimator."""
        diagrams.log(fit, twin)
