"""Per-row losses, and the metrics that are means of them.

A model is compared with another by what each did on every single row, so rows are
what the sandbox returns and what is kept; every metric here is an aggregate of one
per-row column, which also gives its standard error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's value on a data set, its standard error, and how many rows it saw."""

    value: float
    standard_error: float
    samples: int


@dataclass(frozen=True, slots=True)
class _Definition:
    column: str
    of_mean: Callable[[float], float]
    slope: Callable[[float], float]  # the derivative at the mean, for the delta method


def _mean_of(column: str) -> _Definition:
    return _Definition(column, lambda mean: mean, lambda _mean: 1.0)


def _root(mean: float) -> float:
    return math.sqrt(mean)


def _root_slope(mean: float) -> float:
    return 0.5 / math.sqrt(mean) if mean > 0 else 0.0


# metric → the per-row column it is a mean of, and what becomes of that mean
DEFINITIONS: Mapping[str, _Definition] = {
    "accuracy": _mean_of("correct"),
    "log_loss": _mean_of("log_loss"),
    "mean_absolute_error": _mean_of("absolute_error"),
    "mean_squared_error": _mean_of("squared_error"),
    "root_mean_squared_error": _Definition("squared_error", _root, _root_slope),
}


def metrics(columns: Mapping[str, Sequence[float]]) -> dict[str, Metric]:
    """Return every metric that these per-row columns can give.

    The standard error is that of the mean (sample variance, n - 1), carried through
    the metric's function by the delta method.
    """
    found = {}
    for name, definition in DEFINITIONS.items():
        rows = columns.get(definition.column)
        if rows:
            mean = math.fsum(rows) / len(rows)
            spread = math.sqrt(math.fsum((row - mean) ** 2 for row in rows) / max(len(rows) - 1, 1))
            error = spread / math.sqrt(len(rows)) * definition.slope(mean)
            found[name] = Metric(definition.of_mean(mean), error, len(rows))
    return found
