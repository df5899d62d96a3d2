"""Policies that ask for patience: freezes, soak and approvals, on a whole registry with signed statements."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlgitops import registry
from mlgitops.api import PromotionPolicy
from mlgitops.api.policy import ApprovalRule, Freeze, Soak
from mlgitops.bot import pulls
from mlgitops.bot.promote import promote, rollback
from mlgitops.bot.question import reviewed
from mlgitops.errors import CheckFailedError
from mlgitops.evidence import Statement, sign
from mlgitops.promotion import BECAME_UNHEALTHY, ROLLED_OUT, Outcome
from mlgitops.registry import layout
from worlds.promotions import checked, evaluated, merged, outcomes, promoted, reason, registered
from worlds.registry import World


def demand(world: World, **spec: object) -> None:
    """Change the policy on the base branch, as its owner does; whoever evaluates may state what serves too."""
    policy = registry.load((world.remote, world.main)).find(PromotionPolicy, "default")
    assert policy is not None
    signers = tuple(
        replace(signer, statements=("evaluated", "rolledOut", "becameUnhealthy")) for signer in policy.spec.signers
    )
    changed = replace(policy, spec=replace(policy.spec, signers=signers, **spec))
    world.commit({layout.policy("default"): registry.write(changed)})


def served(world: World, number: str, hours: float, kind: str = ROLLED_OUT) -> None:
    """Sign what the watcher of a cluster would have seen."""
    context = world.context("watcher")
    version = context.tree.version("iris", number)
    assert version is not None
    at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    predicate = {"environment": "prod-eu", "deployment": "iris-staging", "stage": "staging", "at": at}
    statement = Statement(kind, version.spec.artifact.digest, predicate, ("prod-eu", "iris-staging", "r", at))
    context.ledger.append("iris", number, sign(statement, world.key), statement.name)


def test_a_freeze_refuses_a_promotion_and_lets_a_rollback_through(world: World) -> None:
    for content in ("a", "b"):
        registered(world, content)
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    evaluated(world, "2", "0.97", ("1", "0.95"))
    promoted(world, "staging", "2")
    always = Freeze("audit", "auditors are here", start="2020-01-01T00:00:00Z", end="2099-01-01T00:00:00Z")
    demand(world, freezes=(always,))
    evaluated(world, "2", "0.97")
    moved = promote(world.context("person"), "iris", "production", "2")
    report = checked(world, moved.pull.number)
    assert outcomes(report)["freeze"] is Outcome.FAIL
    assert "frozen until 2099-01-01 00:00 UTC (audit: auditors are here)" in reason(report, "freeze")
    back = rollback(world.context("person"), "iris", "staging", reason="p99")
    assert checked(world, back.pull.number).passed
    merged(world, back.pull.number)


def test_a_check_that_passed_before_a_freeze_merges_nothing_in_it(world: World) -> None:
    registered(world, "a")
    evaluated(world, "1", "0.95")
    begins = datetime.now(UTC) + timedelta(hours=1)
    demand(world, freezes=(Freeze("night", start=begins.isoformat(timespec="seconds"), end="2099-01-01T00:00:00Z"),))
    moved = promote(world.context("person"), "iris", "staging", "1")
    assert checked(world, moved.pull.number).passed
    with pytest.raises(CheckFailedError, match="is refused: staging is frozen until 2099"):
        pulls.merge(world.context("reviewer"), moved.pull.number, now=begins)
    assert pulls.merge(world.context("boss"), moved.pull.number, force=True).forced


def test_a_version_soaks_at_the_stage_before_by_signed_statements_only(world: World) -> None:
    registered(world, "a")
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    demand(world, soak=Soak("24h"))
    moved = promote(world.context("person"), "iris", "production", "1")
    assert outcomes(checked(world, moved.pull.number))["soak"] is Outcome.INCONCLUSIVE
    served(world, "1", 30)
    assert checked(world, moved.pull.number).passed
    served(world, "1", 2, BECAME_UNHEALTHY)
    report = checked(world, moved.pull.number)
    assert outcomes(report)["soak"] is Outcome.FAIL
    assert "for 2 h 0 min, the policy wants 24h" in reason(report, "soak")


def test_a_signer_who_may_only_evaluate_states_nothing_about_service(world: World) -> None:
    registered(world, "a")
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    demand(world, soak=Soak("1s"))
    policy = registry.load((world.remote, world.main)).find(PromotionPolicy, "default")
    assert policy is not None
    signers = tuple(replace(signer, statements=("evaluated",)) for signer in policy.spec.signers)
    only = replace(policy, spec=replace(policy.spec, signers=signers))
    world.commit({layout.policy("default"): registry.write(only)})
    served(world, "1", 30)
    moved = promote(world.context("person"), "iris", "production", "1")
    assert outcomes(checked(world, moved.pull.number))["soak"] is Outcome.INCONCLUSIVE


def test_a_check_that_passed_merges_nothing_that_became_unhealthy_since(world: World) -> None:
    registered(world, "a")
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    demand(world, soak=Soak("24h"))
    served(world, "1", 30)
    moved = promote(world.context("person"), "iris", "production", "1")
    assert checked(world, moved.pull.number).passed
    served(world, "1", 2, BECAME_UNHEALTHY)
    with pytest.raises(CheckFailedError, match="is refused: iris:1 has served well at staging for 2 h 0 min"):
        merged(world, moved.pull.number)


def test_a_promotion_waits_for_somebody_elses_approval_of_what_is_proposed_now(world: World) -> None:
    registered(world, "a")
    evaluated(world, "1", "0.95")
    demand(world, approvals=ApprovalRule(1))
    moved = promote(world.context("person"), "iris", "staging", "1")
    number = moved.pull.number
    assert outcomes(checked(world, number))["approvals"] is Outcome.INCONCLUSIVE
    with pytest.raises(CheckFailedError, match=f"0 of 1 approvals; somebody other than person runs: .* {number}"):
        merged(world, number)
    with pytest.raises(CheckFailedError, match="is person's own"):
        pulls.approve(world.context("person"), number)
    pulls.approve(world.context("bob"), number, moved.pull.head[:12])
    world.commit({"README.md": b"more"}, branch=moved.pull.head_ref)
    assert outcomes(checked(world, number))["approvals"] is Outcome.INCONCLUSIVE
    pulls.approve(world.context("bob"), number)
    forge = world.context("ci").forge
    assert reviewed(forge, forge.pull(number)).approved_by == ("bob",)
    assert reviewed(forge, moved.pull).approved_by == (), "what was read before the new commit, nobody approved"
    merged(world, number)
    stage = registry.load((world.remote, world.main)).stage("iris", "staging")
    assert stage is not None and stage.spec.version == "1"
