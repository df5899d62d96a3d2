"""Keras, with any of its backends: a callback for each epoch's metrics, and for each batch's on request; the model.

The best checkpoint that the user's callbacks wrote is kept as a file beside it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mlgitops.tracking.autolog import checkpoints, data, models
from mlgitops.tracking.autolog.boosting import wrap_fits
from mlgitops.tracking.autolog.fits import Call, Fit, Observer
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run

_NOT_PARAMS = frozenset(
    ("self", "x", "y", "callbacks", "validation_data", "verbose", "sample_weight", "validation_sample_weight")
)
_BYTES_PER_WEIGHT = 4
_STOPPING = ("monitor", "min_delta", "patience", "baseline", "restore_best_weights")


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap the ``fit`` that a backend defines for all models."""
    if module.__name__.startswith("keras.src.backend.") and module.__name__.endswith(".trainer"):
        wrap_fits(module, patches, Fitting)


class Best:
    """The best checkpoint that a callback wrote, from epoch to epoch: Keras forgets which file and when."""

    def __init__(self, writing: Any) -> None:
        self._writing = writing
        self._score = writing.best  # better than this is a best, as the user may have set it
        self.path: Path | None = None
        self.epoch = 0

    def look(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Take note of a file that was written in an epoch because it is better."""
        if self._writing.best is not self._score:
            self._score, self.epoch, self.path = self._writing.best, epoch, None
            with contextlib.suppress(KeyError):  # named by the batch too, which nobody knows any longer
                self.path = Path(self._writing.filepath.format(epoch=epoch + 1, **logs))  # as Keras documents it

    def told(self) -> dict[str, object]:
        """Return what is known of it."""
        mode = getattr(self._writing, "mode", "auto")  # the first releases of Keras 3 forget it
        return {"monitor": self._writing.monitor, "mode": mode, "score": float(self._score), "epoch": self.epoch}


def callback(run: Run, every_n_batches: int, bests: Sequence[Best]) -> Any:
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
            run.log_metrics(_numbers(logs), epoch)
            for best in bests:
                best.look(epoch, logs or {})

    class Batches(Epochs):
        """Asked for batches too, which makes the device wait for us at each that is logged."""

        before = 0  # batches of all epochs that ended
        batch = -1  # the last one's number, in its epoch

        def on_train_begin(self, logs: Any = None) -> None:
            """Count on from what the optimizer has done in other fits."""
            super().on_train_begin(logs)
            self.before = int(self.model.optimizer.iterations)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            """Log what was measured in this epoch up to a batch; several batches may be told of at once."""
            done, last = self.before + batch + 1, self.before + self.batch + 1
            self.batch = batch
            if done // every_n_batches > last // every_n_batches:
                run.log_metrics({f"batch_{name}": value for name, value in _numbers(logs).items()}, done)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Log the epoch, and begin to count the next one's batches."""
            super().on_epoch_end(epoch, logs)
            self.before, self.batch = self.before + self.batch + 1, -1

    return Batches() if every_n_batches else Epochs()


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
        self.bests = [Best(one) for one in _each(arguments["callbacks"]) if getattr(one, "save_best_only", False)]
        added = callback(fit.run, fit.options.log_every_n_steps, self.bests)
        fit.call.put("callbacks", lambda given: _with(given, added))

    def after(self, fit: Fit, history: Any) -> None:
        """Log the model and its layers, which may have been built by the fit, and where it stopped."""
        model = fit.call.args[0]
        # Saving changes nothing about a model of Keras, so it is its own twin.
        weights = sum(math.prod(weight.shape) for weight in model.weights) * _BYTES_PER_WEIGHT
        models.log(fit, models.Twin(model, 0, weights), _example(model, fit.call.arguments().get("x")))
        lines: list[str] = []
        model.summary(print_fn=lambda line, **_: lines.append(line))
        fit.run.log_text("\n".join(lines), "model_summary.txt")
        for one in _each(fit.call.arguments()["callbacks"]):
            if hasattr(one, "stopped_epoch"):
                _log_stop(fit.run, one, history)
        for best in self.bests:
            if best.path is not None:
                checkpoints.keep(fit, best.path, best.told())
                break
        self.log_data.after(fit)


def _example(model: Any, x: Any) -> Any:
    """Return a few rows of what the model was trained on, None for what is no array, data frame or several of them."""
    if hasattr(x, "iloc"):
        return data.head(x)
    inputs = getattr(model, "inputs", None) or ()
    names = list(x) if isinstance(x, Mapping) else [tensor.name for tensor in inputs]
    several = isinstance(x, Mapping | list | tuple)
    parts = list(x.values()) if isinstance(x, Mapping) else list(x) if several else [x]
    if len(parts) != len(inputs) or not all(isinstance(part, np.ndarray) for part in parts):
        return None
    # Keras takes a column where a model wants a matrix of one, a server does not.
    if any(part.ndim != len(tensor.shape) for part, tensor in zip(parts, inputs, strict=True)):
        return None
    heads = [data.head(part) for part in parts]
    return dict(zip(names, heads, strict=True)) if several else heads[0]


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


def _numbers(logs: Any) -> dict[str, float]:
    return {name: float(value) for name, value in (logs or {}).items()}


def _each(callbacks: Any) -> Iterator[Any]:
    """Yield the callbacks that were given to a fit, in whichever way."""
    if callbacks is not None:
        yield from getattr(callbacks, "callbacks", callbacks if isinstance(callbacks, Sequence) else [callbacks])


def _with(given: Any, added: Any) -> Any:
    """Return the callbacks with one more; a ``CallbackList`` is the user's own affair."""
    if given is None:
        return [added]
    if isinstance(given, Sequence):
        return [*given, added]
    return given if hasattr(given, "callbacks") else [given, added]
