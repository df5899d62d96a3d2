from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mlgitops import plan
from mlgitops.api import ModelDeployment, conditions
from worlds.rollout import START, World


@pytest.fixture
def world() -> World:
    world = World()
    world.run()
    return world


def of_stage(world: World, *followers: ModelDeployment, known: bool = True) -> str:
    stage = world.git.stage("iris", "production")
    assert stage
    status = plan.stage_status(stage, followers, known=known, now=world.now)
    ready = conditions.find(status.conditions, "Ready")
    abnormal = [entry.type for entry in status.conditions if entry.type != "Ready"]
    assert ready
    return "/".join([ready.status, ready.reason, *abnormal])


def test_a_stage_that_nobody_follows_is_ready(world: World) -> None:
    assert of_stage(world) == "True/NoDeployments"


def test_a_stage_is_ready_only_when_every_follower_serves_its_version(world: World) -> None:
    ready = world.deployment
    assert of_stage(world, ready) == "True/Serving"
    world.promote(2)
    assert of_stage(world, ready) == "False/RollingOut/Reconciling", "it still serves the old version"
    world.run()
    assert of_stage(world, world.deployment) == "False/RollingOut/Reconciling"
    world.run(200)
    assert of_stage(world, world.deployment) == "True/Serving"
    assert of_stage(world, world.deployment, ready) == "False/RollingOut/Reconciling"


def test_a_follower_whose_newest_spec_was_not_looked_at_does_not_count_as_serving(world: World) -> None:
    newer = replace(world.deployment, metadata=replace(world.deployment.metadata, generation=2))
    assert of_stage(world, newer) == "False/RollingOut/Reconciling"


def test_a_stage_carries_why_its_version_failed(world: World) -> None:
    world.healthy = False
    world.promote(2)
    world.run()
    world.crash(world.target())
    world.run()
    assert of_stage(world, world.deployment) == "False/RolledBack/Stalled"


def test_an_old_failure_says_nothing_about_the_version_that_is_named_now(world: World) -> None:
    world.healthy = False
    world.promote(2)
    world.run()
    world.crash(world.target())
    world.run()
    world.promote(3)
    assert of_stage(world, world.deployment) == "False/RollingOut/Reconciling"


def test_a_stage_waits_for_its_version_and_is_stalled_then(world: World) -> None:
    stage = world.git.stage("iris", "production")
    assert stage
    said = []
    for seconds in (0, 9, 1, 60):
        world.now += timedelta(seconds=seconds)
        stage = replace(stage, status=plan.stage_status(stage, [world.deployment], known=False, now=world.now))
        said.append([entry.type for entry in stage.status.conditions if entry.reason == "MissingVersion"])
    assert said == [["Ready", "Reconciling"], ["Ready", "Reconciling"], ["Ready", "Stalled"], ["Ready", "Stalled"]]


def test_an_override_says_whether_it_is_in_force(world: World) -> None:
    world.git.add_override("3", ends=START + timedelta(hours=1))
    override = world.git.overrides["iris-production"]

    def reason(deployment: ModelDeployment | None) -> str:
        status = plan.override_status(override, deployment, world.now)
        found = conditions.find(status.conditions, "Ready")
        assert found
        return f"{found.status}/{found.reason}"

    assert reason(None) == "False/MissingDeployment"
    assert reason(world.deployment) == "False/RollingOut"
    world.run(5)
    assert reason(world.deployment) == "True/InForce"
    world.now += timedelta(hours=2)
    assert reason(world.deployment) == "False/Expired"
