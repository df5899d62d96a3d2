"""What the API server refuses to store: how it is told, how long it is remembered, when it is asked again.

A denial is known only after a try, but a status is written before one. So the last one is
read back from the condition that told it, until the next try says something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlgitops.api import Condition, conditions
from mlgitops.plan.times import moment

QUOTA: Final = "QuotaExceeded"
CHILD: Final = "ChildRefused"
PODS: Final = "PodsRefused"

# A schema's complaint quotes what it complains about, which may be all of a pod.
_LONGEST: Final = 1024
_SHORTEST_WAIT: Final = timedelta(seconds=5)
_LONGEST_WAIT: Final = timedelta(minutes=1)
_CURES: Final = {
    QUOTA: "raise the quota of the namespace, or ask for less",
    CHILD: "correct the field of spec or of the runtime that it comes from, or what forbids it",
}


@dataclass(frozen=True, slots=True)
class Denial:
    """A child that the API server refused: a condition's reason, and a sentence with the cure."""

    reason: str
    message: str


def denial(child: str, said: str) -> Denial:
    """Return the denial of a child.

    Args:
        child: its kind and name.
        said: the API server's own words.
    """
    # https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/resourcequota/controller.go
    reason = QUOTA if "exceeded quota" in said or "failed quota" in said else CHILD
    return Denial(reason, f"{child} is refused: {short(said)}; {_CURES[reason]}")


def short(said: str) -> str:
    """Return the API server's words as a status holds them."""
    return said if len(said) <= _LONGEST else said[: _LONGEST - 2] + " …"


def remembered(told: Iterable[Condition], generation: int) -> Denial | None:
    """Return the denial that the conditions tell of this generation of the object, None when they tell none."""
    stalled = conditions.find(told, conditions.STALLED)
    if stalled is None or stalled.reason not in _CURES or stalled.observed_generation != generation:
        return None
    return Denial(stalled.reason, stalled.message)


def again(told: Iterable[Condition], now: datetime) -> timedelta:
    """Return after what time to try again: the longer it has been so, the later."""
    stalled = conditions.find(told, conditions.STALLED)
    waited = now - moment(stalled.last_transition_time) if stalled else timedelta(0)
    return max(_SHORTEST_WAIT, min(_LONGEST_WAIT, waited / 2))
