"""What ``validate`` lets through becomes objects that the API server takes: the verdict comes before the merge."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from cluster.stand import install_gateway_api
from mlgitops import api, kube, plan
from mlgitops.api.unsupported import unsupported
from mlgitops.kube import Raw
from mlgitops.local.cluster import Cluster
from mlgitops.registry import children, resources, schema
from worlds.objects import made
from worlds.rollout import World, deployment

SPEC: Mapping[str, Any] = schema.strict("ModelDeployment")["properties"]["spec"]["properties"]
PODS: Mapping[str, Any] = SPEC["pods"]["properties"]
BESIDE = ("autoscaling", "network", "resources", "route")
# The kinds that a field can spoil; the others are the same for every deployment.
SPOILT = ("Deployment", "HorizontalPodAutoscaler", "HTTPRoute", "NetworkPolicy")


def with_field(name: str, value: Any) -> dict[str, Any]:
    """Return a sound deployment as in git, with one field of its pods or beside them."""
    raw = api.dump(deployment())
    metadata = {"name": raw["metadata"]["name"]}
    if name in BESIDE:
        return {**raw, "metadata": metadata, "spec": {**raw["spec"], name: value}}
    pods = {name: value}
    if name == "volumeMounts":
        pods["volumes"] = [{"name": mounted, "emptyDir": {}} for mounted in {mount["name"] for mount in value}]
    return {**raw, "metadata": metadata, "spec": {**raw["spec"], "pods": pods}}


def is_valid(raw: dict[str, Any]) -> bool:
    """Tell whether ``validate`` lets a deployment through, what it names aside."""
    if schema.findings(raw) or list(children.impossible(raw["spec"])):
        return False
    found = api.parse(raw)
    assert isinstance(found, api.ModelDeployment)
    asked = found.spec.resources
    return not list(unsupported(found)) and not (asked and list(resources.impossible(asked)))


def becomes(raw: dict[str, Any], namespace: str) -> Iterator[Raw]:
    """Yield what the deployment becomes in a first roll-out."""
    found = api.parse(raw)
    assert isinstance(found, api.ModelDeployment)
    named = replace(found.metadata, namespace=namespace, uid="0f2b", generation=1)
    world = World(deployment=replace(found, metadata=named))
    inputs = world.inputs()
    status = plan.step(inputs, world.status, world.observed(), world.now)
    for child in plan.children(inputs, status, {}):
        if child["kind"] in SPOILT:
            metadata = {key: item for key, item in child["metadata"].items() if key != "ownerReferences"}
            yield copy.deepcopy({**child, "metadata": metadata})


@pytest.mark.parametrize("name", [*BESIDE, *sorted(PODS)])
def test_what_validate_lets_through_the_api_server_takes(api_server: Cluster, namespace: str, name: str) -> None:
    install_gateway_api(api_server)
    with asyncio.Runner() as runner:
        session = kube.Session(kube.login(api_server.kubeconfig))
        runner.run(session.__aenter__())

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(value=made(SPEC[name] if name in BESIDE else PODS[name]))
        def every(value: Any) -> None:
            raw = with_field(name, value)
            assume(is_valid(raw))
            for child in becomes(raw, namespace):
                runner.run(session.apply(child, field_manager="test", dry_run=True))

        try:
            every()
        finally:
            runner.run(session.__aexit__(None, None, None))
