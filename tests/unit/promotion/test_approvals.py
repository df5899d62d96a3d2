"""Approvals: whose word lets a promotion through, and what is asked for when it is missing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlgitops.api import Metadata, Model, ModelVersion, PromotionPolicy, Reference
from mlgitops.api.model import Artifact, ModelSpec, ModelVersionSpec, Stage
from mlgitops.api.policy import AppliesTo, ApprovalRule, ArtifactRule, PromotionPolicySpec
from mlgitops.promotion import Change, Outcome, Review, Verdict, judge

NOW = datetime(2026, 12, 4, 15, 0, tzinfo=UTC)
IRIS = Model(Metadata("iris"), ModelSpec((Stage("production"),), owners=("@bob", "team-flowers")))
ARTIFACT = Artifact(uri="s3://models/iris/2", digest="sha256:" + "0" * 64, format="skops")
VERSION = ModelVersion(Metadata("iris.2"), ModelVersionSpec(Reference("iris"), "2", ARTIFACT))


def verdicts(rule: ApprovalRule, review: Review | None, *, rollback: bool = False) -> dict[str, Verdict]:
    """Judge iris:2 at production; the gates apply to another stage only."""
    spec = PromotionPolicySpec(ArtifactRule(("s3://models/",)), AppliesTo(("staging",)), approvals=rule)
    change = Change(IRIS, "production", VERSION, named_before=rollback)
    found = judge(change, PromotionPolicy(Metadata("default"), spec), (), review=review, now=NOW)
    return {verdict.gate: verdict for verdict in found}


def judged(rule: ApprovalRule, *approved_by: str) -> Verdict:
    return verdicts(rule, Review(7, "ada", approved_by))["approvals"]


def test_enough_approvals_pass_and_are_named() -> None:
    found = judged(ApprovalRule(2), "bob", "carol")
    assert (found.outcome, found.reason, found.evidence) == (
        Outcome.PASS,
        "2 of 2 approvals",
        "approved by bob, carol",
    )


def test_missing_approvals_are_inconclusive_and_name_the_command() -> None:
    found = judged(ApprovalRule(2), "bob")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.reason == "1 of 2 approvals; somebody other than ada runs: mlgitops pr approve 7"


@pytest.mark.parametrize(
    ("minimum", "approved_by"), [(1, ("ada",)), (1, ("@ada",)), (2, ("ada", "bob")), (2, ("bob", "bob", "@bob"))]
)
def test_neither_the_author_counts_nor_anybody_twice(minimum: int, approved_by: tuple[str, ...]) -> None:
    assert judged(ApprovalRule(minimum), *approved_by).outcome is Outcome.INCONCLUSIVE


def test_where_owners_are_asked_nobody_elses_word_counts() -> None:
    rule = ApprovalRule(1, by="Owners")
    found = judged(rule, "carol")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "an owner (bob, team-flowers) other than ada" in found.reason
    assert judged(rule, "carol", "bob").evidence == "approved by bob"


def test_a_work_tree_cannot_be_approved_and_the_reason_says_what_can() -> None:
    found = verdicts(ApprovalRule(1), None)["approvals"]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "mlgitops check --pr" in found.reason


def test_only_the_stages_that_the_rule_names_ask() -> None:
    assert "approvals" not in verdicts(ApprovalRule(1, stages=("staging",)), None)
    assert "approvals" in verdicts(ApprovalRule(1, stages=("production",)), None)


def test_a_rollback_waits_for_nobody() -> None:
    assert list(verdicts(ApprovalRule(1), None, rollback=True)) == ["lifecycle"]
