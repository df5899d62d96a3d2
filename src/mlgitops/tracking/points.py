"""Reads the lines of a run's writers: every point, and what they add up to.

Records come from anywhere, so nothing here trusts them: only plain files are opened,
a line that is not ours is skipped and counted, and a last line without its line feed was
torn by the death of its writer and does not count.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from mlgitops.tracking import series
from mlgitops.tracking.places import LONGEST_LINE as LONGEST_LINE
from mlgitops.tracking.voices import voice

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Point(NamedTuple):
    """One logged value; ``metric`` is its series (``tracking.series``), ``time`` in seconds since the epoch.

    ``writer`` says who of the run's processes logged it, and so which series of this name it belongs to: ``owner``,
    ``rank 3``, or the name of a worker's file (``tracking.voices``). ``rank`` is None where there is none.
    """

    metric: str
    value: float
    step: int
    time: float
    writer: str = "owner"
    rank: int | None = None


def writers(folder: Path) -> list[Path]:
    """Return the files of a run's writers, the one that began last at the end, as what is said last counts."""
    try:
        with os.scandir(folder) as entries:
            files = [entry.name for entry in entries if _is_writer(entry.name) and entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [folder / name for name in sorted(files)]
    return found if len(found) < 2 else sorted(found, key=_began)


def _began(path: Path) -> float:
    time = next(lines(path), {}).get("time")
    return time if isinstance(time, float) else 0.0


def _is_writer(name: str) -> bool:
    return name.startswith("w-") and name.endswith(".jsonl")


def read_points(folder: Path, metric: str | None = None, writer: str | None = None) -> Iterator[Point]:
    """Yield every point of a run, or of one of its metrics or writers, file after file as they were logged."""
    for path in writers(folder):
        of_file = lines(path)
        first = next(of_file, {})
        whose = voice(first, path.name)
        if writer not in (None, whose.name):
            continue
        for line in chain((first,), of_file):
            point = to_point(line)
            if point and metric in (None, point.metric):
                yield Point(*point[:4], whose.name, whose.rank)


def last_steps(folder: Path, writer: str) -> dict[str, int]:
    """Return the highest step of each series of one of a run's writers."""
    found: dict[str, int] = {}
    for point in read_points(folder, writer=writer):
        found[point.metric] = max(found.get(point.metric, point.step), point.step)
    return found


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a writer's file; a damaged one comes as an empty object."""
    for line in raw_lines(path):
        yield to_object(line)


def raw_lines(path: Path, start: int = 0) -> Iterator[bytes]:
    """Yield the whole lines of a plain file from an offset on, each with its line feed.

    A last line without its line feed was torn, and no writer of ours makes one of ``LONGEST_LINE`` bytes;
    reading ends there.
    """
    try:
        descriptor = open_plain(path)
    except OSError:
        return
    with os.fdopen(descriptor, "rb") as file:
        file.seek(start)
        for line in iter(partial(file.readline, LONGEST_LINE), b""):
            if not line.endswith(b"\n"):
                return
            yield line


def open_plain(path: str | Path) -> int:
    """Open a file for reading that is a plain one, and return its descriptor; no link is followed, no pipe waited for.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return descriptor


def to_object(line: bytes) -> dict[str, Any]:
    """Return what a line holds; a damaged one is an empty object."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def to_point(line: dict[str, Any]) -> Point | None:
    """Return the point of a line, or None when the line holds none."""
    name, value, step, time = line.get("metric"), line.get("value"), line.get("step"), line.get("time")
    number = value if type(value) is float else to_number(value)
    if number is None or type(name) is not str or type(step) is not int or type(time) is not float:
        return None
    context = line.get("context")
    if context is not None:
        if not isinstance(context, dict) or not all(isinstance(text, str) for text in context.values()):
            return None
        name = series.key(name, context)
    return Point(name, number, step, time)


def to_number(value: object) -> float | None:
    """Return a JSON value as a number: a number, or the name of one that JSON cannot write."""
    if isinstance(value, str):
        return _SPECIAL.get(value)
    if isinstance(value, bool) or not isinstance(value, float | int):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def from_number(value: float) -> float | str:
    """Return a number as JSON can write it, the reverse of ``to_number``."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class Summing:
    """Adds up the points of one metric.

    ``order`` is of the voice whose points they are, or of the first of several (``tracking.voices``).
    """

    __slots__ = ("_numbers", "_sum", "_time", "count", "last", "max", "min", "order", "step")

    def __init__(self, order: int = 0) -> None:
        self.order = order
        self.count = 0
        self.last = math.nan
        self.step: int | float = -math.inf
        self.min = math.inf
        self.max = -math.inf
        self._sum = 0.0
        self._numbers = 0
        self._time = -math.inf

    def add(self, point: Point) -> None:
        """Take one more point in; NaN counts and may be last, but is no minimum, maximum or part of the mean."""
        _, value, step, time, _, _ = point
        self.count += 1
        if step > self.step or (step == self.step and time >= self._time):
            self.last, self.step, self._time = value, step, time
        if value == value:
            self._numbers += 1
            self._sum += value
            if value < self.min:
                self.min = value
            if value > self.max:
                self.max = value

    def state(self) -> list[float]:
        """Return all that ``resume`` needs to go on from here."""
        numbers = [self.count, self.last, self.step, self.min, self.max, self._sum, self._numbers, self._time]
        return [*numbers, self.order]

    @classmethod
    def resume(cls, state: Sequence[float]) -> Summing:
        """Return a sum that goes on where another one was.

        Raises:
            ValueError: the state is not one.
        """
        summing = cls()
        count, summing.last, summing.step, summing.min, summing.max, summing._sum, numbers, summing._time, order = state
        summing.count, summing._numbers, summing.order = int(count), int(numbers), int(order)
        return summing

    def merge(self, later: Summing) -> None:
        """Take in what another file of the run adds up to; the last point is of the first voice that has one."""
        is_later = later.step > self.step or (later.step == self.step and later._time >= self._time)
        if later.order < self.order or (later.order == self.order and is_later):
            self.last, self.step, self._time, self.order = later.last, later.step, later._time, later.order
        self.count += later.count
        self._numbers += later._numbers
        self._sum += later._sum
        self.min = min(self.min, later.min)
        self.max = max(self.max, later.max)

    def values(self) -> tuple[float, float, float, float, int, int]:
        """Return last, min, max, mean, count and the step of the last."""
        step = int(self.step)
        if not self._numbers:
            return self.last, math.nan, math.nan, math.nan, self.count, step
        return self.last, self.min, self.max, self._sum / self._numbers, self.count, step
