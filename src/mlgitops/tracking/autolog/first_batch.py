"""What Lightning's trainer hands to a module at first: the example that a model is exported by."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mlgitops.tracking.autolog.fits import unnoticed

_ROWS = 4
_NAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class FirstBatch:
    """A few rows of the first training batch, on the CPU; ``inputs`` is None where ``forward`` does not take them."""

    def __init__(self) -> None:
        self.inputs: Any = None
        self.seen = False

    def look(self, module: Any, batch: Any) -> None:
        """Take what a module's ``forward`` takes of a batch."""
        self.seen = True
        with unnoticed("the first batch"):
            self.inputs = _inputs(module, batch)


def callback(base: Any, first: FirstBatch) -> Any:
    """Return a callback of a trainer's kind that looks at the first training batch."""

    class First(base):  # type: ignore[misc]
        """Has nothing to save, so that checkpoints are what they are without it."""

        def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
            return callback, (base, FirstBatch())  # a process that a strategy spawns has an example of its own

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            """Look once."""
            del batch_idx
            if trainer.is_global_zero and not first.seen:
                first.look(pl_module, batch)

    return First()


def _inputs(module: Any, batch: Any) -> Any:
    """Return tensors for the arguments of ``forward``: by name, or the first of a list as many as it needs."""
    known = [one for one in inspect.signature(module.forward).parameters.values() if one.kind in _NAMED]
    needed = [one.name for one in known if one.default is inspect.Parameter.empty]
    if not needed:
        return None
    if isinstance(batch, Mapping):
        given = {one.name: batch[one.name] for one in known if one.name in batch}
    else:
        parts = batch if isinstance(batch, list | tuple) else [batch]
        given = dict(zip(needed, parts, strict=False))
    if not set(needed) <= set(given) or not all(hasattr(part, "detach") and part.ndim for part in given.values()):
        return None
    heads = {name: part[:_ROWS].detach().cpu().clone() for name, part in given.items()}
    return heads if len(heads) > 1 or isinstance(batch, Mapping) else next(iter(heads.values()))
