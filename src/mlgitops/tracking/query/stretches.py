"""Points of a series in stretches: what a drawing needs to know of many points by few numbers.

A series of a million points is kept as a pyramid: its finest level has stretches of the fewest points (a power of
``FACTOR``) with which there are at most ``FINEST`` of them, each further one a ``FACTOR``-th of the stretches of
the level below, until fewer would not do for a drawing. A stretch keeps its lowest and its highest point, so that no
peak is lost.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FACTOR = 4
FINEST = 16_384  # stretches of a level at most
ENOUGH = 1_000  # stretches for a drawing
_FARTHEST = 2.0**62  # a step that is drawn
_POINT, _STRETCH = 2, 9  # numbers that are kept of each


class Stretch(NamedTuple):
    """Some points that follow each other: steps, lowest and highest finite value and where, and the finite ones' mean.

    Without a finite value ``finite`` is 0, and the values are NaN.
    """

    first: float
    last: float
    low: float
    low_at: float
    high: float
    high_at: float
    mean: float
    finite: float
    points: float


class Points:
    """Steps and values of one series as they come."""

    def __init__(self) -> None:
        self._steps = array("d")
        self._values = array("d")
        self._is_in_order = True

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: int, value: float) -> None:
        """Take in one more point; steps beyond what can be drawn count as the farthest that can."""
        at = float(step) if -_FARTHEST < step < _FARTHEST else _FARTHEST if step > 0 else -_FARTHEST
        if self._steps and at < self._steps[-1]:
            self._is_in_order = False
        self._steps.append(at)
        self._values.append(value)

    def stretches(self, size: int) -> list[Stretch]:
        """Return the points in order of step, in stretches of so many."""
        if not self._is_in_order:
            pairs = sorted(zip(self._steps, self._values, strict=True), key=lambda pair: pair[0])
            self._steps = array("d", (step for step, _ in pairs))
            self._values = array("d", (value for _, value in pairs))
            self._is_in_order = True
        starts = range(0, len(self), size)
        return [_stretch(self._steps[at : at + size], self._values[at : at + size]) for at in starts]

    def levels(self) -> Iterator[list[Stretch]]:
        """Yield the levels of the pyramid, the finest first."""
        size = 1
        while len(self) > size * FINEST:
            size *= FACTOR
        level = self.stretches(size)
        yield level
        while len(level) >= ENOUGH * FACTOR:
            level = merged(level, FACTOR)
            yield level


def point(step: float, value: float) -> Stretch:
    """Return a stretch of one point."""
    finite = 1.0 if math.isfinite(value) else 0.0
    shown = value if finite else math.nan
    return Stretch(step, step, shown, step, shown, step, shown, finite, 1.0)


def merged(stretches: Sequence[Stretch], size: int) -> list[Stretch]:
    """Return stretches of so many stretches each."""
    return [_merge(stretches[start : start + size]) for start in range(0, len(stretches), size)]


def pack(level: Sequence[Stretch]) -> bytes:
    """Return a level as bytes: of single points their steps and values, else all of each stretch."""
    if all(stretch.points == 1 for stretch in level):
        return b"p" + array("d", (number for one in level for number in (one.first, one.mean))).tobytes()
    return b"s" + array("d", (number for one in level for number in one)).tobytes()


def unpack(data: bytes) -> list[Stretch]:
    """Return the level that ``pack`` made bytes of.

    Raises:
        ValueError: they are no such bytes.
    """
    numbers = array("d")
    numbers.frombytes(data[1:])
    width = _POINT if data[:1] == b"p" else _STRETCH
    rows = zip(*(numbers[place::width] for place in range(width)), strict=True)
    return [point(*row) for row in rows] if width == _POINT else [Stretch(*row) for row in rows]


def mean(stretches: Sequence[Stretch]) -> float:
    """Return the mean of the finite values of stretches, NaN when there is none."""
    finite = sum(one.finite for one in stretches)
    return sum(one.mean * (one.finite / finite) for one in stretches if one.finite) if finite else math.nan


def _stretch(steps: Sequence[float], values: Sequence[float]) -> Stretch:
    count = len(values)
    if count == 1:
        return point(steps[0], values[0])
    finite = values if math.isfinite(sum(values)) else [value for value in values if math.isfinite(value)]
    if not finite:
        return Stretch(steps[0], steps[-1], math.nan, steps[0], math.nan, steps[0], math.nan, 0.0, count)
    low, high = min(finite), max(finite)
    total = sum(finite) / len(finite)
    middle = total if math.isfinite(total) else sum(value / len(finite) for value in finite)
    low_at, high_at = steps[values.index(low)], steps[values.index(high)]
    return Stretch(steps[0], steps[-1], low, low_at, high, high_at, middle, len(finite), count)


def _merge(stretches: Sequence[Stretch]) -> Stretch:
    if len(stretches) == 1:
        return stretches[0]
    finite = [one for one in stretches if one.finite] or stretches
    low, high = min(finite, key=_low), max(finite, key=_high)
    return Stretch(
        stretches[0].first,
        stretches[-1].last,
        low.low,
        low.low_at,
        high.high,
        high.high_at,
        mean(stretches),
        sum(one.finite for one in stretches),
        sum(one.points for one in stretches),
    )


def _low(one: Stretch) -> float:
    return one.low


def _high(one: Stretch) -> float:
    return one.high
