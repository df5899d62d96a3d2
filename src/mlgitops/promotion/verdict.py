"""What a gate or rule says: pass, fail or inconclusive, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a judgement ended; only ``PASS`` lets a promotion through."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate's or rule's judgement.

    ``reason`` is a sentence with the figures; ``evidence`` says what it was judged from,
    such as a statement's name in the ledger.
    """

    gate: str
    outcome: Outcome
    reason: str
    evidence: str = ""


def passed(verdicts: Iterable[Verdict]) -> bool:
    """Return whether every verdict is a pass."""
    return all(verdict.outcome is Outcome.PASS for verdict in verdicts)
