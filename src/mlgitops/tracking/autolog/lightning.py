"""PyTorch Lightning: a callback that is in the trainer while it fits.

Under both of its names, ``lightning.pytorch`` and ``pytorch_lightning``. The model is exported by the
first training batch; the best checkpoint that Lightning wrote is kept beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from mlgitops.tracking.autolog import checkpoints, first_batch, later, models
from mlgitops.tracking.autolog.fits import Call, Fit, Observer, unnoticed
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run

_TRAINER = ".trainer.trainer"
_STOPPING = ("monitor", "mode", "patience")


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap ``Trainer.fit``, and listen to ``test`` and ``validate``, once their module ran."""
    if module.__name__ in (f"lightning.pytorch{_TRAINER}", f"pytorch_lightning{_TRAINER}"):
        patches.method(module.Trainer, "fit", Fitting)
        patches.answers(module.Trainer, "test", evaluated)
        patches.answers(module.Trainer, "validate", evaluated)


def evaluated(original: FunctionType, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
    """Log what a trainer measured after a fit to the run of the fit; of another module to that one's run."""
    del result
    with unnoticed(f"scores of {original.__name__}"):
        trainer, given = args[0], Call(original, args, dict(kwargs)).arguments()["model"]
        if trainer.is_global_zero:
            later.evaluated(trainer if given is None else given, _numbers(trainer), original.__name__)


class Bests:
    """In which epoch each callback that monitors a metric found its best: Lightning says only what it was."""

    def __init__(self) -> None:
        self.epoch: int | None = None  # that ended last
        self._found: dict[int, tuple[object, int | None]] = {}  # by identity of the callback

    def look(self, trainer: Any, epoch: int | None) -> None:
        """Take note of what got better in an epoch; what a trainer begins with is of none."""
        for one in (*trainer.early_stopping_callbacks, *trainer.checkpoint_callbacks):
            best = _best(one)
            if self._found.get(id(one), (None, None))[0] != best:
                self._found[id(one)] = (best, epoch)

    def epoch_of(self, callback: Any) -> int | None:
        """Return the epoch of a callback's best; None when it was not found in this fit."""
        return self._found.get(id(callback), (None, None))[1]


def callback(base: Any, run: Run, bests: Bests, every_n_steps: int) -> Any:
    """Return a callback of a trainer's kind, which logs to a run each metric of an epoch under its own name."""

    class Epochs(base):  # type: ignore[misc]
        """Has nothing to save, so that checkpoints are what they are without it."""

        of_steps: frozenset[str] = frozenset()  # names of metrics that are logged at steps, so at no epoch

        def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
            return callback, (base, run, bests, every_n_steps)  # as it goes to processes that a strategy spawns

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            """Log optimizer and early stopping, which exist only now."""
            if not trainer.is_global_zero:
                return
            bests.look(trainer, None)
            hyperparameters = dict(getattr(pl_module, "hparams", {}))
            run.log_params(hyperparameters)
            for optimizer in trainer.optimizers[:1]:
                run.log_params({"optimizer_name": type(optimizer).__name__, **optimizer.defaults})
            for stopping, ending in _numbered(trainer.early_stopping_callbacks):
                run.log_params(_stopping_params(stopping, ending, hyperparameters))

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            """See what was found best after the end of the last epoch: callbacks that monitor come after all others."""
            del pl_module
            if trainer.is_global_zero:
                bests.look(trainer, bests.epoch)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            """See what was found best by this validation."""
            del pl_module
            if trainer.is_global_zero and not trainer.sanity_checking:
                bests.look(trainer, trainer.current_epoch)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            """Log what was measured in training and validation."""
            del pl_module
            bests.epoch = trainer.current_epoch
            if trainer.is_global_zero and not trainer.sanity_checking:
                numbers = _numbers(trainer)
                run.log_metrics(
                    {name: value for name, value in numbers.items() if name not in self.of_steps}, trainer.current_epoch
                )

    return _with_steps(Epochs, run, every_n_steps)() if every_n_steps else Epochs()


def _with_steps(epochs: Any, run: Run, every_n_steps: int) -> Any:
    """Return a class of such callbacks that logs steps too."""

    class Steps(epochs):  # type: ignore[misc]
        """Asked for steps too, which makes the device wait for us at each that is logged."""

        of_epochs: frozenset[str] = frozenset()
        logged: int | None = None  # steps that were made when steps were logged

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            """Log what was measured on a batch; a batch whose gradients are only accumulated is no step."""
            del pl_module, outputs, batch, batch_idx
            step, logged = trainer.global_step, self.logged
            is_due = step // every_n_steps > (logged or 0) // every_n_steps
            if trainer.is_global_zero and (is_due or logged is None):
                numbers = self._of_this_step(trainer)
                self.of_steps |= numbers.keys()
                self.logged = step
                if is_due:
                    run.log_metrics(numbers, step)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            """Know the names of what is no step's, also where an epoch has many validations."""
            super().on_validation_end(trainer, pl_module)
            if not trainer.sanity_checking:
                self.of_epochs |= trainer.callback_metrics.keys() - self.of_steps

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            """Log the epoch, and know its names."""
            super().on_train_epoch_end(trainer, pl_module)
            self.of_epochs |= trainer.callback_metrics.keys() - self.of_steps

        def _of_this_step(self, trainer: Any) -> dict[str, float]:
            numbers = _numbers(trainer)  # of a metric that is an epoch's too, Lightning adds one that ends in _step
            of_both = {name for name in numbers if f"{name}_step" in numbers}
            return {name: value for name, value in numbers.items() if name not in self.of_epochs | of_both}

    return Steps


class Fitting(Observer):
    """One ``trainer.fit``."""

    name = "lightning"

    def __init__(self) -> None:
        self.bests = Bests()
        self.first = first_batch.FirstBatch()
        self.added: list[Any] = []

    def run_name(self, call: Call) -> str:
        """Return the module's class name."""
        return type(call.arguments()["model"]).__name__

    def before(self, fit: Fit) -> None:
        """Log what is known and add the callback; the last one sees what the others measured."""
        trainer, module = fit.call.args[0], fit.call.arguments()["model"]
        fit.name_estimator(module)
        fit.run.log_params({"epochs": trainer.max_epochs})
        fit.run.log_text(f"{module}\n", "model_summary.txt")
        base = _callback_class(trainer)
        self.added = [
            first_batch.callback(base, self.first),
            callback(base, fit.run, self.bests, fit.options.log_every_n_steps),
        ]
        trainer.callbacks.extend(self.added)

    def leave(self, fit: Fit) -> None:
        """Take the callback out of the user's trainer."""
        callbacks = fit.call.args[0].callbacks
        for one in self.added:
            if one in callbacks:
                callbacks.remove(one)

    def after(self, fit: Fit, result: Any) -> None:
        """Log the model and where it stopped, keep the best checkpoint, and listen to what is measured later."""
        del result
        trainer, module = fit.call.args[0], fit.call.arguments()["model"]
        if not trainer.is_global_zero:
            return
        models.log(fit, _twin(module), self.first.inputs)
        self.bests.look(trainer, self.bests.epoch)
        for stopping, ending in _numbered(trainer.early_stopping_callbacks):
            if stopping.stopped_epoch:
                _log_stop(fit.run, stopping, ending, self.bests.epoch_of(stopping))
        for checkpoint in trainer.checkpoint_callbacks:
            if getattr(checkpoint, "monitor", None) and _best(checkpoint):  # without one it is the last, and no best
                _keep(fit, checkpoint, self.bests.epoch_of(checkpoint))
                break
        later.remember(fit, trainer, module, taken=trainer.callback_metrics)


def _twin(module: Any) -> models.Twin:
    """Return a module as its own twin, since it is a copy that is exported; that takes longer the more parts it has."""
    weights = sum(weight.nbytes for weight in (*module.parameters(), *module.buffers()))
    return models.Twin(module, sum(1 for _ in module.modules()), weights)


def _numbers(trainer: Any) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _best(callback: Any) -> object:
    """Return what changes when a callback finds a better one."""
    if hasattr(callback, "best_model_path"):
        return callback.best_model_path
    score = getattr(callback, "best_score", None)
    return None if score is None else float(score)


def _numbered(callbacks: Any) -> Iterator[tuple[Any, str]]:
    """Yield callbacks with what ends the names of theirs: nothing for the first, then ``-2``."""
    for number, one in enumerate(callbacks, 1):
        yield one, "" if number == 1 else f"-{number}"


def _stopping_params(stopping: Any, ending: str, hyperparameters: Mapping[str, object]) -> dict[str, object]:
    """Return how an early stop was set, by names that no other value of the module's own has."""
    given = {name: getattr(stopping, name) for name in _STOPPING}
    given["min_delta"] = abs(stopping.min_delta)  # Lightning turns the sign where less is better
    return {
        f"{'earlystopping_' * (str(hyperparameters.get(name, value)) != str(value))}{name}{ending}": value
        for name, value in given.items()
    }


def _log_stop(run: Run, stopping: Any, ending: str, best_epoch: int | None) -> None:
    """Log where an early stop came, and the epoch and score of the best."""
    found = {
        "stopped_epoch": stopping.stopped_epoch,
        "restored_epoch": best_epoch,
        "best_score": float(stopping.best_score),
        "wait_count": stopping.wait_count,
    }
    run.log_metrics({f"{name}{ending}": value for name, value in found.items() if value is not None})


def _keep(fit: Fit, checkpoint: Any, epoch: int | None) -> None:
    score = checkpoint.best_model_score
    told = {
        "monitor": checkpoint.monitor,
        "mode": checkpoint.mode,
        "score": None if score is None else float(score),
        "epoch": epoch,
    }
    known = {name: value for name, value in told.items() if value is not None}  # what a spawned process keeps
    checkpoints.keep(fit, Path(checkpoint.best_model_path), known)


def _callback_class(trainer: Any) -> Any:
    home = next(kind.__module__ for kind in type(trainer).__mro__ if kind.__module__.endswith(_TRAINER))
    return sys.modules[f"{home.removesuffix(_TRAINER)}.callbacks"].Callback
