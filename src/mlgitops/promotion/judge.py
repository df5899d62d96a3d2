"""All rules and gates over one change of a stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from mlgitops.api import PromotionPolicy
from mlgitops.promotion import rules
from mlgitops.promotion.approvals import Review, approvals
from mlgitops.promotion.change import Change
from mlgitops.promotion.evaluation import Evaluation
from mlgitops.promotion.freezes import freeze
from mlgitops.promotion.gates import metric_gate
from mlgitops.promotion.service import Service, soak
from mlgitops.promotion.verdict import Verdict


def judge(
    change: Change,
    policy: PromotionPolicy | None,
    evaluations: Sequence[Evaluation],
    services: Sequence[Service] = (),
    review: Review | None = None,
    *,
    now: datetime,
) -> tuple[Verdict, ...]:
    """Return a verdict for every rule, and for every gate of the policy that applies to the stage.

    A rollback (the stage named this version before) is judged by its lifecycle alone: the
    gates let it through once, and a bad night is no time to argue about margins or wait for approvals.

    Args:
        change: the change of one stage.
        policy: the model's policy on the base branch; None when it has none.
        evaluations: verified statements about the challenger, newest first.
        services: verified statements about where the challenger served.
        review: who approved the pull request; None without one.
        now: the instant to judge at.
    """
    if change.named_before:
        return (rules.lifecycle(change),)
    always = (rules.lifecycle(change), rules.hold(change), rules.order(change))
    if policy is None:
        return always
    timely = tuple(_everywhere(change, policy, review, now))
    if policy.spec.applies_to.stages and change.stage not in policy.spec.applies_to.stages:
        return (*always, *timely)
    return (*always, *timely, *_demands(change, policy, evaluations, services, now))


def _everywhere(change: Change, policy: PromotionPolicy, review: Review | None, now: datetime) -> Iterator[Verdict]:
    """Yield what names its own stages, whichever the gates apply to."""
    if policy.spec.freezes:
        yield freeze(change, policy, now)
    rule = policy.spec.approvals
    if rule and (not rule.stages or change.stage in rule.stages):
        yield approvals(change, policy, review)


def _demands(
    change: Change,
    policy: PromotionPolicy,
    evaluations: Sequence[Evaluation],
    services: Sequence[Service],
    now: datetime,
) -> Iterator[Verdict]:
    yield rules.source(change, policy)
    if policy.spec.soak:
        yield soak(change, policy, services, now)
    for gate in policy.spec.gates:
        yield metric_gate(gate, change, evaluations)
