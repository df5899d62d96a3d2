from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mlgitops import registry
from mlgitops.api.pods import Resources
from mlgitops.registry.resources import impossible, quantity

Files = dict[str, bytes]
DEPLOYMENT, RUNTIME = "registry/deployments/prod/iris.yaml", "registry/runtimes/python-1.yaml"
GPU, PAGES = "nvidia.com/gpu", "hugepages-2Mi"


def problems(files: Files) -> list[str]:
    return [str(problem) for problem in registry.validate(registry.read_files(files))]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (1, "1"),
        ("250m", "0.25"),
        ("1Gi", "1073741824"),
        (".5", "0.5"),
        ("1.", "1"),
        ("1e3", "1000"),
        ("1E-3", "0.001"),
        ("1E", "1e18"),
        ("+2k", "2000"),
        ("5n", "5e-9"),
        ("1.5Ki", "1536"),
        ("7u", "7e-6"),
    ],
)
def test_a_quantity_is_a_number(text: int | str, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        ({"memory": "1Gi"}, {"memory": "1000Mi"}, "must be at most the limit, which is 1000Mi, not 1Gi"),
        ({"cpu": 1}, {"cpu": "999m"}, "must be at most the limit, which is 999m, not 1"),
        ({GPU: 1}, {}, f"needs the same number below limits: {GPU} is never shared"),
        ({GPU: 1}, {GPU: 2}, f"must equal the limit, which is 2: {GPU} is never shared"),
        ({}, {GPU: "500m"}, "must be a whole number, not 500m"),
        ({PAGES: "2Mi"}, {PAGES: "4Mi"}, f"must equal the limit, which is 4Mi: {PAGES} is never shared"),
        ({"mem": "1Gi"}, {}, f"is no resource; known: cpu, memory, ephemeral-storage, or a device such as {GPU}"),
    ],
)
def test_what_no_pod_may_ask_for_is_told(requests: dict[str, Any], limits: dict[str, Any], expected: str) -> None:
    assert [message for _, message in impossible(Resources(requests, limits))] == [expected]


@pytest.mark.parametrize(
    ("requests", "limits"),
    [
        ({"memory": "1Gi", "cpu": "1"}, {"memory": "1024Mi"}),
        ({"cpu": "1000m"}, {"cpu": 1}),
        ({}, {GPU: 1}),
        ({GPU: "1"}, {GPU: 1}),
        ({}, {GPU: "1e99"}),
    ],
)
def test_what_a_pod_may_ask_for_is_no_problem(requests: dict[str, Any], limits: dict[str, Any]) -> None:
    assert list(impossible(Resources(requests, limits))) == []


def test_a_request_above_its_limit_is_told_before_the_merge(files: Files) -> None:
    files[DEPLOYMENT] += b"  resources:\n    requests: {memory: 2Gi}\n    limits: {memory: 1Gi}\n"
    expected = f"{DEPLOYMENT}:9: spec.resources.requests.memory must be at most the limit, which is 1Gi, not 2Gi"
    assert problems(files) == [expected]


def test_so_it_is_in_a_runtime(files: Files) -> None:
    files[RUNTIME] = files[RUNTIME].replace(
        b"fetcher: {image: mlgitops.dev/python:1}",
        b"fetcher:\n    image: mlgitops.dev/python:1\n    resources: {requests: {cpu: 2}, limits: {cpu: 1}}",
    )
    (problem,) = problems(files)
    assert problem.endswith("spec.fetcher.resources.requests.cpu must be at most the limit, which is 1, not 2")
