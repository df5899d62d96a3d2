"""Plain PyTorch, whose training loop is the user's: a few calls in it instead of a wrapper around it.

    from mlgitops.tracking.autolog.torch import Loop

    with Loop(model, optimizer) as loop:
        for epoch in range(10):
            for x, y in batches:
                ...
                loop.step(loss=loss)
            loop.epoch(val_accuracy=accuracy)

Nothing here imports torch.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from mlgitops.tracking import session
from mlgitops.tracking.run import Run


class Loop:
    """Logs the means of each epoch to the active run; without one, to a run of its own that ends with it."""

    def __init__(self, model: Any, optimizer: Any = None) -> None:
        active = session.active_run()
        self._owned = active is None
        self.run: Run = active or session.start_run(type(model).__name__)
        self._epoch = 0
        self._sums: dict[str, tuple[Any, int]] = {}
        self._describe(model, optimizer)

    def step(self, **values: Any) -> None:
        """Take in what was measured on a batch; tensors stay on their device until the epoch ends."""
        for name, value in values.items():
            number = value.detach() if hasattr(value, "detach") else value
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + number, count + 1)

    def epoch(self, **values: Any) -> None:
        """End an epoch: log the means over its batches, and what was measured on the whole."""
        means = {name: total / count for name, (total, count) in self._sums.items()}
        self.run.log_metrics({**means, **values}, self._epoch)
        self._sums.clear()
        self._epoch += 1

    def __enter__(self) -> Loop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owned:
            self.run.__exit__(kind, error, trace)

    def _describe(self, model: Any, optimizer: Any) -> None:
        kind = type(model)
        self.run.set_tags(
            {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__qualname__}"}
        )
        if hasattr(model, "parameters"):
            counts = [(part.numel(), part.requires_grad) for part in model.parameters()]
            self.run.log_params(
                {
                    "parameters": sum(count for count, _ in counts),
                    "trainable_parameters": sum(count for count, trained in counts if trained),
                }
            )
            self.run.log_text(f"{model}\n", "model_summary.txt")
        if optimizer is not None:
            self.run.log_params({"optimizer_name": type(optimizer).__name__, **optimizer.defaults})
