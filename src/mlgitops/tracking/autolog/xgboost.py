"""XGBoost: a training callback for each round's scores; ``fit`` of its estimators for what callbacks do not see."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from mlgitops.tracking.autolog.boosting import BoosterTraining, wrap_estimators
from mlgitops.tracking.autolog.estimators import EstimatorFit
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap ``train`` and the ``fit`` of estimators, once their modules ran."""
    if module.__name__ == "xgboost.training":
        patches.function(module, "train", Training)
    elif module.__name__ == "xgboost.sklearn":
        wrap_estimators(module, patches, EstimatorTraining)


class Training(BoosterTraining):
    """One ``xgboost.train``."""

    name = "xgboost.train"
    library = "xgboost"
    not_params = frozenset(
        ("params", "dtrain", "evals", "obj", "evals_result", "xgb_model", "callbacks", "custom_metric", "feval")
    )

    def callback(self, run: Run) -> Any:
        """Return a ``TrainingCallback``; its class can exist only where XGBoost does."""
        from xgboost.callback import TrainingCallback

        class Rounds(TrainingCallback):
            """Logs to the run of the fit."""

            def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> bool:
                """Log the newest value of each metric; training goes on."""
                del model
                for data, metrics in evals_log.items():
                    for metric, values in metrics.items():
                        run.log_metric(f"{data}-{metric}", values[-1], epoch)
                return False

        return Rounds()

    def best(self, booster: Any) -> Mapping[str, float]:
        """Return what XGBoost keeps among the booster's attributes."""
        if booster.attr("best_iteration") is None:
            return {}
        return {
            "best_iteration": int(booster.attr("best_iteration")),
            "best_score": float(booster.attr("best_score")),
            "stopped_iteration": booster.num_boosted_rounds() - 1,
        }

    def importances(self, booster: Any) -> Mapping[str, Mapping[str, float]]:
        """Return in how many splits each feature is used; features in none are left out."""
        return {"weight": booster.get_score(importance_type="weight")}


class EstimatorTraining(EstimatorFit):
    """One ``fit`` of XGBoost's estimators; the rounds are logged by the ``train`` inside of it."""

    name = "xgboost"
    joins = frozenset({Training.name})
