"""CatBoost: a callback for each round's scores; ``fit`` of its models for what callbacks do not see."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from mlgitops.tracking.autolog import data, models, plots
from mlgitops.tracking.autolog.boosting import wrap_estimators
from mlgitops.tracking.autolog.estimators import EstimatorFit
from mlgitops.tracking.autolog.fits import Fit
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap the ``fit`` of CatBoost's models, once their module ran."""
    if module.__name__ == "catboost.core":
        wrap_estimators(module, patches, Training)


class Rounds:
    """What CatBoost calls after each round."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def after_iteration(self, info: Any) -> bool:
        """Log the newest value of each metric; training goes on."""
        for part, metrics in (info.metrics or {}).items():
            for metric, values in metrics.items():
                self._run.log_metric(f"{part}-{metric}", values[-1], info.iteration - 1)
        return True


class Training(EstimatorFit):
    """One ``fit`` of a CatBoost model."""

    name = "catboost"

    def before(self, fit: Fit) -> None:
        """Log what is known and add the callback, where CatBoost takes any: on a CPU."""
        super().before(fit)
        if fit.call.args[0].get_param("task_type") != "GPU":
            fit.call.put("callbacks", lambda given: [Rounds(fit.run), *(given or ())])

    def params(self, estimator: Any) -> Mapping[str, Any]:
        """Return what was set; the defaults are decided when CatBoost has seen the data."""
        found: Mapping[str, Any] = estimator.get_params()
        return found

    def training_data(self) -> tuple[Any, Any]:
        """Return rows and labels, those of a pool too when they are numbers."""
        rows, labels = super().training_data()
        if not hasattr(rows, "get_label"):
            return rows, labels
        categories = rows.get_cat_feature_indices() or rows.get_text_feature_indices()
        return (None, None) if categories else (rows.get_features(), rows.get_label())

    def log_model(self, fit: Fit, estimator: Any) -> models.Twin:
        """Log a fitted model; a bare ``CatBoost`` answers raw numbers, which cannot be scored."""
        if type(estimator).__name__ != "CatBoost":
            return super().log_model(fit, estimator)
        twin = models.Twin.of(estimator)
        models.log(fit, twin, data.head(self.rows))
        return twin

    def after(self, fit: Fit, result: Any) -> None:
        """Log what CatBoost decided and found."""
        model = fit.call.args[0]
        fit.run.log_params(model.get_all_params())
        if model.best_iteration_ is not None:
            fit.run.log_metric("best_iteration", model.best_iteration_)
        found = dict(zip(model.feature_names_, model.feature_importances_.tolist(), strict=True))
        plots.log_importances(fit, found, "feature_importance")
        super().after(fit, result)
