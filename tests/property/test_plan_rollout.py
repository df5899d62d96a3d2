"""Whatever happens around a deployment, in whatever order, these hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlgitops import api
from mlgitops.api import DeploymentStatus
from mlgitops.plan.traffic import weights
from worlds.rollout import World

pytestmark = pytest.mark.slow

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("promote"), st.integers(1, 4)),
        st.tuples(st.just("wait"), st.integers(1, 400)),
        st.tuples(st.just("reject"), st.integers(1, 4)),
        st.tuples(st.just("scale"), st.integers(0, 4)),
        st.sampled_from(
            [
                ("sicken", 0),
                ("heal", 0),
                ("crash", 0),
                ("gateway-down", 0),
                ("gateway-up", 0),
                ("lose-status", 0),
                ("play", 0),
                ("reconcile", 0),
            ]
        ),
    ),
    max_size=14,
)


def happen(world: World, event: str, number: int) -> None:
    if event == "promote":
        world.promote(number)
    elif event == "wait":
        world.now += timedelta(seconds=number)
    elif event == "reject":
        world.git.set_lifecycle(str(number), "Rejected")
    elif event == "scale":
        world.deployment = replace(world.deployment, spec=replace(world.deployment.spec, replicas=number))
    elif event in ("sicken", "heal"):
        world.healthy = event == "heal"
    elif event == "crash" and world.status.target:
        world.crash(world.target())
    elif event in ("gateway-down", "gateway-up"):
        world.gateway = event == "gateway-up"
    elif event == "lose-status":
        world.write(DeploymentStatus())
    elif event == "play":
        world.play()


def check(world: World) -> None:
    status = world.status
    split = weights(status)
    assert not split or sum(split.values()) == 100
    running = {name.rpartition("-")[2] for kind, name in world.objects if kind == "Deployment"}
    assert set(split) <= running, "traffic goes to a revision that has no pods"
    assert len(status.retiring) <= 16
    present = [entry for entry in status.conditions if entry.type in ("Stalled", "Reconciling")]
    assert len(present) <= 1
    ready = api.conditions.find(status.conditions, "Ready")
    assert ready is not None
    assert (ready.status == "True") == (not present)
    assert not present or present[0].reason == ready.reason


@settings(deadline=None, max_examples=25)
@given(EVENTS)
def test_traffic_always_has_pods_and_conditions_never_contradict_each_other(events: list[tuple[str, int]]) -> None:
    world = World()
    world.run()
    for event, number in events:
        happen(world, event, number)
        world.reconcile()
        check(world)


@settings(deadline=None, max_examples=15)
@given(EVENTS)
def test_it_ends_at_what_git_says_once_everything_is_well(events: list[tuple[str, int]]) -> None:
    world = World()
    world.run()
    for event, number in events:
        happen(world, event, number)
        world.reconcile()
    world.healthy = world.gateway = True
    for number in "1234":
        world.git.set_lifecycle(number, "Active")
    # Whoever was refused is left and named again, which is a person's way to try it once more.
    happen(world, "scale", 4)
    wanted = world.git.stages["production"]
    world.promote(1 if wanted != "1" else 2)
    world.run(2)
    for revision in [pod["metadata"]["labels"]["mlgitops.dev/revision"] for pod in world.pods.values()]:
        world.make_ready(revision)
    world.run(1200, every=20)
    world.promote(wanted)
    world.run(1200, every=20)
    assert world.serves() == {wanted: 100}
    assert world.condition("Ready") == "True/Serving"
    world.run(1200, every=60)
    assert world.sizes() == {wanted: 4}


@settings(deadline=None, max_examples=15)
@given(EVENTS)
def test_deciding_again_without_any_change_around_it_comes_to_rest(events: list[tuple[str, int]]) -> None:
    world = World()
    for event, number in events:
        happen(world, event, number)
        for _ in range(4):
            before = world.status
            world.write(world.decide())
        assert world.status == before, "four decisions on one state of the world still change something"
        world.apply()


@settings(deadline=None, max_examples=15)
@given(EVENTS)
@example([("scale", 0), ("promote", 2)])
@example([("promote", 2), ("play", 0), ("scale", 0)])
def test_whatever_happened_the_operator_and_the_cluster_settle_on_each_other(events: list[tuple[str, int]]) -> None:
    world = World()
    world.run()
    for event, number in events:
        happen(world, event, number)
        world.reconcile()
    world.run(1800, every=60)  # raises when writes and their effects chase each other
