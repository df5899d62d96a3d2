"""Freezes and soak: when a promotion has to wait, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlgitops.api import Metadata, Model, ModelVersion, PromotionPolicy, Reference
from mlgitops.api.model import Artifact, ModelSpec, ModelVersionSpec, Stage
from mlgitops.api.policy import AppliesTo, ArtifactRule, Freeze, PromotionPolicySpec, Soak, SourceRule, WeeklyWindow
from mlgitops.errors import InputError
from mlgitops.promotion import BECAME_UNHEALTHY, ROLLED_OUT, Change, Outcome, Service, Verdict, judge
from mlgitops.promotion.freezes import frozen_until

FRIDAY = datetime(2026, 12, 4, 15, 0, tzinfo=UTC)
IRIS = Model(Metadata("iris"), ModelSpec((Stage("staging"), Stage("production", after=("staging",)))))
ARTIFACT = Artifact(uri="s3://models/iris/2", digest="sha256:" + "0" * 64, format="skops")
VERSION = ModelVersion(Metadata("iris.2"), ModelVersionSpec(Reference("iris"), "2", ARTIFACT))
PLAIN = PromotionPolicySpec(ArtifactRule(("s3://models/",)), source=SourceRule("Allow"))


def judged(
    gate: str, now: datetime = FRIDAY, stage: str = "production", turns: tuple[Service, ...] = (), **spec: object
) -> Verdict | None:
    """Return one gate's verdict on iris:2, or None when the policy does not ask."""
    change = Change(IRIS, stage, VERSION, seen={"staging": frozenset({"2"})})
    policy = PromotionPolicy(Metadata("default"), replace(PLAIN, **spec))
    found = judge(change, policy, (), turns, now=now)
    return next((verdict for verdict in found if verdict.gate == gate), None)


YEAR_END = Freeze("year-end", "books are closed", start="2026-12-04T00:00:00Z", end="2027-01-02T08:00:00+01:00")


def test_between_two_instants_nothing_is_promoted_and_the_reason_says_until_when() -> None:
    found = judged("freeze", freezes=(YEAR_END,))
    assert found is not None and found.outcome is Outcome.FAIL
    assert found.reason == (
        "production is frozen until 2027-01-02 07:00 UTC (year-end: books are closed); merge after that"
    )


@pytest.mark.parametrize("now", [datetime(2026, 12, 3, 23, 59, tzinfo=UTC), datetime(2027, 1, 2, 7, 0, tzinfo=UTC)])
def test_before_its_start_and_at_its_end_a_freeze_is_not_in_force(now: datetime) -> None:
    found = judged("freeze", now, freezes=(YEAR_END,))
    assert found is not None and found.outcome is Outcome.PASS


def test_a_freeze_of_one_stage_leaves_the_others() -> None:
    freeze = replace(YEAR_END, stages=("production",))
    staging = judged("freeze", stage="staging", freezes=(freeze,))
    assert staging is not None and staging.outcome is Outcome.PASS


def test_a_freeze_holds_where_no_gate_judges_too() -> None:
    found = judged("freeze", freezes=(YEAR_END,), applies_to=AppliesTo(("staging",)))
    assert found is not None and found.outcome is Outcome.FAIL


def test_a_rollback_is_free_whatever_is_frozen() -> None:
    change = Change(IRIS, "production", VERSION, named_before=True)
    policy = PromotionPolicy(Metadata("default"), replace(PLAIN, freezes=(YEAR_END,)))
    assert [verdict.gate for verdict in judge(change, policy, (), now=FRIDAY)] == ["lifecycle"]


WEEKEND = WeeklyWindow(("Friday", "Saturday", "Sunday"), start="00:00", time_zone="Europe/Zurich")


@pytest.mark.parametrize(
    ("now", "end"),
    [
        # Friday begins in Zurich while it is still Thursday in UTC.
        (datetime(2026, 12, 3, 22, 59, tzinfo=UTC), None),
        (datetime(2026, 12, 3, 23, 0, tzinfo=UTC), datetime(2026, 12, 6, 23, 0, tzinfo=UTC)),
        (datetime(2026, 12, 6, 22, 59, tzinfo=UTC), datetime(2026, 12, 6, 23, 0, tzinfo=UTC)),
        (datetime(2026, 12, 6, 23, 0, tzinfo=UTC), None),
        # The night to Sunday, 28 March 2027 has no hour from two to three; the Monday comes an hour earlier in UTC.
        (datetime(2027, 3, 27, 12, 0, tzinfo=UTC), datetime(2027, 3, 28, 22, 0, tzinfo=UTC)),
    ],
)
def test_a_weekly_freeze_follows_its_time_zone_and_days_in_a_row_are_one(now: datetime, end: datetime | None) -> None:
    assert frozen_until(Freeze("weekend", weekly=WEEKEND), now) == end


def test_hours_of_a_day_are_frozen_to_the_minute() -> None:
    freeze = Freeze("friday", weekly=WeeklyWindow(("Friday",), start="15:00", end="17:30"))
    assert frozen_until(freeze, FRIDAY) == FRIDAY.replace(hour=17, minute=30)
    assert frozen_until(freeze, FRIDAY - timedelta(seconds=1)) is None
    assert frozen_until(freeze, FRIDAY.replace(hour=17, minute=30)) is None


def test_a_time_zone_that_nobody_knows_is_inconclusive_and_never_a_pass() -> None:
    freeze = Freeze("x", weekly=WeeklyWindow(("Friday",), time_zone="Mars/Olympus"))
    found = judged("freeze", freezes=(freeze,))
    assert found is not None and found.outcome is Outcome.INCONCLUSIVE
    assert "Mars/Olympus" in found.reason


def turn(hours: float, *, healthy: bool = True, deployment: str = "iris-staging") -> Service:
    kind = ROLLED_OUT if healthy else BECAME_UNHEALTHY
    at = (FRIDAY - timedelta(hours=hours)).isoformat()
    said = {"environment": "prod-eu", "deployment": deployment, "stage": "staging", "at": at}
    return Service.read(kind, said, signer="watch", statement=f"{hours:016.0f}")


def soaked(*turns: Service) -> Verdict:
    found = judged("soak", turns=turns, soak=Soak("24h"))
    assert found is not None
    return found


def test_a_version_that_served_long_enough_passes_and_names_its_evidence() -> None:
    found = soaked(turn(25))
    assert found.outcome is Outcome.PASS
    assert found.evidence == "statement 0000000000000025 by watch"


def test_a_version_that_served_too_short_is_told_how_long_to_wait() -> None:
    found = soaked(turn(22.5))
    assert found.outcome is Outcome.FAIL
    assert found.reason == (
        "iris:2 has served well at staging for 22 h 30 min, the policy wants 24h; try again in 1 h 30 min"
    )


def test_becoming_unhealthy_starts_the_time_again() -> None:
    assert soaked(turn(40), turn(3, healthy=False)).outcome is Outcome.FAIL
    assert soaked(turn(40), turn(30, healthy=False)).outcome is Outcome.PASS


def test_of_several_deployments_the_one_that_served_shortest_decides() -> None:
    assert soaked(turn(40), turn(2, deployment="iris-canary")).outcome is Outcome.FAIL


def test_without_a_statement_nothing_passes() -> None:
    assert soaked().outcome is Outcome.INCONCLUSIVE
    assert soaked(turn(40, healthy=False)).outcome is Outcome.INCONCLUSIVE


def test_the_first_stage_has_nothing_to_soak_in() -> None:
    found = judged("soak", stage="staging", soak=Soak("24h"))
    assert found is not None and found.outcome is Outcome.PASS


@pytest.mark.parametrize("at", ["yesterday", "2026-12-04T15:00:00", None])
def test_a_statement_without_a_clear_time_is_refused(at: str | None) -> None:
    said = {"environment": "a", "deployment": "b", "stage": "c", "at": at}
    with pytest.raises(InputError, match="statement 1 says no place or time"):
        Service.read(ROLLED_OUT, said, signer="watch", statement="1")
