"""The table of situations of the design, a row a test: what goes well, and what people ask for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mlgitops.api.deployment import RolloutSpec, RolloutStep
from mlgitops.api.meta import Suspension
from mlgitops.plan import labels
from worlds.rollout import START, World, deployment

BEGINNING_OF_A_CANARY = 130.0


def test_a_first_rollout_has_no_canary_and_ends_ready(world: World) -> None:
    world.reconcile()
    assert world.condition("Reconciling") == "True/Starting"
    assert world.condition("Available") == "False/NothingReady"
    world.run()
    assert world.serves() == {"1": 100}
    assert world.condition("Ready") == "True/Serving"
    assert world.condition("Reconciling") == ""


def test_a_steady_deployment_decides_nothing_new_in_an_hour(serving: World) -> None:
    before = serving.status, dict(serving.objects)
    serving.run(3600, every=60)
    assert (serving.status, serving.objects) == before


def test_a_promotion_goes_through_each_step_and_its_pause(serving: World) -> None:
    serving.promote(2)
    serving.run(119)
    assert serving.serves() == {"1": 90, "2": 10}
    serving.run(1)
    assert serving.serves() == {"1": 50, "2": 50}
    assert serving.condition("Ready") == "False/Pausing"
    serving.run(60)
    assert serving.serves() == {"2": 100}
    assert serving.condition("Ready") == "True/Serving"
    assert serving.status.history[0].version == "2"


def test_a_new_version_takes_no_traffic_before_enough_of_its_pods_are_ready(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run(60)
    assert serving.serves() == {"1": 100}
    assert serving.sizes() == {"1": 4, "2": 1}
    serving.make_ready(serving.target())
    serving.run()
    assert serving.serves() == {"1": 90, "2": 10}
    serving.run(120)
    assert serving.sizes() == {"1": 4, "2": 2}
    assert serving.serves() == {"1": 90, "2": 10}, "one of two pods is not ready yet"


@pytest.mark.parametrize(("replicas", "weight", "size"), [(4, 10, 1), (4, 50, 2), (3, 50, 2), (10, 11, 2), (1, 1, 1)])
def test_a_canary_has_its_share_of_pods_rounded_up(replicas: int, weight: int, size: int) -> None:
    world = World(deployment(replicas=replicas, rollout=RolloutSpec(steps=(RolloutStep(weight, "1h"),))))
    world.run()
    world.promote(2)
    world.run()
    assert world.sizes() == {"1": replicas, "2": size}


def test_the_route_changes_its_weights_before_any_pod_of_the_old_version_goes(serving: World) -> None:
    serving.gateway = False
    serving.promote(2)
    serving.run(600, every=10)
    assert serving.serves() == {"1": 90, "2": 10}, "the next step waits until a gateway has taken this one"
    assert serving.condition("Reconciling") == "True/Shifting"
    serving.gateway = True
    serving.run(200)
    assert serving.serves() == {"2": 100}
    assert serving.sizes() == {"1": 4, "2": 4}


def test_the_previous_version_stays_warm_at_full_size_for_keep_previous(serving: World) -> None:
    serving.promote(2)
    serving.run(180)
    serving.run(899, every=31)
    assert serving.sizes() == {"1": 4, "2": 4}
    serving.run(60)
    assert serving.sizes() == {"2": 4}


def test_a_newer_merge_during_a_rollout_starts_from_its_first_step_and_the_one_between_goes(serving: World) -> None:
    serving.promote(2)
    serving.run(BEGINNING_OF_A_CANARY)
    assert serving.serves() == {"1": 50, "2": 50}
    serving.promote(3)
    serving.run()
    assert serving.serves() == {"1": 90, "3": 10}
    assert serving.sizes()["2"] == 2, "requests on their way still find its pods"
    serving.run(10)
    assert serving.sizes() == {"1": 4, "3": 1}


def test_a_merged_revert_returns_to_a_warm_version_at_once(serving: World) -> None:
    serving.promote(2)
    serving.run(300)
    assert serving.serves() == {"2": 100}
    serving.promote(1)
    serving.run()
    assert serving.serves() == {"1": 100}
    assert serving.condition("Ready") == "True/Serving"


def test_a_revert_to_a_version_that_is_no_longer_warm_is_a_canary(serving: World) -> None:
    serving.promote(2)
    serving.run(3600, every=60)
    serving.promote(1)
    serving.run()
    assert serving.serves() == {"2": 90, "1": 10}


def test_what_was_rolled_back_from_comes_again_by_canary_though_its_pods_are_warm(serving: World) -> None:
    serving.promote(2)
    serving.run(300)
    serving.promote(1)
    serving.run(30)
    assert serving.sizes() == {"1": 4, "2": 4}, "both are warm"
    serving.promote(2)
    serving.run()
    assert serving.serves() == {"1": 90, "2": 10}


def test_one_may_return_again_to_what_was_promoted_again(serving: World) -> None:
    for number in (2, 1, 2):
        serving.promote(number)
        serving.run(300)
    assert serving.serves() == {"2": 100}
    serving.promote(1)
    serving.run()
    assert serving.serves() == {"1": 100}


def test_a_revision_that_was_abandoned_is_tried_again_by_canary() -> None:
    alone = World(deployment(replicas=1))
    alone.run()
    alone.promote(2)
    alone.run(BEGINNING_OF_A_CANARY)
    alone.promote(1)
    alone.run()
    alone.promote(2)
    alone.run()
    assert alone.serves() == {"1": 90, "2": 10}


def test_a_revert_during_a_rollout_gives_all_traffic_back_at_once(serving: World) -> None:
    serving.promote(2)
    serving.run(BEGINNING_OF_A_CANARY)
    serving.promote(1)
    serving.run()
    assert serving.serves() == {"1": 100}
    assert serving.condition("Ready") == "True/Serving"
    serving.run(10)
    assert serving.sizes() == {"1": 4}


def test_a_suspended_deployment_changes_nothing_but_says_what_waits(serving: World) -> None:
    suspend = Suspension("audit", by="alice")
    serving.deployment = replace(serving.deployment, spec=replace(serving.deployment.spec, suspend=suspend))
    serving.run()
    assert serving.condition("Ready") == "True/Suspended"
    assert serving.condition("Stalled") == ""
    serving.promote(2)
    serving.run(600, every=60)
    assert serving.serves() == {"1": 100}
    assert serving.condition("Stalled") == "True/Suspended"


def test_a_suspension_ends_by_itself(serving: World) -> None:
    until = (serving.now + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    suspend = Suspension("audit", until=until)
    serving.deployment = replace(serving.deployment, spec=replace(serving.deployment.spec, suspend=suspend))
    serving.promote(2)
    serving.run(299, every=13)
    assert serving.serves() == {"1": 100}
    serving.run(2)
    assert serving.serves() == {"1": 90, "2": 10}


def test_an_override_serves_its_version_at_once_and_its_end_is_a_normal_rollout(serving: World) -> None:
    ends = serving.now + timedelta(hours=2)
    serving.git.add_override("3", ends=ends, made=serving.now)
    serving.run()
    assert serving.serves() == {"3": 100}
    assert serving.condition("Stalled") == "True/Overridden"
    assert serving.condition("Available") == "True/Answering"
    serving.run(7201, every=60)
    assert serving.serves() == {"3": 90, "1": 10}


def test_an_override_ends_after_the_operators_maximum_whatever_it_says(serving: World) -> None:
    serving.git.add_override("3", ends=START + timedelta(days=300), made=serving.now)
    serving.run(8 * 24 * 3600, every=3600)
    assert serving.serves() == {"1": 100}


def test_an_indefinite_pause_waits_for_a_person(world: World) -> None:
    world.deployment = deployment(rollout=RolloutSpec(steps=(RolloutStep(10, "Indefinite"),)))
    world.run()
    world.promote(2)
    world.run(7200, every=600)
    assert world.serves() == {"1": 90, "2": 10}
    world.annotate(advance=f"{world.target()}/0")
    world.run()
    assert world.serves() == {"2": 100}


def test_a_person_can_pause_a_rollout(serving: World) -> None:
    serving.promote(2)
    serving.run(BEGINNING_OF_A_CANARY)
    serving.annotate(pause=serving.target())
    serving.run(600, every=60)
    assert serving.serves() == {"1": 50, "2": 50}
    assert serving.condition("Reconciling") == "True/Paused"
    serving.annotate()
    serving.run()
    assert serving.serves() == {"2": 100}


def test_a_person_can_abort_a_rollout(serving: World) -> None:
    serving.promote(2)
    serving.run(BEGINNING_OF_A_CANARY)
    serving.annotate(abort=serving.target())
    serving.run()
    assert serving.serves() == {"1": 100}
    assert serving.status.refused and serving.status.refused.reason == "Aborted"


def test_a_command_for_another_revision_means_nothing(serving: World) -> None:
    serving.annotate(abort="0000000000", pause="0000000000", advance="0000000000/0", retry="0000000000")
    serving.promote(2)
    serving.run(180)
    assert serving.serves() == {"2": 100}


def test_blue_green_moves_all_traffic_when_all_new_pods_are_ready(world: World) -> None:
    world.deployment = deployment(rollout=RolloutSpec(strategy="BlueGreen"))
    world.run()
    world.promote(2)
    world.run()
    assert world.traffic[-1] == {f"iris-production-{world.target()}": 100}
    assert len(world.traffic) == 2


def test_without_a_route_the_service_leads_to_the_version_that_serves(world: World) -> None:
    world.deployment = deployment(route=None)
    world.run()
    assert world.condition("Ready") == "True/Serving"
    world.promote(2)
    world.run(30)
    selector = world.objects["Service", "iris-production"]["spec"]["selector"]
    assert labels.REVISION not in selector, "while both share, the Service leads to all pods"
    world.run(300)
    selector = world.objects["Service", "iris-production"]["spec"]["selector"]
    assert selector[labels.REVISION] == world.target()
    assert world.status.url == "http://iris-production.shop.svc"


def test_history_keeps_the_five_newest(serving: World) -> None:
    for number in (2, 3, 4, 1, 2, 3):
        serving.promote(number)
        serving.run(400, every=20)
    assert [entry.version for entry in serving.status.history] == ["3", "2", "1", "4", "3"]


def test_a_deployment_scaled_to_nothing_is_promoted_all_the_same(serving: World) -> None:
    serving.deployment = replace(serving.deployment, spec=replace(serving.deployment.spec, replicas=0))
    serving.promote(2)
    serving.run(1800, every=30)
    assert serving.serves() == {"2": 100}
    assert serving.sizes() == {"2": 0}
