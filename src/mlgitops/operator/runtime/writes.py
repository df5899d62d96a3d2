"""The write-ahead guard: a key is not decided again before the cache shows what we wrote.

Without it the next decision would be made on a copy that lacks the last one, and a step
of a roll-out could be taken twice.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from mlgitops.kube import Raw, Reflector, version_of

logger = logging.getLogger(__name__)

# How long a change may take from our write to our watch before the watch is doubted.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class _Mark:
    version: str
    epoch: int


class Writes:
    """What one reconcile wrote, per reflector the newest resourceVersion."""

    def __init__(self) -> None:
        self._marks: dict[Reflector, _Mark] = {}

    def note(self, reflector: Reflector, written: Raw) -> None:
        """Remember that an object of a reflector's resource was written."""
        mark = self._marks.get(reflector)
        if mark is None or int(version_of(written)) > int(mark.version):
            self._marks[reflector] = _Mark(version_of(written), reflector.epoch)

    async def settle(self) -> None:
        """Wait until every cache holds what was written; a watch that takes too long is listed again."""
        for reflector, mark in self._marks.items():
            while not self._holds(reflector, mark):
                try:
                    async with asyncio.timeout(_PATIENCE):
                        await reflector.wait_reached(mark.version)
                except TimeoutError:
                    logger.warning(
                        "the watch of %s did not show version %s within %.0f s; listing again",
                        reflector.resource.plural,
                        mark.version,
                        _PATIENCE,
                    )
                    reflector.relist()

    @staticmethod
    def _holds(reflector: Reflector, mark: _Mark) -> bool:
        # A new epoch counts from the start again, so the old version would never be reached.
        return reflector.reached(mark.version) or reflector.epoch != mark.epoch or reflector.absent
