"""What is named may come later than its name: how long it counts as on its way.

Objects that are applied together arrive one after the other, and whoever waits for them
reads Stalled as a failure. So an absence is Reconciling first, judged from nothing but
the times of the conditions themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from mlgitops.api import Condition, conditions
from mlgitops.plan.times import moment

GRACE: Final = timedelta(seconds=10)


def fresh(before: Iterable[Condition], reason: str, message: str, generation: int) -> tuple[Condition, ...]:
    """Return the conditions that an absence starts from: without a Reconciling that was about something else."""
    kept = tuple(before)
    return kept if _same(kept, reason, message, generation) else conditions.without(kept, conditions.RECONCILING)


def awaited(before: Iterable[Condition], reason: str, message: str, generation: int, now: datetime) -> bool:
    """Tell whether what is absent may still arrive: said for the first time, or not for long."""
    said = _same(tuple(before), reason, message, generation)
    if said is None:
        return True
    return said.type == conditions.RECONCILING and now < moment(said.last_transition_time) + GRACE


def _same(before: tuple[Condition, ...], reason: str, message: str, generation: int) -> Condition | None:
    """Return the condition that says this already, of this generation of the object."""
    for kind in (conditions.STALLED, conditions.RECONCILING):
        said = conditions.find(before, kind)
        if said and (said.reason, said.message, said.observed_generation) == (reason, message, generation):
            return said
    return None
