"""The model of a fit: a twin to ask; saving it here when that fits into the budget, else beside training."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from typing import Any

from mlgitops.errors import InputError
from mlgitops.tracking import places
from mlgitops.tracking.autolog.fits import Fit
from mlgitops.tracking.pickled import Pickled

NAME = "model"

# Guesses of what saving takes. skops writes a node for each object, which costs more than bytes do.
_ALWAYS = 0.04  # seconds
_SMALL = 0.2  # seconds; a model that takes less is saved even where a busy machine has used up the time
_OBJECT_BYTES_PER_SECOND = {"skops": 50e3, "torch": 60}  # bytes of pickle that are no array; parts of a module
_BYTES_PER_SECOND = 60e6
_GIVEN_PER_SECOND = 500e6  # bytes that are copied for the process that saves beside training


@dataclass(frozen=True, slots=True)
class Twin:
    """A model that is asked in place of the user's, and how many bytes it holds.

    Predicting can change a model: the trees of nearest neighbours count their queries, and
    pickle the counts. The twin has objects of its own and shares the arrays.
    """

    model: Any
    objects: int  # bytes of its pickle without arrays, or parts of a module
    arrays: int  # bytes
    pickled: Pickled | None = None

    @classmethod
    def of(cls, model: Any) -> Twin:
        """Return a model's twin; one that cannot be pickled is its own."""
        buffers: list[pickle.PickleBuffer] = []
        try:
            content = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
            copy = pickle.loads(content, buffers=buffers)  # noqa: S301 - pickled by the line above
        except Exception:  # pickling may raise anything
            return cls(model, 0, 0)
        pickled = Pickled(content, buffers)
        return cls(copy, len(content), pickled.arrays, pickled)

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
        if fit.options.log_models is None and twin.seconds(chosen) > max(fit.budget.left, _SMALL):
            _log_beside(fit, twin, chosen, example)
            return
        with fit.budget.uncounted():
            loading.flavor(chosen)
        fit.run.log_model(twin.model, name=NAME, input_example=example)
    except InputError as error:
        _leave_out(fit, str(error).splitlines()[0])


def _log_beside(fit: Fit, twin: Twin, chosen: str, example: Any) -> None:
    """Have a model saved by a process beside training, unless that takes too long too.

    Raises:
        InputError: what saves it is not installed.
    """
    why = _give_away(fit, twin, chosen, example)
    if why:
        _leave_out(
            fit,
            f"saving it takes about {twin.seconds(chosen):.1f} s, and beside training it cannot be saved: {why}; "
            "call mlgitops.log_model, or autolog(log_models=True), to have it all the same",
        )


def _give_away(fit: Fit, twin: Twin, chosen: str, example: Any) -> str:
    """Give a model to the process that saves beside training; return why not, empty when it has it."""
    with fit.budget.uncounted():
        from mlgitops.packages import loading
        from mlgitops.tracking import saver

        loading.require_installed(chosen)
    if twin.pickled is None:
        return "its like cannot be pickled"
    seconds = twin.pickled.size / _GIVEN_PER_SECOND
    if seconds > max(fit.budget.left, _SMALL):
        return f"giving it away takes about {seconds:.1f} s, which is more than {_SMALL} s and 2 % of the fit"
    try:
        saver.save_beside(fit.run, NAME, twin.pickled, example)
    except InputError as error:
        return str(error).splitlines()[0]
    except OSError as error:
        if places.is_strict():
            raise
        return f"{type(error).__name__}: {error}"
    return ""


def _leave_out(fit: Fit, reason: str) -> None:
    fit.note("model", f"left out: {reason}")
    told = "".join(character if character.isprintable() else "?" for character in reason[:400])
    print(f"mlgitops: run {fit.run.id} has no model: {told}", file=sys.stderr)
