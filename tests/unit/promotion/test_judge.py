"""What stands between a version and a stage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from mlgitops.api import Metadata, Model, ModelVersion, PromotionPolicy, Reference
from mlgitops.api.model import Artifact, Lifecycle, Metric, ModelSpec, ModelVersionSpec, Source, Stage
from mlgitops.api.policy import (
    AppliesTo,
    ArtifactRule,
    Gate,
    PromotionPolicySpec,
    SourceRule,
    VersusChampion,
)
from mlgitops.errors import InputError
from mlgitops.promotion import Change, Evaluation, Held, MetricValue, Outcome, Verdict, judge, passed

NOW = datetime(2026, 12, 4, 15, 0, tzinfo=UTC)  # a Friday
IRIS = Model(Metadata("iris"), ModelSpec((Stage("staging"), Stage("production", after=("staging",)))))
GATE = Gate(name="accuracy", metric="accuracy", dataset="holdout", min="0.9", versus_champion=VersusChampion("0.0"))


def digest(version: str) -> str:
    return f"sha256:{int(version):064x}"


def version(number: str, **spec: object) -> ModelVersion:
    artifact = Artifact(uri=f"s3://models/iris/{number}", digest=digest(number), format="skops")
    spec = {"source": Source(commit="b" * 40), **spec}
    return ModelVersion(Metadata(f"iris.{number}"), ModelVersionSpec(Reference("iris"), number, artifact, **spec))


def policy(*gates: Gate, **spec: object) -> PromotionPolicy:
    rule = ArtifactRule(("s3://models/",))
    return PromotionPolicy(Metadata("default"), PromotionPolicySpec(rule, gates=gates or (GATE,), **spec))


def evaluation(challenger: str, accuracy: str, champion: str | None = None, rival: str = "0") -> Evaluation:
    return Evaluation(
        challenger=digest(challenger),
        champion=digest(champion) if champion else None,
        dataset="holdout",
        dataset_digest=digest("999"),
        challenger_metrics={"accuracy": MetricValue(Decimal(accuracy), Decimal("0.01"), 50)},
        champion_metrics={"accuracy": MetricValue(Decimal(rival), Decimal("0.01"), 50)} if champion else {},
        signer="ci",
        statement="0123456789abcdef",
    )


def change(**fields: object) -> Change:
    seen = {"staging": frozenset({"1", "2"})}
    return Change(**{"model": IRIS, "stage": "production", "challenger": version("2"), "seen": seen, **fields})


def judged(change: Change, policy: PromotionPolicy | None, evaluations: list[Evaluation]) -> tuple[Verdict, ...]:
    return judge(change, policy, evaluations, now=NOW)


def verdict(gate: str, verdicts: tuple[Verdict, ...]) -> Verdict:
    return next(found for found in verdicts if found.gate == gate)


def test_a_good_first_version_passes_without_a_champion() -> None:
    verdicts = judged(change(), policy(), [evaluation("2", "0.96")])
    assert passed(verdicts)
    assert "no champion to compare with" in verdict("accuracy", verdicts).reason


def test_a_version_below_the_minimum_fails_and_the_reason_has_the_figures() -> None:
    found = verdict("accuracy", judged(change(), policy(), [evaluation("2", "0.84")]))
    assert found.outcome is Outcome.FAIL
    assert found.reason == "accuracy 0.84 on holdout (50 rows) is below the minimum 0.9"
    assert found.evidence == "statement 0123456789abcdef by ci"


def test_no_evaluation_is_inconclusive_and_names_the_command() -> None:
    verdicts = judged(change(), policy(), [])
    found = verdict("accuracy", verdicts)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "mlgitops evaluate iris:2 --stage production --dataset holdout=FILE" in found.reason
    assert not passed(verdicts)


@pytest.mark.parametrize(
    ("margin", "mine", "rival", "outcome"),
    [
        ("0.0", "0.95", "0.95", Outcome.PASS),
        ("0.0", "0.94", "0.95", Outcome.FAIL),
        ("0.01", "0.96", "0.95", Outcome.PASS),
        ("0.01", "0.959", "0.95", Outcome.FAIL),
        ("-0.02", "0.94", "0.95", Outcome.PASS),
    ],
)
def test_the_challenger_must_beat_the_champion_by_the_margin(margin, mine, rival, outcome) -> None:
    gate = replace(GATE, versus_champion=VersusChampion(margin))
    verdicts = judged(change(champion=version("1")), policy(gate), [evaluation("2", mine, "1", rival)])
    assert verdict("accuracy", verdicts).outcome is outcome


def test_an_evaluation_against_another_champion_does_not_count() -> None:
    verdicts = judged(change(champion=version("1")), policy(), [evaluation("2", "0.99", "7", "0.5")])
    found = verdict("accuracy", verdicts)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "no evaluation compares iris:2 with what production names now" in found.reason


def test_an_evaluation_on_another_data_set_does_not_count() -> None:
    other = replace(evaluation("2", "0.99"), dataset="training")
    assert verdict("accuracy", judged(change(), policy(), [other])).outcome is Outcome.INCONCLUSIVE


def test_where_less_is_better_the_comparison_turns_round() -> None:
    gate = Gate("loss", "accuracy", "holdout", max="0.5", better="Lower", versus_champion=VersusChampion("0"))
    worse = judged(change(champion=version("1")), policy(gate), [evaluation("2", "0.4", "1", "0.3")])
    better = judged(change(champion=version("1")), policy(gate), [evaluation("2", "0.2", "1", "0.3")])
    above = judged(change(), policy(gate), [evaluation("2", "0.6")])
    assert [verdict("loss", v).outcome for v in (worse, better, above)] == [Outcome.FAIL, Outcome.PASS, Outcome.FAIL]


def test_a_claim_counts_only_where_the_policy_says_so() -> None:
    claimed = change(challenger=version("2", metrics=(Metric("accuracy", "0.97", dataset="holdout"),)))
    assert verdict("accuracy", judged(claimed, policy(), [])).outcome is Outcome.INCONCLUSIVE
    lenient = policy(replace(GATE, evidence="Claimed"))
    assert verdict("accuracy", judged(claimed, lenient, [])).outcome is Outcome.PASS


def test_a_claim_that_nobody_made_is_inconclusive() -> None:
    found = verdict("accuracy", judged(change(), policy(replace(GATE, evidence="Claimed")), []))
    assert found.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("wanted", "outcome"), [(50, Outcome.PASS), (51, Outcome.INCONCLUSIVE)])
def test_an_evaluation_on_too_few_rows_is_inconclusive(wanted: int, outcome: Outcome) -> None:
    gate = replace(GATE, min_samples=wanted)
    found = judge(change(), policy(gate), [evaluation("2", "0.95")], now=NOW)[-1]
    assert found.outcome is outcome
    assert "(50 rows)" in found.reason


@pytest.mark.parametrize(
    ("samples", "outcome"), [(50, Outcome.PASS), (49, Outcome.INCONCLUSIVE), (None, Outcome.INCONCLUSIVE)]
)
def test_so_is_a_claim_on_too_few_rows_or_nobody_knows_how_many(samples: int | None, outcome: Outcome) -> None:
    claim = Metric("accuracy", "0.95", dataset="holdout", samples=samples)
    gate = replace(GATE, evidence="Claimed", min_samples=50)
    assert judge(change(challenger=version("2", metrics=(claim,))), policy(gate), [], now=NOW)[-1].outcome is outcome


def test_a_rollback_is_judged_by_its_lifecycle_alone() -> None:
    back = change(champion=version("3"), named_before=True, held=Held("p99 regression"))
    assert [found.gate for found in judged(back, policy(), [])] == ["lifecycle"]
    assert passed(judged(back, policy(), []))


@pytest.mark.parametrize("state", ["Archived", "Rejected"])
def test_a_version_that_is_over_takes_no_stage_not_even_by_rollback(state) -> None:
    gone = version("2", lifecycle=Lifecycle(state, "leaks labels"))
    for named_before in (False, True):
        found = judged(change(challenger=gone, named_before=named_before), policy(), [evaluation("2", "0.99")])[0]
        assert found.outcome is Outcome.FAIL
        assert "leaks labels" in found.reason


def test_a_deprecated_version_passes_and_is_named_as_such() -> None:
    old = change(challenger=version("2", lifecycle=Lifecycle("Deprecated")))
    assert verdict("lifecycle", judged(old, policy(), [])).reason == "iris:2 is Deprecated"


def test_a_stage_is_reached_by_way_of_the_one_before() -> None:
    found = verdict("order", judged(change(seen={"staging": frozenset({"1"})}), policy(), [evaluation("2", "0.99")]))
    assert found.outcome is Outcome.FAIL
    assert found.reason == "iris:2 has not been in staging; first: mlgitops promote iris staging 2"


def test_a_held_stage_takes_no_new_version() -> None:
    found = verdict("hold", judged(change(held=Held("p99 regression", by="alice")), policy(), []))
    assert found.outcome is Outcome.FAIL
    assert "held by alice (p99 regression)" in found.reason


def test_the_same_pull_request_may_lift_the_hold() -> None:
    assert verdict("hold", judged(change(held=Held("x", lifted=True)), policy(), [])).outcome is Outcome.PASS


DIRTY = Source(commit="a" * 40, dirty=True)


@pytest.mark.parametrize(
    ("rule", "stage", "outcome"),
    [
        ("RefuseAtLastStage", "staging", Outcome.PASS),
        ("RefuseAtLastStage", "production", Outcome.FAIL),
        ("Refuse", "staging", Outcome.FAIL),
        ("Allow", "production", Outcome.PASS),
    ],
)
@pytest.mark.parametrize("source", [DIRTY, Source(repository="https://git.example.com/x"), None])
def test_a_dirty_or_unknown_source_is_warned_about_first_and_refused_at_the_end(source, rule, stage, outcome) -> None:
    dirty = change(challenger=version("2", source=source), stage=stage)
    found = verdict("source", judged(dirty, policy(source=SourceRule(rule)), [evaluation("2", "0.99")]))
    assert found.outcome is outcome
    assert ("uncommitted changes" if source == DIRTY else "unknown source") in found.reason
    assert found.reason.endswith("propose that run: it replaces the source of iris:2") is (outcome is Outcome.FAIL)


def test_gates_hold_only_for_the_stages_that_the_policy_names() -> None:
    only_production = policy(applies_to=AppliesTo(("production",)))
    assert passed(judged(change(stage="staging"), only_production, []))
    assert not passed(judged(change(stage="production"), only_production, []))


def test_without_a_policy_the_rules_still_hold() -> None:
    assert passed(judged(change(), None, []))
    assert not passed(judged(change(seen={}), None, []))


PREDICATE = {
    "challenger": {"metrics": {"accuracy": {"value": "0.96", "stdErr": "0.02", "samples": 50}}},
    "champion": {"digest": digest("1"), "metrics": {"accuracy": {"value": "0.9", "stdErr": "0.02", "samples": 50}}},
    "dataset": {"name": "holdout", "digest": digest("9")},
}


def test_an_evaluation_is_read_from_its_predicate() -> None:
    found = Evaluation.read(PREDICATE, subject=digest("2"), signer="ci", statement="aa")
    assert found.champion == digest("1")
    assert found.challenger_metrics["accuracy"].value == Decimal("0.96")


@pytest.mark.parametrize(
    "damage",
    [
        {"challenger": None},
        {"dataset": {"name": "holdout"}},
        {"challenger": {"metrics": {"accuracy": {"value": "NaN", "stdErr": "0", "samples": 1}}}},
        {"challenger": {"metrics": {"accuracy": {"value": "good", "stdErr": "0", "samples": 1}}}},
        {"challenger": {"metrics": [1, 2]}},
    ],
)
def test_what_is_no_evaluation_is_refused_with_the_statement_named(damage) -> None:
    with pytest.raises(InputError, match="statement aa is not an evaluation"):
        Evaluation.read({**PREDICATE, **damage}, subject=digest("2"), signer="ci", statement="aa")
