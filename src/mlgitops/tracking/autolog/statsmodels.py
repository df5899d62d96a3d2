"""statsmodels: wraps ``fit`` of its models, since it has no callbacks."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from mlgitops.tracking.autolog import data, models
from mlgitops.tracking.autolog.fits import LIFT, Call, Fit, Observer
from mlgitops.tracking.autolog.patches import Patches

# What MLflow's autologging takes from a result, where it has it.
_METRICS = (
    "aic", "aicc", "bic", "centered_tss", "condition_number", "df_model", "df_resid", "ess", "f_pvalue", "fvalue",
    "llf", "mse_model", "mse_resid", "mse_total", "rsquared", "rsquared_adj", "scale", "ssr", "uncentered_tss",
)  # fmt: skip
SUMMARY = "model_summary.txt"


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap the ``fit`` of models that a module defines."""
    for kind in list(vars(module).values()):
        if inspect.isclass(kind) and kind.__module__ == module.__name__:
            for name in ("fit", "fit_regularized"):
                patches.method(kind, name, Fitting)


class Fitting(Observer):
    """One ``fit`` of a model."""

    name = "statsmodels"

    def wants(self, call: Call) -> bool:
        """Return whether it is the ``fit`` of a model, and not of a helper."""
        return any(kind.__module__ == "statsmodels.base.model" for kind in type(call.args[0]).__mro__)

    def run_name(self, call: Call) -> str:
        """Return the model's class name."""
        return type(call.args[0]).__name__

    def before(self, fit: Fit) -> None:
        """Log the arguments, the class and the data."""
        model = fit.call.args[0]
        arguments = dict(list(fit.call.arguments().items())[1:])
        arguments.update(arguments.pop("kwargs", {}))
        fit.run.log_params(arguments)
        formula = getattr(model, "formula", None)
        if isinstance(formula, str):
            fit.run.log_param("formula", formula)
        fit.name_estimator(model)
        self.log_data = data.Pending(fit, {"y": getattr(model, "endog", None), "X": getattr(model, "exog", None)})

    def after(self, fit: Fit, result: Any) -> None:
        """Log the result, and what a twin says of itself: a result keeps, and pickles, what it was asked once."""
        twins = models.Twin.of(result)
        models.log(fit, twins, None)
        twin = twins.model
        left_out = []
        for name in _METRICS:
            if fit.budget.left <= 0:
                left_out.append(name)
                continue
            value = getattr(twin, name, None)
            if isinstance(value, int | float):
                fit.run.log_metric(name, value)
        if hasattr(twin, "summary") and fit.budget.left > 0:
            fit.run.log_text(str(twin.summary()), SUMMARY)
        if left_out:
            fit.note("metrics", f"left out, no time: {', '.join(left_out)}; {LIFT}")
        self.log_data.after(fit)
