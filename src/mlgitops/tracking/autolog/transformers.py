"""Hugging Face Transformers: a callback that is in the trainer while it trains, also as ``report_to="mlgitops"``.

Models stay in the checkpoints that the trainer writes: there is no package format for them yet.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from mlgitops.tracking import session
from mlgitops.tracking.autolog.fits import Call, Fit, Observer
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run

NAME = "mlgitops"  # for report_to


def install(module: ModuleType, patches: Patches) -> None:
    """Wrap ``Trainer.train``, and be a reporting integration, once their modules ran."""
    if module.__name__ == "transformers.trainer":
        patches.method(module.Trainer, "train", Training)
    elif module.__name__ == "transformers.integrations.integration_utils":
        patches.entry(module.INTEGRATION_TO_CALLBACK, NAME, callback_class())


def callback_class() -> Any:
    """Return the class of the callback, which can exist only where Transformers does."""
    from transformers.trainer_callback import TrainerCallback

    class MlgitopsCallback(TrainerCallback):  # type: ignore[misc]
        """Logs arguments, the model's configuration, and what the trainer logs, under the trainer's own names."""

        def __init__(self, run: Run | None = None) -> None:
            self._run = run
            self._owned = False

        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            """Log to the active run; start one when there is none."""
            del control
            if not state.is_world_process_zero:
                return
            if self._run is None:
                active = session.active_run()
                self._owned = active is None
                self._run = active or session.start_run(type(model).__name__)
            config = getattr(model, "config", None)
            self._run.log_params({**(config.to_dict() if config is not None else {}), **args.to_sanitized_dict()})

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            """Log the numbers among what the trainer logs."""
            del args, control
            if state.is_world_process_zero and self._run is not None:
                numbers = {name: value for name, value in (logs or {}).items() if isinstance(value, int | float)}
                self._run.log_metrics(numbers, state.global_step)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """End a run that was started here."""
            del args, state, control
            if self._owned and self._run is not None:
                session.leave(self._run)
                self._run.end()
                self._run, self._owned = None, False

    return MlgitopsCallback


class Training(Observer):
    """One ``trainer.train``."""

    name = "transformers"
    added: Any = None

    def run_name(self, call: Call) -> str:
        """Return the model's class name."""
        return type(call.args[0].model).__name__

    def before(self, fit: Fit) -> None:
        """Add the callback, unless it is there by ``report_to``."""
        trainer = fit.call.args[0]
        fit.name_estimator(trainer.model)
        if not any(type(one).__name__ == "MlgitopsCallback" for one in trainer.callback_handler.callbacks):
            self.added = callback_class()(fit.run)
            trainer.add_callback(self.added)

    def leave(self, fit: Fit) -> None:
        """Take the callback out of the user's trainer."""
        if self.added is not None:
            fit.call.args[0].remove_callback(self.added)
