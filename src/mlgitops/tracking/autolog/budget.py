"""How much of the user's time autologging may take: 2 % of the fit, and at least 200 ms.

What it does before a fit counts too; what a process imports once does not. Work whose cost
grows with the data is done on as many rows as there is time for: they are taken evenly, so
that the same rows stand for the same data.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

LEAST = 0.2  # seconds
SHARE = 0.015  # of the fit: less than what is promised, for the end of the run and guesses that were too low
FIRST_ROWS = 16  # a single row can take milliseconds
GROWTH = 8
CAUTION = 1.5  # times what is expected

Answer = TypeVar("Answer")


class Budget:
    """Seconds that are left for one fit."""

    def __init__(self, *, lifted: bool) -> None:
        self.lifted = lifted
        self._allowed = LEAST
        self._spent = 0.0
        self._since: float | None = None

    def __enter__(self) -> Budget:
        self._since = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if self._since is not None:
            self._spent += time.perf_counter() - self._since
            self._since = None

    def allow(self, fit_seconds: float) -> None:
        """Say how long the fit took."""
        self._allowed = max(LEAST, SHARE * fit_seconds)

    @property
    def left(self) -> float:
        """Seconds that may still be spent."""
        if self.lifted:
            return float("inf")
        now = time.perf_counter()
        return self._allowed - self._spent - (now - self._since if self._since is not None else 0.0)

    @contextlib.contextmanager
    def uncounted(self) -> Iterator[None]:
        """Do what a process does once."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._spent -= time.perf_counter() - began

    def grow(self, rows: int, work: Callable[[int], Answer]) -> tuple[Answer, int] | None:
        """Do work on a few rows, then on more as long as that fits; return the last answer and its rows.

        None when the budget is spent, or there are no rows.
        """
        if self.lifted:
            return work(rows), rows
        if self.left <= 0 or not rows:
            return None
        number, before = min(rows, FIRST_ROWS), (0, 0.0)
        while True:
            began = time.perf_counter()
            answer = work(number)
            took = time.perf_counter() - began
            more = min(rows, number * GROWTH)
            # From two measurements it is seen which part grows with the rows; from one, all is taken to.
            per_row = max(0.0, took - before[1]) / (number - before[0])
            if number == rows or CAUTION * (took + per_row * (more - number)) > self.left:
                return answer, number
            number, before = more, (number, took)
