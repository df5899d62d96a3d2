"""Keras, with any of its backends: a callback for each epoch's metrics.

Models stay where the user saves them: there is no package format for them yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mlgitops.tracking.autolog import data
from mlgitops.tracking.autolog.boosting import wrap_fits
from mlgitops.tracking.autolog.fits import Call, Fit, Observer
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run

_NOT_PARAMS = frozenset(
    ("self", "x", "y", "callbacks", "validation_data", "verbose", "sample_weight", "validation_sample_weight")
)
_STOPPING = ("monitor", "min_delta", "patience", "baseline", "restore_best_weights")


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap the ``fit`` that a backend defines for all models."""
    if module.__name__.startswith("keras.src.backend.") and module.__name__.endswith(".trainer"):
        wrap_fits(module, patches, Fitting)


def callback(run: Run) -> Any:
    """Return a callback that logs to a run; its class can exist only where Keras does."""
    from keras.callbacks import Callback

    class Epochs(Callback):  # type: ignore[misc]
        """Asks for epochs only, so that batches run as without it."""

        def on_train_begin(self, logs: Any = None) -> None:
            """Log the optimizer with its defaults."""
            del logs
            optimizer = self.model.optimizer
            run.log_params({f"opt_{name}": value for name, value in optimizer.get_config().items()})
            run.log_param("optimizer_name", type(optimizer).__name__)  # its own is numbered, as "sgd_1"

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Log what was measured in training and validation."""
            run.log_metrics({name: float(value) for name, value in (logs or {}).items()}, epoch)

    return Epochs()


class Fitting(Observer):
    """One ``model.fit``."""

    name = "keras"

    def run_name(self, call: Call) -> str:
        """Return the model's name."""
        return str(call.args[0].name)

    def before(self, fit: Fit) -> None:
        """Log arguments, layers and data, and add the callback."""
        model, arguments = fit.call.args[0], fit.call.arguments()
        fit.run.log_params({name: arguments[name] for name in arguments if name not in _NOT_PARAMS})
        fit.name_estimator(model)
        self.log_data = data.Pending(fit, {"y": arguments.get("y"), "X": arguments.get("x")})
        fit.call.put("callbacks", lambda given: _with(given, callback(fit.run)))

    def after(self, fit: Fit, history: Any) -> None:
        """Log the layers, which may have been built by the fit, and where it stopped."""
        lines: list[str] = []
        model = fit.call.args[0]
        model.summary(print_fn=lambda line, **_: lines.append(line))
        fit.run.log_text("\n".join(lines), "model_summary.txt")
        for one in fit.call.arguments()["callbacks"]:
            if hasattr(one, "stopped_epoch"):
                _log_stop(fit.run, one, history)
        self.log_data.after(fit)


def _log_stop(run: Run, stopping: Any, history: Any) -> None:
    """Log how an early stop was set; where it came, and what was measured at the epoch that it went back to."""
    run.log_params({name: getattr(stopping, name) for name in _STOPPING})
    if not stopping.stopped_epoch:
        return
    run.log_metric("stopped_epoch", stopping.stopped_epoch)
    if stopping.restore_best_weights and stopping.best_epoch in history.epoch:
        run.log_metric("restored_epoch", stopping.best_epoch)
        place = history.epoch.index(stopping.best_epoch)
        restored = {name: float(values[place]) for name, values in history.history.items() if len(values) > place}
        run.log_metrics(restored, stopping.stopped_epoch + 1)


def _with(given: Any, added: Any) -> Any:
    """Return the callbacks with one more; a ``CallbackList`` is the user's own affair."""
    if given is None:
        return [added]
    if isinstance(given, Sequence):
        return [*given, added]
    return given if hasattr(given, "callbacks") else [given, added]
