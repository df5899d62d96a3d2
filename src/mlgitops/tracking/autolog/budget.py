"""How much of the user's time autologging may take: 2 % of the fit, and at least 200 ms.

What it does before a fit counts too. Work whose cost grows with the data is done on as many
rows as fit: the rows are taken evenly, so that the same fit always takes the same ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

LEAST = 0.2  # seconds
SHARE = 0.02  # of the fit
FIRST_ROWS = 256
GROWTH = 8

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

    def grow(self, rows: int, work: Callable[[int], Answer]) -> tuple[Answer, int] | None:
        """Do work on a few rows, then on more as long as that fits; return the last answer and its rows.

        Work is taken to cost at most so many times more as it has rows more. None when not
        even a few rows fit, which is known only for a budget that is spent.
        """
        if self.lifted:
            return work(rows), rows
        if self.left <= 0 or not rows:
            return None
        number = min(rows, FIRST_ROWS)
        while True:
            began = time.perf_counter()
            answer = work(number)
            took = time.perf_counter() - began
            more = min(rows, number * GROWTH)
            if number == rows or took * more / number > self.left:
                return answer, number
            number = more
