"""A container's environment is what Kubernetes would make of its spec."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from mlgitops.errors import InputError, NotFoundError
from mlgitops.kube import NotFound
from mlgitops.local.node.variables import capacity, expand, field_of, quantity, resource_of, texts, variables

POD: dict[str, Any] = {
    "metadata": {
        "name": "web-1",
        "namespace": "shop",
        "uid": "u-1",
        "labels": {"app": "web", "tier": "front"},
        "annotations": {"example.com/note": "hello"},
    },
    "spec": {
        "nodeName": "local",
        "serviceAccountName": "reader",
        "containers": [
            {"name": "main", "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}},
            {"name": "other", "resources": {"limits": {"cpu": "1500m"}}},
        ],
    },
    "status": {"hostIP": "127.0.0.1", "podIP": "127.64.1.9", "podIPs": [{"ip": "127.64.1.9"}]},
}
STORED = {("ConfigMap", "settings"): {"mode": "fast", "depth": "3"}, ("Secret", "login"): {"password": "open sesame"}}


async def read(kind: str, name: str) -> Mapping[str, str]:
    if (kind, name) not in STORED:
        raise NotFound(f"{kind} {name}", "not found", status=404, reason="NotFound")
    return STORED[kind, name]


def environment(given: Mapping[str, str] | None = None, **container: Any) -> dict[str, str]:
    return asyncio.run(variables(POD, {"name": "main", **container}, given or {}, read))


def reference(kind: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {kind: {"name": name, "key": key, **more}}}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)-$(B)", "1-2"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A.B-C_D)", "dotted"),
        ("$(A", "$(A"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2", "A.B-C_D": "dotted"}) == expanded


def test_a_variable_sees_those_before_it_and_not_those_after() -> None:
    env = [
        {"name": "EARLY", "value": "$(LATE)"},
        {"name": "LATE", "value": "1"},
        {"name": "SUM", "value": "$(LATE)+$(GIVEN)"},
    ]
    found = environment({"GIVEN": "2"}, env=env)
    assert (found["EARLY"], found["SUM"]) == ("$(LATE)", "1+2")


def test_a_containers_own_variables_win_over_whole_maps_and_those_over_what_the_node_gives() -> None:
    found = environment(
        {"mode": "given", "depth": "given", "kept": "given"},
        envFrom=[{"configMapRef": {"name": "settings"}}],
        env=[{"name": "depth", "value": "own"}],
    )
    assert found == {"mode": "fast", "depth": "own", "kept": "given"}


def test_a_prefix_stands_before_every_key_of_a_whole_secret() -> None:
    assert environment(envFrom=[{"prefix": "DB_", "secretRef": {"name": "login"}}]) == {"DB_password": "open sesame"}


def test_a_single_key_is_read_from_a_config_map_or_secret() -> None:
    assert environment(env=[reference("configMapKeyRef", "settings", "mode")]) == {"X": "fast"}
    assert environment(env=[reference("secretKeyRef", "login", "password")]) == {"X": "open sesame"}


def test_what_is_optional_and_missing_is_left_out() -> None:
    entries = [
        reference("configMapKeyRef", "nowhere", "mode", optional=True),
        reference("configMapKeyRef", "settings", "nothing", optional=True),
    ]
    assert environment(env=entries, envFrom=[{"secretRef": {"name": "nowhere", "optional": True}}]) == {}


def test_a_missing_key_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"ConfigMap settings has no key 'speed'; it has: mode, depth"):
        environment(env=[reference("configMapKeyRef", "settings", "speed")])


@pytest.mark.parametrize(
    "container",
    [{"envFrom": [{"configMapRef": {"name": "nowhere"}}]}, {"env": [reference("secretKeyRef", "nowhere", "x")]}],
)
def test_a_missing_map_is_an_error(container: dict[str, Any]) -> None:
    with pytest.raises(NotFound):
        environment(**container)


def test_a_source_that_the_node_does_not_know_is_named() -> None:
    with pytest.raises(InputError, match=r"variable X .* fileKeyRef"):
        environment(env=[{"name": "X", "valueFrom": {"fileKeyRef": {}}}])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web-1"),
        ("metadata.namespace", "shop"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['tier']", "front"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['example.com/note']", "hello"),
        ("metadata.labels", 'app="web"\ntier="front"'),
        ("spec.nodeName", "local"),
        ("spec.serviceAccountName", "reader"),
        ("status.podIP", "127.64.1.9"),
        ("status.podIPs", "127.64.1.9"),
        ("status.hostIP", "127.0.0.1"),
    ],
)
def test_fields_are_those_of_the_downward_api(path: str, value: str) -> None:
    assert field_of(POD, path) == value


def test_an_unknown_field_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no field 'spec\.hostname'; it has: metadata\.name"):
        field_of(POD, "spec.hostname")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", "0.25"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("2k", "2000"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("3E", "3000000000000000000"),
        ("1n", "0.000000001"),
        ("-1", "-1"),
    ],
)
def test_quantities_are_numbers(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "lots", "1 Gi", "1gi", "1K", "--1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ({"resource": "limits.memory", "divisor": "1Mi"}, "1024"),
        ({"resource": "limits.memory"}, "1073741824"),
        ({"resource": "requests.cpu"}, "1"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "250"),
        ({"resource": "requests.memory"}, "0"),
        ({"resource": "limits.cpu", "containerName": "other"}, "2"),
        ({"resource": "limits.memory", "divisor": "0"}, "1073741824"),
    ],
)
def test_resources_are_counted_in_the_divisor_and_rounded_up(wanted: dict[str, str], value: str) -> None:
    assert resource_of(POD, POD["spec"]["containers"][0], wanted) == value


def test_without_a_limit_all_of_the_machine_is_the_limit() -> None:
    assert resource_of(POD, POD["spec"]["containers"][0], {"resource": "limits.cpu"}) == capacity()["cpu"]


def test_secrets_are_decoded_and_config_maps_are_not() -> None:
    assert texts({"kind": "Secret", "data": {"a": "b3Blbg=="}}) == {"a": "open"}
    assert texts({"kind": "ConfigMap", "data": {"a": "b3Blbg=="}}) == {"a": "b3Blbg=="}
    assert texts({"kind": "ConfigMap"}) == {}
