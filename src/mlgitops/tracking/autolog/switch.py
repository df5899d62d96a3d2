"""Turns autologging on and off, for all frameworks or for some."""

from __future__ import annotations

import importlib
from functools import partial
from types import ModuleType

from mlgitops.errors import InputError
from mlgitops.tracking.autolog import fits, imports
from mlgitops.tracking.autolog.patches import Patches

# Framework → the packages whose modules its integration wants to see.
FRAMEWORKS = {
    "sklearn": ("sklearn",),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "catboost": ("catboost",),
    "optuna": ("optuna",),
    "statsmodels": ("statsmodels",),
    "lightning": ("lightning", "pytorch_lightning"),
    "keras": ("keras",),
    "transformers": ("transformers",),
}

_installed: dict[str, Patches] = {}


def autolog(
    *frameworks: str,
    disable: bool = False,
    full: bool = False,
    log_models: bool | None = None,
    log_datasets: bool = True,
    max_child_runs: int = 5,
) -> None:
    """Log what trainings do, without a line in them: parameters, metrics, data sets, models.

    Each outermost fit logs into the active run; without one it starts a run of its own and
    ends it. Results, errors, warnings, signatures and pickles of the user's code stay what
    they are. Frameworks may be imported before or after this call; none is imported here.

    Args:
        frameworks: only these, such as ``"xgboost"``; all that are known when left out.
        disable: turn them off instead, and take out everything that was put in.
        full: do everything, whatever it takes; else what follows a fit takes 2 % of its time, or 200 ms.
        log_models: whether models are saved with the run; None: when that fits into the time.
        log_datasets: whether digests of the training data are logged.
        max_child_runs: how many candidates of a search become runs of their own, the best first.

    Raises:
        InputError: a framework is not known.
    """
    unknown = [name for name in frameworks if name not in FRAMEWORKS]
    if unknown:
        raise InputError(f"autolog knows no framework {', '.join(unknown)}; known: {', '.join(FRAMEWORKS)}")
    options = fits.Options(full, log_models, log_datasets, max_child_runs)
    for framework in frameworks or FRAMEWORKS:
        if disable:
            _turn_off(framework)
        else:
            _turn_on(framework, options)


def _turn_on(framework: str, options: fits.Options) -> None:
    fits.enable(framework, options)
    if framework not in _installed:
        _installed[framework] = patches = Patches(framework)
        for package in FRAMEWORKS[framework]:
            imports.watch(package, partial(_imported, framework, patches))


def _turn_off(framework: str) -> None:
    fits.disable(framework)
    patches = _installed.pop(framework, None)
    if patches is not None:
        for package in FRAMEWORKS[framework]:
            imports.unwatch(package)
        patches.undo()


def _imported(framework: str, patches: Patches, module: ModuleType) -> None:
    """Let a framework's integration, which is imported with the framework, see a module."""
    with fits.unnoticed(f"the integration of {framework}"):
        integration = importlib.import_module(f"mlgitops.tracking.autolog.{framework}")
        integration.install(module, patches)
