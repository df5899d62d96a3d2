"""Conditions as values: find one, set one, take one away.

Reconciling and Stalled are abnormal: they are there only while they are True (kstatus).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlgitops.api.meta import Condition, ConditionStatus

READY = "Ready"
AVAILABLE = "Available"
VERIFIED = "Verified"
RECONCILING = "Reconciling"
STALLED = "Stalled"

Conditions = tuple[Condition, ...]


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """Return the condition of a type, or None."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    """Say whether a condition is there and True."""
    condition = find(conditions, kind)
    return condition is not None and condition.status == "True"


def make(
    kind: str, status: ConditionStatus | bool, reason: str, message: str = "", *, generation: int = 0
) -> Condition:
    """Return a condition without a time; ``put`` gives it one."""
    word: ConditionStatus = status if isinstance(status, str) else ("True" if status else "False")
    return Condition(kind, word, reason, message, last_transition_time="", observed_generation=generation)


def put(conditions: Iterable[Condition], new: Condition, now: str) -> Conditions:
    """Return the conditions with one set.

    Its time is ``now`` (RFC 3339) when the status changed, else the time it had. The
    others keep their order; a new type comes last.
    """
    before = tuple(conditions)
    old = find(before, new.type)
    if old is None:
        return (*before, replace(new, last_transition_time=now))
    since = old.last_transition_time if old.status == new.status else now
    new = replace(new, last_transition_time=since)
    return tuple(new if condition.type == new.type else condition for condition in before)


def without(conditions: Iterable[Condition], *kinds: str) -> Conditions:
    """Return the conditions but those of the named types."""
    return tuple(condition for condition in conditions if condition.type not in kinds)


def replaced(old: Iterable[Condition], wanted: Iterable[Condition], now: str) -> Conditions:
    """Return exactly the wanted conditions, each with the time since when it has its status."""
    before = tuple(old)
    return tuple(put(before, condition, now)[_index(before, condition.type)] for condition in wanted)


def _index(conditions: Conditions, kind: str) -> int:
    kinds = [condition.type for condition in conditions]
    return kinds.index(kind) if kind in kinds else -1


def summarise(conditions: Iterable[Condition]) -> str:
    """Return one line for a person: the worst that is stated, and why."""
    present = tuple(conditions)
    for kind in (STALLED, RECONCILING, READY):
        condition = find(present, kind)
        if condition is not None:
            word = kind if condition.status == "True" else f"not {kind}"
            return f"{word}: {condition.reason}" + (f": {condition.message}" if condition.message else "")
    return "unknown: not looked at yet"
