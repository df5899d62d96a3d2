"""PyTorch Lightning: a callback that is in the trainer while it fits.

Under both of its names, ``lightning.pytorch`` and ``pytorch_lightning``. Models stay in the
checkpoints that Lightning writes: there is no package format for them yet.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from mlgitops.tracking.autolog.fits import Call, Fit, Observer
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run

_TRAINER = ".trainer.trainer"
_STOPPING = ("monitor", "mode", "patience", "min_delta")


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap ``Trainer.fit``, once its module ran."""
    if module.__name__ in (f"lightning.pytorch{_TRAINER}", f"pytorch_lightning{_TRAINER}"):
        patches.method(module.Trainer, "fit", Fitting)


def callback(trainer: Any, run: Run) -> Any:
    """Return a callback for a trainer, which logs to a run each metric of an epoch under its own name."""

    class Epochs(_callback_class(trainer)):  # type: ignore[misc]
        """Holds no state, so that checkpoints are what they are without it."""

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            """Log optimizer and early stopping, which exist only now."""
            if not trainer.is_global_zero:
                return
            run.log_params(dict(getattr(pl_module, "hparams", {})))
            for optimizer in trainer.optimizers[:1]:
                run.log_params({"optimizer_name": type(optimizer).__name__, **optimizer.defaults})
            for stopping in getattr(trainer, "early_stopping_callbacks", ()):
                run.log_params({f"earlystopping_{name}": getattr(stopping, name) for name in _STOPPING})

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            """Log what was measured in training and validation."""
            del pl_module
            if trainer.is_global_zero and not trainer.sanity_checking:
                run.log_metrics(
                    {name: float(value) for name, value in trainer.callback_metrics.items()}, trainer.current_epoch
                )

    return Epochs()


class Fitting(Observer):
    """One ``trainer.fit``."""

    name = "lightning"
    added: Any = None

    def run_name(self, call: Call) -> str:
        """Return the module's class name."""
        return type(call.arguments()["model"]).__name__

    def before(self, fit: Fit) -> None:
        """Log what is known and add the callback; the last one sees what the others measured."""
        trainer, module = fit.call.args[0], fit.call.arguments()["model"]
        fit.name_estimator(module)
        fit.run.log_params({"epochs": trainer.max_epochs})
        fit.run.log_text(f"{module}\n", "model_summary.txt")
        self.added = callback(trainer, fit.run)
        trainer.callbacks.append(self.added)

    def leave(self, fit: Fit) -> None:
        """Take the callback out of the user's trainer."""
        callbacks = fit.call.args[0].callbacks
        if self.added in callbacks:
            callbacks.remove(self.added)

    def after(self, fit: Fit, result: Any) -> None:
        """Log where it stopped."""
        del result
        trainer = fit.call.args[0]
        for stopping in trainer.early_stopping_callbacks:
            if stopping.stopped_epoch:
                fit.run.log_metric("stopped_epoch", stopping.stopped_epoch)


def _callback_class(trainer: Any) -> Any:
    home = next(kind.__module__ for kind in type(trainer).__mro__ if kind.__module__.endswith(_TRAINER))
    return sys.modules[f"{home.removesuffix(_TRAINER)}.callbacks"].Callback
