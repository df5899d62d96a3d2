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
    log_checkpoints: bool | None = None,
    log_every_n_steps: int = 0,
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
        log_checkpoints: whether the best checkpoint that Lightning or Keras wrote is kept with the run; None: when
            copying it fits into the time.
        log_every_n_steps: after so many steps of Lightning or batches of Keras their metrics are logged, besides
            those of each epoch; 0: never.

    Raises:
        InputError: a framework is not known, or the number of steps is negative.
    """
    unknown = [name for name in frameworks if name not in FRAMEWORKS]
    if unknown:
        raise InputError(f"autolog knows no framework {', '.join(unknown)}; known: {', '.join(FRAMEWORKS)}")
    if log_every_n_steps < 0:
        raise InputError(f"log_every_n_steps is {log_every_n_steps}; expected 0 for never, 1 for each step, or more")
    options = fits.Options(full, log_models, log_datasets, max_child_runs, log_checkpoints, log_every_n_steps)
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
