"""LightGBM: a callback for each round's scores; ``fit`` of its estimators for what callbacks do not see."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from mlgitops.tracking.autolog.boosting import BoosterTraining, wrap_estimators
from mlgitops.tracking.autolog.estimators import EstimatorFit
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run

_BEFORE_AN_EARLY_STOP = 25  # LightGBM's own: 20 records, 30 stops


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap ``train`` and the ``fit`` of estimators, once their modules ran."""
    if module.__name__ == "lightgbm.engine":
        patches.function(module, "train", Training)
    elif module.__name__ == "lightgbm.sklearn":
        wrap_estimators(module, patches, EstimatorTraining)


class Training(BoosterTraining):
    """One ``lightgbm.train``."""

    name = "lightgbm.train"
    library = "lightgbm"
    not_params = frozenset(("params", "train_set", "valid_sets", "valid_names", "feval", "init_model", "callbacks"))

    def callback(self, run: Run) -> Any:
        """Return a function that LightGBM calls after each round."""

        def rounds(env: Any) -> None:
            for data, metric, value, *_ in env.evaluation_result_list or ():
                run.log_metric(f"{data}-{metric}", value, env.iteration)

        rounds.order = _BEFORE_AN_EARLY_STOP  # type: ignore[attr-defined]
        return rounds

    def best(self, booster: Any) -> Mapping[str, float]:
        """Return the best round and its scores."""
        if booster.best_iteration <= 0:
            return {}
        scores = {
            f"best_{data}-{metric}": value
            for data, found in booster.best_score.items()
            for metric, value in found.items()
        }
        return {"best_iteration": booster.best_iteration, "stopped_iteration": booster.current_iteration(), **scores}

    def importances(self, booster: Any) -> Mapping[str, Mapping[str, float]]:
        """Return in how many splits each feature is used, and what they gained."""
        names = booster.feature_name()
        return {
            kind: dict(zip(names, booster.feature_importance(importance_type=kind).tolist(), strict=True))
            for kind in ("split", "gain")
        }


class EstimatorTraining(EstimatorFit):
    """One ``fit`` of LightGBM's estimators; the rounds are logged by the ``train`` inside of it."""

    name = "lightgbm"
    joins = frozenset({Training.name})
