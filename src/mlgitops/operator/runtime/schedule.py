"""Which key is worked on next: the pure heart of the queue, without a clock or a task.

Every key stands in it at most once. A key in work is not handed out again until it is
done; what is added meanwhile waits for that. Among the keys that are due, the better
priority goes first, and then whoever was added first.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Priority(IntEnum):
    """Who waits: the lower number goes first."""

    PERSON = 0
    CHILD = 1
    RETRY = 2
    INITIAL = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """When a key is due (seconds of the caller's clock) and how urgent it is."""

    due: float
    priority: Priority

    def joined(self, other: Entry) -> Entry:
        """Return the entry that serves both: the earlier moment, the better priority."""
        return Entry(min(self.due, other.due), min(self.priority, other.priority))


class Schedule(Generic[K]):
    """The keys that wait, those in work, and the order among them."""

    def __init__(self) -> None:
        self._waiting: dict[K, tuple[Entry, int]] = {}
        self._again: dict[K, Entry] = {}
        self._working: set[K] = set()
        self._later: list[tuple[float, int, K]] = []
        self._due: list[tuple[Priority, int, K]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        """How many keys wait, due or not, in work or not."""
        return len(self._waiting) + len(self._again)

    def add(self, key: K, entry: Entry) -> None:
        """Ask for a key; asking twice joins both."""
        if key in self._working:
            self._again[key] = self._again.get(key, entry).joined(entry)
            return
        waiting = self._waiting.get(key)
        joined = waiting[0].joined(entry) if waiting else entry
        if waiting and joined == waiting[0]:
            return
        # The old heap entry stays where it is and is passed over: its number is no longer the key's.
        number = next(self._numbers)
        self._waiting[key] = joined, number
        heapq.heappush(self._later, (joined.due, number, key))

    def take(self, now: float) -> K | None:
        """Hand out the most urgent key that is due, or None; the caller calls ``done`` with it."""
        while self._later and self._later[0][0] <= now:
            _, number, key = heapq.heappop(self._later)
            if self._is_current(key, number):
                heapq.heappush(self._due, (self._waiting[key][0].priority, number, key))
        while self._due:
            _, number, key = heapq.heappop(self._due)
            if self._is_current(key, number):
                del self._waiting[key]
                self._working.add(key)
                return key
        return None

    def done(self, key: K) -> None:
        """Give a key back; it waits again when it was asked for meanwhile."""
        self._working.remove(key)
        entry = self._again.pop(key, None)
        if entry:
            self.add(key, entry)

    def next_due(self, now: float) -> float | None:
        """Return the moment of the next key that is due, None when nothing waits."""
        while self._due and not self._is_current(self._due[0][2], self._due[0][1]):
            heapq.heappop(self._due)
        if self._due:
            return now
        while self._later and not self._is_current(self._later[0][2], self._later[0][1]):
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def _is_current(self, key: K, number: int) -> bool:
        waiting = self._waiting.get(key)
        return waiting is not None and waiting[1] == number
