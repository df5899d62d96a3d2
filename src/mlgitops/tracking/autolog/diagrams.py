"""``estimator.html``: scikit-learn's own picture of an estimator, its parts, parameters and fitted attributes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from mlgitops.tracking.autolog.fits import LIFT, Fit
from mlgitops.tracking.autolog.models import Twin

NAME = "estimator.html"
# A guess of what it takes: some attributes are computed when they are shown, such as the importances of a forest.
_ALWAYS = 0.03  # seconds
_BYTES_PER_SECOND = 400e3  # of pickle that are no array


def log(fit: Fit, twin: Twin) -> None:
    """Keep the picture with the run when there is time for it."""
    seconds = _ALWAYS + twin.objects / _BYTES_PER_SECOND
    if seconds > fit.budget.left:
        fit.note("diagram", f"left out: it would take about {seconds:.2f} s; {LIFT}")
        return
    with fit.budget.uncounted():
        from sklearn.utils import estimator_html_repr
    with _the_same_numbers(estimator_html_repr.__module__):
        fit.run.log_html(estimator_html_repr(twin.model), NAME)


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
