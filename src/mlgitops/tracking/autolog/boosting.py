"""What is the same for libraries that boost trees: ``train`` with callbacks, and estimators around it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any, ClassVar

from mlgitops.tracking.autolog import later, models, plots
from mlgitops.tracking.autolog.fits import Call, Fit, Observer
from mlgitops.tracking.autolog.patches import Observing, Patches
from mlgitops.tracking.run import Run


class BoosterTraining(Observer):
    """One call of a library's ``train``, by the user or by the ``fit`` of an estimator around it."""

    library: ClassVar[str]
    not_params: ClassVar[frozenset[str]]  # arguments of ``train`` that are data or code

    def callback(self, run: Run) -> Any:
        """Return a callback that logs each evaluation of a round as ``<data>-<metric>``."""
        raise NotImplementedError

    def best(self, booster: Any) -> Mapping[str, float]:
        """Return where an early stop was, nothing without one."""
        raise NotImplementedError

    def importances(self, booster: Any) -> Mapping[str, Mapping[str, float]]:
        """Return how much each feature mattered, by the kind of importance."""
        raise NotImplementedError

    def run_name(self, call: Call) -> str:
        """Return the library's name: a booster has none of its own."""
        del call
        return self.library

    def before(self, fit: Fit) -> None:
        """Log parameters and add the callback, as the first: one that stops a training hides it from the next."""
        arguments = fit.call.arguments()
        if fit.outermost:
            fit.run.log_params({name: arguments[name] for name in arguments if name not in self.not_params})
            fit.run.log_params(arguments["params"])
        fit.call.put("callbacks", lambda given: [self.callback(fit.run), *(given or ())])

    def after(self, fit: Fit, result: Any) -> None:
        """Log what the booster knows, and the booster when it is the model."""
        fit.run.log_metrics(self.best(result))
        for kind, found in self.importances(result).items():
            plots.log_importances(fit, found, f"feature_importance_{kind}")
        if fit.outermost:
            models.log(fit, models.Twin.of(result), None)


def wrap_fits(module: ModuleType, patches: Patches, observing: Observing) -> None:
    """Wrap the ``fit`` of each class that a module defines."""
    for kind in _classes(module):
        patches.method(kind, "fit", observing)


def wrap_estimators(module: ModuleType, patches: Patches, observing: Observing) -> None:
    """Wrap the ``fit`` of each class that a module defines, and listen to what it predicts and scores."""
    wrap_fits(module, patches, observing)
    for kind in _classes(module):
        later.listen(kind, patches)


def _classes(module: ModuleType) -> list[type]:
    return [kind for kind in vars(module).values() if inspect.isclass(kind) and kind.__module__ == module.__name__]
