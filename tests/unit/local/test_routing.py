"""The routing table orders and matches as the Gateway API says."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict

from mlgitops.local.gateway.backends import Backend
from mlgitops.local.gateway.routing import Table


def route(name: str, *matches: dict[str, Any], hosts: tuple[str, ...] = (), created: str = "2026-01-01", **rule: Any):
    return {
        "metadata": {"namespace": "shop", "name": name, "creationTimestamp": created},
        "spec": {
            "hostnames": list(hosts),
            "rules": [{"matches": list(matches), "backendRefs": [{"name": name, "port": 80}], **rule}],
        },
    }


def prefix(value: str, **more: Any) -> dict[str, Any]:
    return {"path": {"type": "PathPrefix", "value": value}, **more}


def exact(value: str) -> dict[str, Any]:
    return {"path": {"type": "Exact", "value": value}}


def found(
    table: Table,
    path: str,
    *,
    host: str = "a.example.com",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
) -> str | None:
    rule = table.find(host, path, method, CIMultiDict(headers or {}), query or {})
    return rule.route.partition("/")[2] if rule else None


@pytest.mark.parametrize(
    ("pattern", "path", "holds"),
    [
        ("/iris", "/iris", True),
        ("/iris", "/iris/", True),
        ("/iris", "/iris/v2/models", True),
        ("/iris", "/irises", False),
        ("/iris", "/", False),
        ("/iris/", "/iris", True),
        ("/", "/anything", True),
    ],
)
def test_a_prefix_matches_whole_path_elements(pattern: str, path: str, holds: bool) -> None:
    assert (found(Table.of([route("r", prefix(pattern))]), path) == "r") is holds


def test_an_exact_path_beats_any_prefix_and_a_longer_prefix_a_shorter_one() -> None:
    table = Table.of([route("short", prefix("/a")), route("long", prefix("/a/b/c")), route("exact", exact("/a/b"))])
    assert found(table, "/a/b") == "exact"
    assert found(table, "/a/b/c/d") == "long"
    assert found(table, "/a/x") == "short"


def test_an_exact_hostname_beats_a_wildcard_and_a_wildcard_beats_none() -> None:
    table = Table.of(
        [
            route("any", prefix("/long/path")),
            route("wild", prefix("/"), hosts=("*.example.com",)),
            route("named", prefix("/"), hosts=("a.example.com",)),
        ]
    )
    assert found(table, "/long/path") == "named"
    assert found(table, "/long/path", host="b.example.com") == "wild"
    assert found(table, "/long/path", host="x.y.example.com") == "wild"
    assert found(table, "/long/path", host="example.com") == "any"
    assert found(table, "/", host="other.org") is None


def test_more_conditions_on_the_same_path_win() -> None:
    header = {"headers": [{"name": "X-Tenant", "value": "red"}]}
    table = Table.of(
        [
            route("plain", prefix("/")),
            route("header", prefix("/", **header)),
            route("method", prefix("/", method="POST")),
            route("query", prefix("/", queryParams=[{"name": "debug", "value": "1"}])),
        ]
    )
    assert found(table, "/") == "plain"
    assert found(table, "/", headers={"x-tenant": "red"}) == "header"
    assert found(table, "/", headers={"x-tenant": "blue"}) == "plain"
    assert found(table, "/", method="POST", headers={"x-tenant": "red"}) == "method"
    assert found(table, "/", query={"debug": "1"}) == "query"


def test_a_regular_expression_matches_the_whole_value() -> None:
    pattern = {"headers": [{"name": "x-id", "value": "[0-9]+", "type": "RegularExpression"}]}
    table = Table.of([route("r", prefix("/", **pattern))])
    assert found(table, "/", headers={"X-Id": "42"}) == "r"
    assert found(table, "/", headers={"X-Id": "42x"}) is None


def test_an_exact_header_value_is_no_pattern() -> None:
    table = Table.of([route("r", prefix("/", headers=[{"name": "x", "value": "a.c"}]))])
    assert found(table, "/", headers={"x": "abc"}) is None


def test_the_older_route_wins_among_equals() -> None:
    newer, older = route("newer", prefix("/"), created="2026-02-01"), route("older", prefix("/"), created="2026-01-01")
    assert found(Table.of([newer, older]), "/") == "older"


@pytest.mark.parametrize(
    ("match", "replacement", "path", "result"),
    [
        ("/iris", "/", "/iris/v2", "/v2"),
        ("/iris", "/", "/iris", "/"),
        ("/iris", "/", "/iris/", "/"),
        ("/iris", "/m/iris", "/iris/v2", "/m/iris/v2"),
        ("/iris", "/m/", "/iris/v2", "/m/v2"),
        ("/iris", "/m", "/iris", "/m"),
        ("/", "/m", "/v2", "/m/v2"),
    ],
)
def test_a_prefix_is_replaced_as_the_specification_s_table_says(
    match: str, replacement: str, path: str, result: str
) -> None:
    change = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": replacement}}
    table = Table.of([route("r", prefix(match), filters=[{"type": "URLRewrite", "urlRewrite": change}])])
    rule = table.find("h", path, "GET", {}, {})
    assert rule is not None
    assert rule.rewritten(path) == result


def test_weights_default_to_one_and_zero_stays_zero() -> None:
    references = [{"name": "stable", "port": 80}, {"name": "canary", "port": 80, "weight": 0}]
    (rule,) = Table.of([route("r", prefix("/"), backendRefs=references)]).rules
    assert rule.backends == ((Backend("shop", "stable", 80), 1), (Backend("shop", "canary", 80), 0))


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10.0), ("1m30s", 90.0), ("500ms", 0.5), ("0s", None)])
def test_a_timeout_is_read_as_a_gateway_api_duration(text: str, seconds: float | None) -> None:
    (rule,) = Table.of([route("r", prefix("/"), timeouts={"request": text})]).rules
    assert rule.timeout == seconds
