"""``estimator.html``: scikit-learn's own picture of an estimator, its parts, parameters and fitted attributes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from mlgitops.tracking.autolog.fits import LIFT, Fit
from mlgitops.tracking.autolog.models import Twin

NAME = "estimator.html"
_ALWAYS = 0.03  # seconds; a guess of what parts and parameters take
# Some attributes are computed when they are shown, such as the importances of a forest.
_BYTES_PER_SECOND = 400e3  # of pickle that are no array
_MOST = 0.05  # seconds for attributes and all, however much time there is: it is a picture


def log(fit: Fit, twin: Twin) -> None:
    """Keep the picture with the run when there is time for it."""
    if fit.budget.left < _ALWAYS:
        fit.note("diagram", f"left out: no time; {LIFT}")
        return
    with fit.budget.uncounted():
        from sklearn.base import clone
        from sklearn.utils import estimator_html_repr
    shown = twin.model
    if not fit.budget.lifted and _ALWAYS + twin.objects / _BYTES_PER_SECOND > min(_MOST, fit.budget.left):
        shown = clone(shown, safe=False)
        fit.note("diagram", f"without what was fitted; {LIFT}")
    with _the_same_numbers(estimator_html_repr.__module__):
        fit.run.log_html(estimator_html_repr(shown), NAME)


@contextlib.contextmanager
def _the_same_numbers(module: str) -> Iterator[None]:
    """Let the elements of the user's own pictures be numbered as without ours."""
    counters = [found for found in vars(sys.modules[module]).values() if type(found).__name__ == "_IDCounter"]
    before = [dict(vars(counter)) for counter in counters]
    try:
        yield
    finally:
        for counter, state in zip(counters, before, strict=True):
            vars(counter).update(state)
