"""Routes attach to our Gateways as the Gateway API says, and their status says why not."""

from __future__ import annotations

from typing import Any

import pytest

from mlgitops.local.bootstrap import CONTROLLER
from mlgitops.local.gateway import attachment, statuses

SERVICES = {("shop", "iris"): {"spec": {"ports": [{"port": 80}]}}}


def gateway(**listener: Any) -> dict[str, Any]:
    allowed = {"namespaces": {"from": "All"}}
    one = {"name": "http", "protocol": "HTTP", "port": 8080, "allowedRoutes": allowed} | listener
    return {
        "metadata": {"namespace": "infra", "name": "gateway", "generation": 1},
        "spec": {"gatewayClassName": "ours", "listeners": [one]},
    }


def route(reference: dict[str, Any] | None = None, rule: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    parent = {"name": "gateway", "namespace": "infra"} | (reference or {})
    rules = [{"backendRefs": [{"name": "iris", "port": 80}]} | (rule or {})]
    return {
        "metadata": {"namespace": "shop", "name": "iris", "generation": 7},
        "spec": {"parentRefs": [parent], "rules": rules} | spec,
    }


def judged(route_: dict[str, Any], gateway_: dict[str, Any]) -> str:
    return attachment.accepted(route_, route_["spec"]["parentRefs"][0], gateway_).reason


def test_a_route_of_any_namespace_attaches_where_all_are_allowed() -> None:
    assert judged(route(), gateway()) == "Accepted"


def test_without_a_word_only_the_gateway_s_own_namespace_is_allowed() -> None:
    assert judged(route(), gateway(allowedRoutes={})) == "NotAllowedByListeners"


@pytest.mark.parametrize("reference", [{"sectionName": "https"}, {"port": 443}])
def test_a_reference_to_a_listener_that_is_not_there_is_refused(reference: dict[str, Any]) -> None:
    assert judged(route(reference), gateway()) == "NoMatchingParent"


@pytest.mark.parametrize(
    ("listener", "hostnames", "reason"),
    [
        ("*.example.com", ["iris.example.com"], "Accepted"),
        ("*.example.com", ["iris.example.org"], "NoMatchingListenerHostname"),
        ("iris.example.com", ["*.example.com"], "Accepted"),
        ("*.example.com", [], "Accepted"),
    ],
)
def test_hostnames_of_listener_and_route_must_meet(listener: str, hostnames: list[str], reason: str) -> None:
    assert judged(route(hostnames=hostnames), gateway(hostname=listener)) == reason


@pytest.mark.parametrize(
    "rule",
    [
        {"filters": [{"type": "RequestMirror"}]},
        {"backendRefs": [{"name": "iris", "port": 80, "filters": [{"type": "URLRewrite"}]}]},
        {"matches": [{"path": {"type": "RegularExpression", "value": "("}}]},
    ],
    ids=["unknown filter", "filter of a backend", "broken pattern"],
)
def test_what_is_not_implemented_is_refused_rather_than_ignored(rule: dict[str, Any]) -> None:
    assert judged(route(rule=rule), gateway()) == "UnsupportedValue"


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        ({"name": "iris", "port": 80}, "ResolvedRefs"),
        ({"name": "rose", "port": 80}, "BackendNotFound"),
        ({"name": "iris", "port": 81}, "BackendNotFound"),
        ({"name": "iris", "port": 80, "namespace": "other"}, "RefNotPermitted"),
        ({"name": "iris", "port": 80, "kind": "Bucket", "group": "store.io"}, "InvalidKind"),
    ],
)
def test_every_backend_must_be_a_port_of_a_service_of_the_namespace(backend: dict[str, Any], reason: str) -> None:
    assert attachment.resolved(route(rule={"backendRefs": [backend]}), SERVICES).reason == reason


def test_only_gateways_of_our_class_are_ours() -> None:
    classes = {
        ("", "ours"): {"spec": {"controllerName": CONTROLLER}},
        ("", "theirs"): {"spec": {"controllerName": "example.com/theirs"}},
    }
    other = gateway() | {"spec": {"gatewayClassName": "theirs", "listeners": []}}
    gateways = {("infra", "gateway"): gateway(), ("infra", "other"): other}
    assert list(attachment.our_gateways(gateways, classes)) == [("infra", "gateway")]


def test_a_route_s_status_carries_its_generation_and_keeps_times_while_nothing_changes() -> None:
    one = route()
    gateways = {("infra", "gateway"): gateway()}
    one["status"] = {"parents": statuses.route_parents(one, gateways, SERVICES, "then")}
    one["metadata"]["generation"] = 8
    (parent,) = statuses.route_parents(one, gateways, SERVICES, "now")
    assert [(c["type"], c["status"], c["observedGeneration"]) for c in parent["conditions"]] == [
        ("Accepted", "True", 8),
        ("ResolvedRefs", "True", 8),
    ]
    assert {c["lastTransitionTime"] for c in parent["conditions"]} == {"then"}
    (broken,) = statuses.route_parents(one, gateways, {}, "now")
    assert [c["lastTransitionTime"] for c in broken["conditions"]] == ["then", "now"]


def test_what_other_controllers_wrote_into_a_route_s_status_stays() -> None:
    one = route()
    theirs = {"parentRef": {"name": "x"}, "controllerName": "example.com/theirs", "conditions": []}
    one["status"] = {"parents": [theirs]}
    assert statuses.route_parents(one, {("infra", "gateway"): gateway()}, SERVICES, "now")[0] == theirs


def test_a_reference_to_a_gateway_that_is_not_ours_gets_no_status_from_us() -> None:
    assert statuses.route_parents(route({"name": "unknown"}), {("infra", "gateway"): gateway()}, SERVICES, "now") == []


def test_a_gateway_counts_the_routes_of_each_listener() -> None:
    status = statuses.gateway_status(gateway(), {"http": 2, None: 1}, "127.64.0.1", "now")
    assert status["listeners"][0]["attachedRoutes"] == 3
    assert status["addresses"] == [{"type": "IPAddress", "value": "127.64.0.1"}]


def test_a_listener_of_another_protocol_is_not_accepted() -> None:
    status = statuses.gateway_status(gateway(protocol="HTTPS"), {}, "127.64.0.1", "now")
    conditions = {one["type"]: one["status"] for one in status["listeners"][0]["conditions"]}
    assert conditions["Accepted"] == "False"
