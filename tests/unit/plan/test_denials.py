"""What the API server refuses: told, waited for without blame, and over by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mlgitops.api.meta import Condition
from mlgitops.plan import denials
from worlds.rollout import START, World

QUOTA = 'deployments.apps "iris" is forbidden: exceeded quota: small, requested: count/deployments.apps=1'
INVALID = 'Deployment.apps "iris" is invalid: spec.template.spec.tolerations[0].operator: Invalid value: "Equal"'


def refuse_pods(world: World, said: str) -> None:
    raw = world.objects["Deployment", f"iris-production-{world.target()}"]
    entry = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
    raw["status"] = {"conditions": [entry]}


@pytest.mark.parametrize(("said", "reason"), [(QUOTA, "QuotaExceeded"), (INVALID, "ChildRefused")])
def test_a_denial_names_the_child_the_words_and_the_cure(said: str, reason: str) -> None:
    found = denials.denial("Deployment iris", said)
    assert found.reason == reason
    assert found.message.startswith(f"Deployment iris is refused: {said}; ")


def test_words_of_any_length_fit_into_a_status() -> None:
    assert len(denials.denial("Deployment iris", "x" * 100_000).message) < 1300


def test_a_denied_child_stalls_a_rollout_moves_no_traffic_and_costs_the_revision_nothing(serving: World) -> None:
    serving.promote(2)
    serving.denied = denials.denial("Service iris", QUOTA)
    serving.run(3600, every=50)
    assert serving.condition("Stalled") == "True/QuotaExceeded"
    assert serving.condition("Available") == "True/Answering"
    assert serving.serves() == {"1": 100}
    serving.denied = None
    serving.run(3600, every=10)
    assert serving.condition("Ready") == "True/Serving"
    assert serving.serves() == {"2": 100}


def test_a_person_ends_a_rollout_whose_child_is_denied(serving: World) -> None:
    serving.promote(2)
    serving.run()
    serving.denied = denials.denial("Service iris", QUOTA)
    serving.annotate(abort=serving.target())
    serving.run()
    assert serving.status.refused and serving.status.refused.reason == "Aborted"


def test_pods_that_are_refused_are_told_and_cost_the_revision_nothing(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run()
    refuse_pods(serving, "pods is forbidden: maximum memory usage per Container is 1Gi")
    serving.run(3600, every=50)
    assert serving.condition("Stalled") == "True/PodsRefused"
    assert "maximum memory usage per Container is 1Gi" in serving.message("Stalled")
    del serving.objects["Deployment", f"iris-production-{serving.target()}"]["status"]
    serving.make_ready(serving.target())
    serving.healthy = True
    serving.run(3600, every=10)
    assert serving.serves() == {"2": 100}


def test_a_denial_is_remembered_for_its_generation_only(serving: World) -> None:
    serving.denied = denials.denial("Service iris", INVALID)
    serving.run()
    told = serving.status.conditions
    assert denials.remembered(told, 1) == serving.denied
    assert denials.remembered(told, 2) is None
    serving.denied = None
    serving.run()
    assert denials.remembered(serving.status.conditions, 1) is None


@pytest.mark.parametrize(("minutes", "seconds"), [(0, 5), (1, 30), (60, 60)])
def test_the_longer_it_has_been_denied_the_later_it_is_tried_again(minutes: int, seconds: int) -> None:
    stalled = Condition("Stalled", "True", "ChildRefused", "", START.isoformat())
    assert denials.again([stalled], START + timedelta(minutes=minutes)) == timedelta(seconds=seconds)
