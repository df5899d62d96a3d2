"""The work queue: a ``Schedule`` with a clock, workers that wait for it, and back-off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from mlgitops.operator.runtime.schedule import Entry, Priority, Schedule

K = TypeVar("K", bound=Hashable)


def back_off(failures: int, *, first: float = 0.2, longest: float = 60.0, spread: float | None = None) -> float:
    """Return how long to wait after some failures in a row, in seconds.

    Args:
        failures: 1 for the first.
        first: the wait after the first failure.
        longest: no wait is longer.
        spread: where between half and all of it, 0 to 1; random when None, so that keys
            that failed together do not come back together.
    """
    spread = random.random() if spread is None else spread  # noqa: S311 - nothing secret
    # 2.0**1024 overflows; far below that the longest wait is reached anyway.
    return float(min(longest, first * 2.0 ** min(failures - 1, 60)) * (0.5 + spread / 2))


class Queue(Generic[K]):
    """Hands keys to workers: each key to one at a time, the most urgent first.

    Args:
        time: a monotonic clock in seconds; the event loop's when None.
    """

    def __init__(self, time: Callable[[], float] | None = None) -> None:
        self._time = time or asyncio.get_running_loop().time
        self._schedule: Schedule[K] = Schedule()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait, due or not."""
        return len(self._schedule)

    def add(self, key: K, priority: Priority, *, after: float = 0.0) -> None:
        """Ask for a key, now or after some seconds; an earlier request stands."""
        self._schedule.add(key, Entry(self._time() + after, priority))
        self._changed.set()

    def retry(self, key: K) -> float:
        """Ask for a key again after a failure; returns the wait in seconds, longer each time."""
        self._failures[key] = self._failures.get(key, 0) + 1
        wait = back_off(self._failures[key])
        self.add(key, Priority.RETRY, after=wait)
        return wait

    def forget(self, key: K) -> None:
        """Start the key's back-off anew, after a success."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Wait for a key that is due and hand it out; the caller calls ``done`` with it."""
        while True:
            now = self._time()
            key = self._schedule.take(now)
            if key is not None:
                # Another worker may wait for what is due behind it.
                self._changed.set()
                return key
            due = self._schedule.next_due(now)
            self._changed.clear()
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - now)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: K) -> None:
        """Give a key back."""
        self._schedule.done(key)
        self._changed.set()
