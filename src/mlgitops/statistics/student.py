"""Student's t distribution: how far the mean of a few values may be from the truth.

The distribution is the regularised incomplete beta function (DLMF 8.17.22, its continued
fraction by Lentz's method); its quantile is found by bisection.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mlgitops.errors import InputError

_TINY = 1e-300  # stands for a denominator that is nothing
_MOST_TERMS = 10_000
_HALVINGS = 200


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean of ``count`` values and what it may be off by to either side, None when one value cannot tell."""

    mean: float
    margin: float | None
    count: int

    @property
    def low(self) -> float | None:
        """The lower end."""
        return None if self.margin is None else self.mean - self.margin

    @property
    def high(self) -> float | None:
        """The upper end."""
        return None if self.margin is None else self.mean + self.margin


def mean_interval(values: Iterable[float], confidence: float = 0.95) -> Interval | None:
    """Return the mean with its two-sided confidence interval by Student's t; None without finite values.

    Values that are not finite are left out; ``count`` says of how many values the mean is.

    Raises:
        InputError: the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence} is not between 0 and 1; 0.95 is usual")
    found = [value for value in values if math.isfinite(value)]
    if not found:
        return None
    count = len(found)
    # Divided and halved first: a sum could overflow, and what rounds up beyond the largest number is that number.
    mean = 2 * math.fsum(value / count / 2 for value in found)
    mean = min(max(mean, min(found)), max(found))
    if count == 1:
        return Interval(mean, None, 1)
    deviation = math.hypot(*(value - mean for value in found)) / math.sqrt(count - 1)
    return Interval(mean, quantile((1 + confidence) / 2, count - 1) * deviation / math.sqrt(count), count)


def quantile(probability: float, freedom: int) -> float:
    """Return the value below which a t-distributed number with so many degrees of freedom is, so probably.

    Raises:
        InputError: the probability is not between 0 and 1, or there is less than one degree of freedom.
    """
    if not 0 < probability < 1 or freedom < 1:
        raise InputError(f"there is no t quantile of {probability} with {freedom} degrees of freedom")
    if probability < 0.5:
        return -quantile(1 - probability, freedom)
    tail = 2 * (1 - probability)
    low, high = 0.0, 1.0
    while _outside(high, freedom) > tail:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _outside(middle, freedom) > tail else (low, middle)
    return (low + high) / 2


def _outside(distance: float, freedom: int) -> float:
    """Return the probability of being further from zero than a distance."""
    return _beta(freedom / (freedom + distance * distance), freedom / 2, 0.5)


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)  # where the fraction converges fast
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    value = upper = 1.0
    lower = 0.0
    for term in range(1, _MOST_TERMS):
        half, odd = divmod(term, 2)
        if odd:
            step = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            step = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        lower = 1 / (1 + step * lower or _TINY)
        upper = 1 + step / upper or _TINY
        value *= upper * lower
        if abs(upper * lower - 1) < 1e-15:
            break
    return value
