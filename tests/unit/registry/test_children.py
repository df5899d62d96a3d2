from __future__ import annotations

from typing import Any

import pytest

from mlgitops import registry
from mlgitops.registry.children import impossible

Files = dict[str, bytes]
DEPLOYMENT = "registry/deployments/prod/iris.yaml"


def block(cidr: str, *left_out: str) -> dict[str, Any]:
    return {"network": {"ingress": [{"ipBlock": {"cidr": cidr, "except": list(left_out)}}]}}


def gateways(*parents: dict[str, str]) -> dict[str, Any]:
    return {"route": {"parentRefs": list(parents)}}


def metric(kind: str, **content: Any) -> dict[str, Any]:
    return {"autoscaling": {"metrics": [{kind: content}]}}


@pytest.mark.parametrize(
    ("spec", "field", "expected"),
    [
        (
            block("10.0.0.0/8", "11.0.0.0/16"),
            "ipBlock.except.0",
            "11.0.0.0/16 must be a block of addresses within 10.0.0.0/8",
        ),
        (gateways({"name": "a"}, {"name": "a"}), "parentRefs.1", "names a Gateway again"),
        (gateways({"name": "a", "sectionName": "x"}, {"name": "a"}), "parentRefs.1", "its own sectionName"),
        (
            gateways({"name": "a", "sectionName": "x"}, {"name": "a", "sectionName": "x"}),
            "parentRefs.1",
            "or remove one",
        ),
        (block("10.0.0.0/8", "10.0.0.0/8"), "ipBlock.except.0", "and smaller"),
        (block("10.0.0.0/8", "2001:db8::/32"), "ipBlock.except.0", "a block of addresses within"),
        (block("::::/64"), "ipBlock.cidr", "is no block of addresses"),
        (block("10.1.0.0/8"), "ipBlock.cidr", "with nothing after its prefix"),
        (block("10.0.0.0/8", "10.1.1.1/16"), "ipBlock.except.0", "must be a block of addresses within"),
        (metric("pods", metric="queued", averageValue="0"), "pods.averageValue", "must be more than 0"),
        (metric("resource", name="cpu", averageValue="0m"), "resource.averageValue", "must be more than 0"),
        (metric("external", metric="a/b", value=1), "external.metric", "a name without a slash"),
        (metric("external", metric="a", matchLabels={"a b": "c"}, value=1), "matchLabels.a b", "no name of a label"),
        ({"pods": {"nodeSelector": {"a..b/c": "d"}}}, "nodeSelector.a..b/c", "no name of a label"),
        (
            {"pods": {"affinity": {"podAffinity": [{"matchLabels": {"-a": "b"}}]}}},
            "matchLabels.-a",
            "no name of a label",
        ),
    ],
)
def test_what_a_child_would_be_refused_for_is_told(spec: dict[str, Any], field: str, expected: str) -> None:
    ((path, message),) = impossible(spec)
    assert ".".join(map(str, path)).endswith(field)
    assert expected in message


@pytest.mark.parametrize(
    "spec",
    [
        block("10.0.0.0/8", "10.1.0.0/16", "10.2.3.4/32"),
        block("2001:db8::/32", "2001:db8:1::/48"),
        gateways({"name": "a"}, {"name": "a", "namespace": "b"}, {"name": "b"}),
        gateways({"name": "a", "sectionName": "x"}, {"name": "a", "sectionName": "z"}),
        metric("pods", metric="http_requests:rate5m", averageValue="1m"),
        metric("resource", name="cpu", averageUtilization=80, averageValue=None),
        {"autoscaling": {"triggers": [{"metadata": {"metric": "a", "value": "0"}}]}},
        {"pods": {"env": [{"name": "A", "value": ""}], "labels": {"example.com/team": "x"}}},
        {"pods": {"topologySpreadConstraints": [{"labelSelector": {"matchLabels": {"app": "iris"}}}]}},
    ],
)
def test_what_the_api_server_takes_is_no_problem(spec: dict[str, Any]) -> None:
    assert list(impossible(spec)) == []


def test_what_is_null_is_not_said(files: Files) -> None:
    files[DEPLOYMENT] += b"  resources:\n    requests: {memory: null}\n    limits: {memory: 1Gi}\n"
    assert list(registry.validate(registry.read_files(files))) == []


def test_it_is_told_with_file_and_line(files: Files) -> None:
    files[DEPLOYMENT] += b"  network:\n    ingress:\n    - ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/8]}\n"
    (problem,) = (str(found) for found in registry.validate(registry.read_files(files)))
    place = f"{DEPLOYMENT}:10: spec.network.ingress[0].ipBlock.except[0]"
    assert problem == f"{place} 11.0.0.0/8 must be a block of addresses within 10.0.0.0/8 and smaller"
