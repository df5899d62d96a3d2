"""XGBoost: a training callback for each round's scores; ``fit`` of its estimators for what callbacks do not see."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from mlgitops.tracking.autolog import files, models
from mlgitops.tracking.autolog.estimators import EstimatorFit
from mlgitops.tracking.autolog.fits import Call, Fit, Observer
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run

_NO_PARAMS = ("params", "dtrain", "evals", "obj", "evals_result", "xgb_model", "callbacks", "custom_metric", "feval")


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap ``train`` and the ``fit`` of estimators, once their modules ran."""
    if module.__name__ == "xgboost.training":
        patches.function(module, "train", Training)
    elif module.__name__ == "xgboost.sklearn":
        for kind in list(vars(module).values()):
            if inspect.isclass(kind) and kind.__module__ == module.__name__:
                patches.method(kind, "fit", EstimatorTraining)


def callback(run: Run) -> Any:
    """Return a callback that logs each evaluation of a round as ``<data>-<metric>``."""
    from xgboost.callback import TrainingCallback

    class Rounds(TrainingCallback):
        """Logs to the run of the fit."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> bool:
            """Log the newest value of each metric; training goes on."""
            del model
            for data, metrics in evals_log.items():
                for metric, values in metrics.items():
                    newest = values[-1]  # a number, or with its deviation in a cross-validation
                    run.log_metric(f"{data}-{metric}", newest[0] if isinstance(newest, tuple) else newest, epoch)
            return False

    return Rounds()


def log_booster(fit: Fit, booster: Any, early: bool) -> None:
    """Log where an early stop was, and how much each feature mattered."""
    best = booster.attr("best_iteration")
    if early and best is not None:
        fit.run.log_metrics({"best_iteration": int(best), "stopped_iteration": booster.num_boosted_rounds() - 1})
        fit.run.log_metric("best_score", float(booster.attr("best_score")))
    files.log_json(fit.run, "feature_importance_weight.json", booster.get_score(importance_type="weight"))


class Training(Observer):
    """One ``xgboost.train``, called by the user or by an estimator's fit."""

    name = "xgboost.train"

    def run_name(self, call: Call) -> str:
        """Return what there is to call it by."""
        del call
        return "xgboost"

    def before(self, fit: Fit) -> None:
        """Add the callback, before all others: one that ends the training keeps the next ones from seeing the round."""
        self.arguments = fit.call.arguments()
        if fit.outermost:
            fit.run.log_params({name: self.arguments[name] for name in self.arguments if name not in _NO_PARAMS})
            fit.run.log_params(self.arguments["params"])
        fit.call.put("callbacks", lambda given: [callback(fit.run), *(given or ())])

    def after(self, fit: Fit, result: Any) -> None:
        """Log what the booster knows, and the booster when it is the model."""
        log_booster(fit, result, early=result.attr("best_iteration") is not None)
        if fit.outermost:
            models.log(fit, models.Twin.of(result), None)


class EstimatorTraining(EstimatorFit):
    """One ``fit`` of XGBoost's estimators; the rounds are logged by the ``train`` inside of it."""

    name = "xgboost"
    joins = frozenset({Training.name})
