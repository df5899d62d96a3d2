"""Autoscaling: who says how many pods there are, and how many a canary needs while load decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlgitops import plan
from mlgitops.api.deployment import RolloutSpec
from mlgitops.api.meta import Reference
from mlgitops.api.scaling import (
    Autoscaling,
    ExternalMetric,
    PodsMetric,
    ResourceMetric,
    ScalingBehavior,
    ScalingMetric,
    ScalingRules,
    Trigger,
)
from mlgitops.plan import scaling
from worlds.rollout import STEPS, World, deployment

TO_TEN = Autoscaling(10, min_replicas=2)


def scaled(world: World, number: int) -> None:
    """Play the autoscaler: what serves gets this many pods."""
    world.objects["Deployment", f"iris-production-{world.target()}"]["spec"]["replicas"] = number


def floor(world: World, revision: str) -> int:
    return int(world.objects["HorizontalPodAutoscaler", f"iris-production-{revision}"]["spec"]["minReplicas"])


@pytest.fixture
def world() -> World:
    """Version 1 serves with eight pods, because an autoscaler said so."""
    world = World(deployment(autoscaling=TO_TEN))
    world.run(3600, every=600)
    scaled(world, 8)
    world.run(60)
    return world


def test_the_operator_does_not_say_how_many_pods_an_autoscaled_revision_has(world: World) -> None:
    wanted = plan.children(world.inputs(), world.status, world.observed().revisions)
    (made,) = (raw for raw in wanted if raw["kind"] == "Deployment")
    assert "replicas" not in made["spec"]
    (hpa,) = (raw for raw in wanted if raw["kind"] == "HorizontalPodAutoscaler")
    assert hpa["spec"]["scaleTargetRef"]["name"] == made["metadata"]["name"]
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (2, 10)


def test_a_canary_needs_its_share_of_the_pods_that_serve(world: World) -> None:
    old = world.target()
    world.promote(2)
    world.run(10)
    assert (floor(world, world.target()), floor(world, old)) == (1, 8)
    world.run(130)
    assert world.status.rollout is not None
    assert (world.status.rollout.step, world.status.rollout.stable_replicas) == (1, 8)
    assert (floor(world, world.target()), floor(world, old)) == (4, 8)


def test_what_grows_during_a_rollout_counts_from_the_next_step_on(world: World) -> None:
    old = world.target()
    world.promote(2)
    world.run(10)
    world.objects["Deployment", f"iris-production-{old}"]["spec"]["replicas"] = 10
    world.run(130)
    assert (floor(world, world.target()), floor(world, old)) == (5, 10)


def test_the_previous_revision_keeps_its_pods_and_loses_its_autoscaler(world: World) -> None:
    old = world.target()
    world.promote(2)
    world.run(400, every=20)
    assert world.status.active is not None
    assert world.status.active.version == "2"
    assert [kept.replicas for kept in world.status.retiring] == [8]
    assert world.objects["Deployment", f"iris-production-{old}"]["spec"]["replicas"] == 8
    assert ("HorizontalPodAutoscaler", f"iris-production-{old}") not in world.objects
    assert floor(world, world.target()) == 2


def test_going_back_to_what_has_all_its_pods_needs_no_canary(world: World) -> None:
    world.promote(2)
    world.run(400, every=20)
    world.traffic.clear()
    world.promote(1)
    world.run(60)
    assert world.serves() == {"1": 100}
    assert len(world.traffic) <= 2


def test_a_lost_status_is_rebuilt_with_the_pods_that_serve(world: World) -> None:
    world.promote(2)
    world.run(10)
    world.deployment = replace(world.deployment, status=type(world.status)())
    world.run(5)
    assert world.status.rollout is not None
    assert world.status.rollout.stable_replicas == 8


def test_without_autoscaling_the_operator_says_it_again(world: World) -> None:
    world.deployment = replace(world.deployment, spec=replace(world.deployment.spec, autoscaling=None))
    world.run(10)
    assert world.objects["Deployment", f"iris-production-{world.target()}"]["spec"]["replicas"] == 4
    assert [name for kind, name in world.objects if kind == "HorizontalPodAutoscaler"] == []


def test_another_engine_takes_the_place_of_the_first(world: World) -> None:
    changed = replace(world.deployment.spec, autoscaling=replace(TO_TEN, engine="KEDA"))
    world.deployment = replace(world.deployment, spec=changed)
    world.run(10)
    kinds = {kind for kind, _ in world.objects}
    assert "ScaledObject" in kinds
    assert "HorizontalPodAutoscaler" not in kinds


def test_an_autoscaled_deployment_keeps_its_revision(world: World) -> None:
    before = plan.render(world.inputs()).name
    world.deployment = replace(world.deployment, spec=replace(world.deployment.spec, autoscaling=None))
    assert plan.render(world.inputs()).name == before


def test_without_autoscaling_no_status_says_how_many_serve() -> None:
    world = World(deployment(rollout=RolloutSpec(steps=STEPS)))
    world.run(3600, every=600)
    world.promote(2)
    world.run(10)
    assert world.status.rollout is not None
    assert world.status.rollout.stable_replicas is None


def test_what_a_cluster_does_not_serve_is_told_and_the_rest_goes_on() -> None:
    world = World(deployment(autoscaling=replace(TO_TEN, engine="KEDA")))
    world.absent = ("ScaledObject",)
    world.run(60)
    assert world.condition("Stalled") == "True/MissingApi"
    assert "install KEDA" in world.message("Stalled")
    assert world.condition("Available") == "True/Answering"
    world.absent = ()
    world.run(10)
    assert world.condition("Ready") == "True/Serving"


CPU: dict[str, Any] = {"container": "server", "name": "cpu"}


@pytest.mark.parametrize(
    ("metric", "rendered"),
    [
        (
            ScalingMetric(resource=ResourceMetric("cpu", average_utilization=70)),
            {
                "type": "ContainerResource",
                "containerResource": {**CPU, "target": {"type": "Utilization", "averageUtilization": 70}},
            },
        ),
        (
            ScalingMetric(pods=PodsMetric("in_flight", "10")),
            {
                "type": "Pods",
                "pods": {"metric": {"name": "in_flight"}, "target": {"type": "AverageValue", "averageValue": "10"}},
            },
        ),
        (
            ScalingMetric(external=ExternalMetric("queue", {"queue": "iris"}, value=30)),
            {
                "type": "External",
                "external": {
                    "metric": {"name": "queue", "selector": {"matchLabels": {"queue": "iris"}}},
                    "target": {"type": "Value", "value": 30},
                },
            },
        ),
    ],
)
def test_a_metric_is_written_as_kubernetes_writes_it(metric: ScalingMetric, rendered: dict[str, Any]) -> None:
    assert scaling.spec(replace(TO_TEN, metrics=(metric,)), "x", 2, "server")["metrics"] == [rendered]


def test_without_metrics_the_use_of_cpu_decides() -> None:
    (metric,) = scaling.spec(TO_TEN, "x", 2, "server")["metrics"]
    assert metric["containerResource"]["target"] == {"type": "Utilization", "averageUtilization": 80}


def test_keda_gets_its_triggers_and_the_pace() -> None:
    made = scaling.spec(
        Autoscaling(
            10,
            engine="KEDA",
            metrics=(ScalingMetric(resource=ResourceMetric("memory", average_value="1Gi")),),
            triggers=(Trigger("cron", {"timezone": "UTC"}, authentication_ref=Reference("a")),),
            behavior=ScalingBehavior(scale_down=ScalingRules(600)),
        ),
        "x",
        3,
        "server",
    )
    assert made["minReplicaCount"] == 3
    assert made["triggers"] == [
        {"type": "memory", "metricType": "AverageValue", "metadata": {"value": "1Gi", "containerName": "server"}},
        {"type": "cron", "metadata": {"timezone": "UTC"}, "authenticationRef": {"name": "a"}},
    ]
    pace = made["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert pace == {"scaleDown": {"stabilizationWindowSeconds": 600}}
