"""What stands beside the pods, how the route is dressed, Rolling, and what this release refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlgitops import plan
from mlgitops.api.deployment import Engine, RolloutSpec
from mlgitops.api.pods import LabelSelector
from mlgitops.api.routing import ExtensionReference, GrpcRoute, ParentReference, Route, RouteFilter, Timeouts
from mlgitops.api.surroundings import AddressBlock, EgressRule, Monitoring, Network, Peer, PortRange
from mlgitops.plan import traffic
from worlds.rollout import World, deployment, runtime

INFRA = Peer(namespace_selector=LabelSelector({"kubernetes.io/metadata.name": "infra"}))
STORE = EgressRule((Peer(ip_block=AddressBlock("10.0.0.0/8", ("10.1.0.0/16",))),), (PortRange(443),))


def able(*capabilities: Any) -> Any:
    plain = runtime()
    return replace(plain, spec=replace(plain.spec, capabilities=capabilities))


def with_spec(world: World, **spec: Any) -> None:
    world.deployment = replace(world.deployment, spec=replace(world.deployment.spec, **spec))


def watched(**spec: Any) -> World:
    world = World(deployment(**spec))
    world.git.servers = [able("Metrics")]
    return world


def test_a_network_lets_in_who_is_named_and_out_to_dns_and_what_is_named() -> None:
    world = World(deployment(network=Network(ingress=(INFRA,), egress=(STORE,))))
    world.run()
    assert world.objects["NetworkPolicy", "iris-production"]["spec"] == {
        "podSelector": {"matchLabels": {"mlgitops.dev/deployment": "iris-production"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "infra"}}}],
                "ports": [{"port": "http", "protocol": "TCP"}],
            },
            {"ports": [{"port": "metrics", "protocol": "TCP"}]},
        ],
        "egress": [
            {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {
                "to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
                "ports": [{"port": 443}],
            },
        ],
    }


def test_a_service_monitor_finds_the_services_of_revisions_by_their_port() -> None:
    world = watched(monitoring=Monitoring(service_monitor=True, interval="30s", labels={"release": "prometheus"}))
    world.run()
    made = world.objects["ServiceMonitor", "iris-production"]
    assert made["metadata"]["labels"]["release"] == "prometheus"
    assert made["spec"]["endpoints"] == [{"port": "metrics", "path": "/metrics", "interval": "30s"}]
    ports = world.objects["Service", f"iris-production-{world.target()}"]["spec"]["ports"]
    assert [port["name"] for port in ports] == ["http", "metrics"]
    (stable,) = world.objects["Service", "iris-production"]["spec"]["ports"]
    assert stable["name"] == "http"


@pytest.mark.parametrize("kind", ["NetworkPolicy", "ServiceMonitor"])
def test_what_is_no_longer_asked_for_goes(kind: str) -> None:
    world = watched(network=Network(), monitoring=Monitoring(service_monitor=True))
    world.run()
    assert (kind, "iris-production") in world.objects
    with_spec(world, network=None, monitoring=None)
    world.run()
    assert (kind, "iris-production") not in world.objects


def test_none_of_it_is_a_new_revision() -> None:
    world = watched()
    before = plan.render(world.inputs()).name
    with_spec(world, network=Network(), monitoring=Monitoring(service_monitor=True))
    assert plan.render(world.inputs()).name == before


def test_timeouts_and_filters_hold_for_every_rule_of_the_route() -> None:
    limit = RouteFilter("ExtensionRef", extension_ref=ExtensionReference("example.com", "RateLimit", "iris"))
    route = Route((ParentReference("gateway"),), timeouts=Timeouts("10s", "5s"), filters=(limit,))
    world = World(deployment(route=route))
    world.run()
    rules = world.objects["HTTPRoute", "iris-production"]["spec"]["rules"]
    assert len(rules) == 2
    for rule in rules:
        assert rule["timeouts"] == {"request": "10s", "backendRequest": "5s"}
        assert [entry["type"] for entry in rule["filters"]] == ["URLRewrite", "ExtensionRef"]


def test_rolling_moves_traffic_pod_by_pod_without_pauses() -> None:
    world = World(deployment(rollout=RolloutSpec("Rolling")))
    world.run(3600, every=600)
    world.traffic.clear()
    world.promote(2)
    world.run(120, every=1)
    new = f"iris-production-{world.target()}"
    assert [split.get(new, 0) for split in world.traffic] == [0, 25, 50, 75, 100]


def test_rolling_has_at_most_ten_moves_and_none_for_a_single_pod() -> None:
    many = deployment(replicas=200, rollout=RolloutSpec("Rolling"))
    assert [step.weight for step in traffic.steps(many)] == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    one = deployment(replicas=1, rollout=RolloutSpec("Rolling"))
    assert traffic.steps(one) == ()


def test_a_field_that_this_release_does_not_act_on_stalls_and_keeps_what_serves() -> None:
    world = World()
    world.run(3600, every=600)
    before = dict(world.objects)
    with_spec(world, engine=Engine("KServe"))
    world.promote(2)
    world.run(60)
    assert world.condition("Stalled") == "True/NotSupported"
    assert world.message("Stalled").startswith("spec.engine.name: ")
    assert world.condition("Available") == "True/Answering"
    assert world.serves() == {"1": 100}
    assert world.objects.keys() == before.keys()
    with_spec(world, engine=Engine())
    world.run(600, every=5)
    assert world.serves() == {"2": 100}


def test_a_new_deployment_with_such_a_field_starts_nothing() -> None:
    world = World(deployment(route=Route((ParentReference("gateway"),), grpc=GrpcRoute())))
    world.run(10)
    assert world.condition("Stalled") == "True/NotSupported"
    assert world.objects == {}


def test_a_runtime_that_cannot_do_what_is_asked_is_named_with_what_it_lacks() -> None:
    world = World(deployment(monitoring=Monitoring(service_monitor=True)))
    world.run(60)
    assert world.condition("Stalled") == "True/NoRuntimeFits"
    assert "lacks the capability Metrics, which spec.monitoring.serviceMonitor asks for" in world.message("Stalled")
    world.git.servers.append(replace(able("Metrics"), metadata=replace(runtime().metadata, name="python-2")))
    world.run(60)
    assert world.condition("Ready") == "True/Serving"
