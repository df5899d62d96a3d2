"""What a cluster's watcher signed about a version that serves: it rolled out, or it became unhealthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mlgitops.api import PromotionPolicy, durations
from mlgitops.errors import InputError
from mlgitops.promotion.change import Change
from mlgitops.promotion.verdict import Outcome, Verdict

ROLLED_OUT = "https://mlgitops.dev/rolled-out/v1"  # in-toto predicate types
BECAME_UNHEALTHY = "https://mlgitops.dev/became-unhealthy/v1"
_NAME = "soak"


@dataclass(frozen=True, slots=True)
class Service:
    """One turn in a version's life: where it began to serve, or stopped to do so well, and when."""

    environment: str
    deployment: str
    stage: str
    at: datetime
    healthy: bool
    signer: str
    statement: str

    @classmethod
    def read(cls, kind: str, predicate: Mapping[str, Any], *, signer: str, statement: str) -> Service:
        """Read the predicate of a ``rolledOut`` or ``becameUnhealthy`` statement.

        Args:
            kind: the predicate type.
            predicate: ``environment``, ``deployment``, ``stage`` and ``at`` (RFC 3339).
            signer: who signed it.
            statement: its name in the ledger.

        Raises:
            InputError: a field is missing or is not what it should be.
        """
        try:
            place = {field: str(predicate[field]) for field in ("environment", "deployment", "stage")}
            at = datetime.fromisoformat(str(predicate["at"]))
            if at.tzinfo is None:
                raise ValueError("the time has no zone")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"statement {statement} says no place or time of service: {error!r}") from error
        return cls(**place, at=at, healthy=kind == ROLLED_OUT, signer=signer, statement=statement)


def soak(change: Change, policy: PromotionPolicy, services: Sequence[Service], now: datetime) -> Verdict:
    """A version has served, well, for a while at each stage that its new one stands after.

    The time counts from the last roll-out and starts again when the version became
    unhealthy; of several deployments the one that served shortest decides.
    """
    assert policy.spec.soak is not None
    wanted = policy.spec.soak.minimum
    after = next((stage.after for stage in change.model.spec.stages if stage.name == change.stage), ())
    if not after:
        return Verdict(_NAME, Outcome.PASS, f"{change.stage} stands after no stage")
    shortest, evidence = timedelta.max, []
    for stage in after:
        turns = [turn for turn in services if turn.stage == stage]
        if not any(turn.healthy for turn in turns):
            reason = (
                f"no signed statement says that {change.name} rolled out at {stage}; it must serve there for {wanted}"
            )
            return Verdict(_NAME, Outcome.INCONCLUSIVE, reason)
        last = {(turn.environment, turn.deployment): turn for turn in sorted(turns, key=lambda turn: turn.at)}
        shortest = min(shortest, *(now - turn.at for turn in last.values()))
        evidence += [f"statement {turn.statement} by {turn.signer}" for turn in last.values()]
    served = f"{change.name} has served well at {', '.join(after)} for {_text(shortest)}"
    missing = timedelta(seconds=durations.seconds(wanted)) - shortest
    if missing > timedelta(0):
        reason = f"{served}, the policy wants {wanted}; try again in {_text(missing)}"
        return Verdict(_NAME, Outcome.FAIL, reason, ", ".join(evidence))
    return Verdict(_NAME, Outcome.PASS, served, ", ".join(evidence))


def _text(span: timedelta) -> str:
    minutes = max(0, int(span.total_seconds() // 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
