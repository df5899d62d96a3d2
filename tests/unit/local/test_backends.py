"""Behind a Service stand its ready pods, and only those."""

from __future__ import annotations

from typing import Any

import pytest

from mlgitops.local.gateway.backends import Target, targets

SERVICE = {"spec": {"selector": {"app": "iris"}, "ports": [{"port": 80, "targetPort": "http"}]}}


def pod(**changes: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "iris", "more": "labels"}} | changes.get("metadata", {}),
        "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]} | changes.get("spec", {}),
        "status": {"podIP": "127.64.128.1", "conditions": [{"type": "Ready", "status": "True"}]}
        | changes.get("status", {}),
    }


def test_a_ready_pod_is_found_by_its_own_address_and_its_named_port() -> None:
    assert targets(SERVICE, 80, [pod()]) == (Target("127.64.128.1", 8080),)


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {"metadata": {"labels": {"app": "other"}}},
        {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
        {"status": {"conditions": []}},
        {"status": {"podIP": ""}},
        {"spec": {"containers": [{"ports": [{"name": "metrics", "containerPort": 8081}]}]}},
    ],
    ids=["terminating", "other labels", "not ready", "no conditions", "no address", "no such port"],
)
def test_a_pod_that_cannot_take_requests_is_left_out(change: dict[str, Any]) -> None:
    assert targets(SERVICE, 80, [pod(**change)]) == ()


def test_a_numeric_target_port_needs_no_container_port() -> None:
    service = {"spec": {"selector": {"app": "iris"}, "ports": [{"port": 80, "targetPort": 9000}]}}
    assert targets(service, 80, [pod(spec={"containers": [{}]})]) == (Target("127.64.128.1", 9000),)


def test_without_a_target_port_the_service_s_own_is_meant() -> None:
    service = {"spec": {"selector": {"app": "iris"}, "ports": [{"port": 80}]}}
    assert targets(service, 80, [pod()]) == (Target("127.64.128.1", 80),)


def test_a_port_that_the_service_does_not_have_leads_nowhere() -> None:
    assert targets(SERVICE, 81, [pod()]) == ()


def test_a_service_without_a_selector_leads_nowhere() -> None:
    assert targets({"spec": {"ports": [{"port": 80}]}}, 80, [pod()]) == ()
