"""Whether enough people other than its author agree to a pull request as it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlgitops.api import PromotionPolicy
from mlgitops.promotion.change import Change
from mlgitops.promotion.verdict import Outcome, Verdict

_NAME = "approvals"


@dataclass(frozen=True, slots=True)
class Review:
    """A pull request as people judged it: its number, its author, and who approved its present head."""

    number: int
    author: str
    approved_by: tuple[str, ...] = ()


def approvals(change: Change, policy: PromotionPolicy, review: Review | None) -> Verdict:
    """Enough people have approved, none of them the author.

    Args:
        change: what is to be promoted; its model is the one of the base branch.
        policy: a policy that asks for approvals.
        review: the pull request; None when a work tree is judged, which nobody can approve.
    """
    rule = policy.spec.approvals
    assert rule is not None
    if review is None:
        reason = "approvals are given on a pull request; open one and run: mlgitops check --pr N"
        return Verdict(_NAME, Outcome.INCONCLUSIVE, reason)
    owners = [_handle(owner) for owner in change.model.spec.owners]
    counted = sorted(
        person
        for person in {_handle(person) for person in review.approved_by} - {_handle(review.author)}
        if rule.by == "Anyone" or person in owners
    )
    approved = f"{len(counted)} of {rule.minimum} approvals"
    evidence = f"approved by {_listed(counted)}" if counted else ""
    if len(counted) >= rule.minimum:
        return Verdict(_NAME, Outcome.PASS, approved, evidence)
    who = f"an owner ({_listed(owners)})" if rule.by == "Owners" else "somebody"
    reason = f"{approved}; {who} other than {review.author} runs: mlgitops pr approve {review.number}"
    return Verdict(_NAME, Outcome.INCONCLUSIVE, reason, evidence)


def _handle(name: str) -> str:
    return name.removeprefix("@")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "the Model names none"
