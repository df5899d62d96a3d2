"""The model of a fit: a twin to ask, and saving it when that fits into the budget."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from typing import Any

from mlgitops.errors import InputError
from mlgitops.tracking.autolog.fits import Fit

# Guesses of what saving takes. skops writes a node for each object, which costs more than bytes do.
_ALWAYS = 0.04  # seconds
_SMALL = 0.2  # seconds; a model that takes less is saved even where a busy machine has used up the time
_OBJECT_BYTES_PER_SECOND = {"skops": 50e3}  # bytes of pickle that are no array
_BYTES_PER_SECOND = 60e6


@dataclass(frozen=True, slots=True)
class Twin:
    """A model that is asked in place of the user's, and how many bytes it holds.

    Predicting can change a model: the trees of nearest neighbours count their queries, and
    pickle the counts. The twin has objects of its own and shares the arrays.
    """

    model: Any
    objects: int  # bytes of its pickle without arrays
    arrays: int  # bytes

    @classmethod
    def of(cls, model: Any) -> Twin:
        """Return a model's twin; one that cannot be pickled is its own."""
        buffers: list[pickle.PickleBuffer] = []
        try:
            content = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
            copy = pickle.loads(content, buffers=buffers)  # noqa: S301 - pickled by the line above
        except Exception:  # pickling may raise anything
            return cls(model, 0, 0)
        return cls(copy, len(content), sum(buffer.raw().nbytes for buffer in buffers))

    def seconds(self, format_name: str) -> float:
        """Guess what saving it takes."""
        per_second = _OBJECT_BYTES_PER_SECOND.get(format_name, _BYTES_PER_SECOND)
        return _ALWAYS + self.objects / per_second + self.arrays / _BYTES_PER_SECOND


def log(fit: Fit, twin: Twin, example: Any) -> None:
    """Save a model with the run; what is not saved is said in the record and once on standard error."""
    if fit.options.log_models is False:
        return
    try:
        with fit.budget.uncounted():
            from mlgitops.packages import loading
            from mlgitops.packages.formats import choose

            chosen = choose(twin.model)
            loading.flavor(chosen)
        seconds = twin.seconds(chosen)
        if fit.options.log_models is None and seconds > max(fit.budget.left, _SMALL):
            _leave_out(
                fit,
                f"saving it takes about {seconds:.1f} s, which is more than {_SMALL} s and 2 % of the fit; "
                "call mlgitops.log_model, or autolog(log_models=True), to have it all the same",
            )
            return
        fit.run.log_model(twin.model, name="model", input_example=example)
    except InputError as error:
        _leave_out(fit, str(error).splitlines()[0])


def _leave_out(fit: Fit, reason: str) -> None:
    fit.note("model", f"left out: {reason}")
    told = "".join(character if character.isprintable() else "?" for character in reason[:300])
    print(f"mlgitops: run {fit.run.id} has no model: {told}", file=sys.stderr)
