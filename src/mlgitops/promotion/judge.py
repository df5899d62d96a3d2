"""All rules and gates over one change of a stage."""

from __future__ import annotations

from collections.abc import Sequence

from mlgitops.api import PromotionPolicy
from mlgitops.promotion import rules
from mlgitops.promotion.change import Change
from mlgitops.promotion.evaluation import Evaluation
from mlgitops.promotion.gates import metric_gate
from mlgitops.promotion.verdict import Verdict


def judge(change: Change, policy: PromotionPolicy | None, evaluations: Sequence[Evaluation]) -> tuple[Verdict, ...]:
    """Return a verdict for every rule, and for every gate of the policy that applies to the stage.

    A rollback (the stage named this version before) is judged by its lifecycle alone: the
    gates let it through once, and a bad night is no time to argue about margins.

    Args:
        change: the change of one stage.
        policy: the model's policy on the base branch; None when it has none.
        evaluations: verified statements about the challenger, newest first.
    """
    if change.named_before:
        return (rules.lifecycle(change),)
    always = (rules.lifecycle(change), rules.hold(change), rules.order(change))
    if policy is None or (policy.spec.applies_to.stages and change.stage not in policy.spec.applies_to.stages):
        return always
    return (
        *always,
        rules.source(change, policy),
        *(metric_gate(gate, change, evaluations) for gate in policy.spec.gates),
    )
