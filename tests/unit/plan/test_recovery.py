"""A status that is lost at any moment of a roll-out is rebuilt from the cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlgitops.api import DeploymentStatus
from mlgitops.plan import labels
from worlds.rollout import World, deployment


def essence(status: DeploymentStatus) -> object:
    rollout = status.rollout and (status.rollout.step, status.rollout.weight, status.rollout.started_at)
    return status.active, status.target, rollout


@pytest.mark.parametrize("seconds", [0, 1, 60, 119, 120, 150, 179, 180, 181, 400, 3600])
@pytest.mark.parametrize("routed", [True, False])
def test_a_lost_status_changes_nothing_of_what_serves(seconds: int, routed: bool) -> None:
    world = World(deployment() if routed else deployment(route=None))
    world.run(10)
    world.promote(2)
    world.run(seconds, every=1 if seconds < 200 else 20)
    before, weights, sizes = essence(world.status), list(world.traffic), world.sizes()
    world.write(DeploymentStatus())
    world.reconcile()
    assert essence(world.status) == before
    assert world.traffic == weights
    assert world.sizes() == sizes
    world.run(300, every=5)
    assert world.condition("Ready") == "True/Serving"
    assert world.status.active and world.status.active.version == "2"


def test_a_step_that_waits_for_pods_is_not_skipped_when_the_status_is_lost() -> None:
    world = World()
    world.run(10)
    world.promote(2)
    world.run(60)
    world.healthy = False
    world.run(120)
    before = world.status.rollout
    assert before and (before.phase, before.step, before.weight) == ("Starting", 1, 10)
    world.write(DeploymentStatus())
    world.run(30)
    after = world.status.rollout
    assert after and (after.phase, after.step, after.weight) == ("Starting", 1, 10)
    assert world.serves() == {"1": 90, "2": 10}
    world.make_ready(world.target())
    world.run()
    assert world.serves() == {"1": 50, "2": 50}


@pytest.mark.parametrize("routed", [True, False])
def test_a_first_rollout_stays_one_when_the_status_is_lost(routed: bool) -> None:
    world = World(deployment() if routed else deployment(route=None), healthy=False)
    world.run(10)
    before = essence(world.status)
    world.write(DeploymentStatus())
    world.run(10)
    assert essence(world.status) == before
    assert world.status.active is None
    assert world.status.history == ()
    assert world.condition("Reconciling") == "True/Starting"
    world.make_ready(world.target())
    world.run()
    assert [entry.version for entry in world.status.history] == ["1"]
    assert world.condition("Ready") == "True/Serving"


def test_a_lost_status_still_knows_who_was_refused() -> None:
    world = World()
    world.run()
    world.healthy = False
    world.promote(2)
    world.run()
    world.crash(world.target())
    world.run(30)
    assert world.status.refused
    reason = world.status.refused.reason
    world.write(DeploymentStatus())
    world.healthy = True
    world.run(60)
    assert world.condition("Stalled") == "True/RolledBack"
    assert world.status.refused.reason == reason
    assert world.sizes() == {"1": 4}


def test_without_annotations_the_weights_say_what_serves() -> None:
    world = World()
    world.run()
    world.promote(2)
    world.run(130)
    route = world.objects["HTTPRoute", "iris-production"]
    route["metadata"]["annotations"] = {}
    world.write(DeploymentStatus())
    world.now = world.now.replace(hour=13)
    world.reconcile()
    assert world.status.active is not None
    assert world.status.active.version in {"1", "2"}
    world.run(400)
    assert world.serves() == {"2": 100}


def test_somebodys_nonsense_in_the_annotations_does_no_harm() -> None:
    world = World()
    world.run()
    notes = {labels.ACTIVE: "nobody", labels.TARGET: "../..", labels.STEP: "-1", labels.STARTED_AT: "yesterday"}
    world.objects["HTTPRoute", "iris-production"]["metadata"]["annotations"] = notes
    world.write(DeploymentStatus())
    world.run(30)
    assert world.serves() == {"1": 100}
    assert world.condition("Ready") == "True/Serving"


def test_a_step_that_no_longer_exists_counts_as_the_last() -> None:
    world = World()
    world.run()
    world.promote(2)
    world.run(130)
    spec = world.deployment.spec
    world.deployment = replace(world.deployment, spec=replace(spec, rollout=replace(spec.rollout, steps=())))
    world.run(30)
    assert world.serves() == {"2": 100}
