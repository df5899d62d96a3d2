"""A table that finds the rule for a request, as the Gateway API orders them; pure.

Hostname first (exact before wildcard, longer before shorter), then path (exact before
prefix, longer before shorter), method, number of headers, number of query parameters,
then the older route and the earlier rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlgitops.local.gateway.attachment import covers
from mlgitops.local.gateway.backends import Backend

Raw = dict[str, Any]
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True)
class Match:
    """What a request must look like; every part must hold."""

    path: str
    path_type: str
    method: str | None
    headers: tuple[tuple[str, re.Pattern[str]], ...]
    query: tuple[tuple[str, re.Pattern[str]], ...]

    def holds(self, path: str, method: str, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Tell whether a request matches; ``headers`` must ignore case."""
        return (
            self._path_holds(path)
            and self.method in (None, method)
            and all(pattern.fullmatch(headers.get(name, "\0")) for name, pattern in self.headers)
            and all(pattern.fullmatch(query.get(name, "\0")) for name, pattern in self.query)
        )

    def _path_holds(self, path: str) -> bool:
        if self.path_type == "Exact":
            return path == self.path
        if self.path_type == "RegularExpression":
            return re.fullmatch(self.path, path) is not None
        prefix = self.path.rstrip("/")
        return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")

    @property
    def rank(self) -> tuple[bool, int, bool, int, int]:
        """Greater is more specific."""
        exact = self.path_type == "Exact"
        return exact, len(self.path), self.method is not None, len(self.headers), len(self.query)


@dataclass(frozen=True, slots=True)
class HeaderEdit:
    """How a filter changes headers."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One match of one rule of one route, and what to do with a request that matches."""

    route: str
    hostnames: tuple[str, ...]
    match: Match
    backends: tuple[tuple[Backend, int], ...]
    request_edits: tuple[HeaderEdit, ...] = ()
    response_edits: tuple[HeaderEdit, ...] = ()
    rewrite: Raw | None = None
    timeout: float | None = None

    def rewritten(self, path: str) -> str:
        """Return the path that the backend sees."""
        change = (self.rewrite or {}).get("path")
        if not change:
            return path
        if change["type"] == "ReplaceFullPath":
            return str(change["replaceFullPath"])
        rest = path[len(self.match.path.rstrip("/")) :]
        return (change["replacePrefixMatch"].rstrip("/") + rest) or "/"


@dataclass(frozen=True, slots=True)
class Table:
    """All rules, the most specific first."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, routes: Iterable[Raw]) -> Table:
        """Make a table of HTTPRoutes that were accepted."""
        by_age = sorted(routes, key=_age)
        rules = [rule for route in by_age for rule in _rules(route)]
        # Sorting is stable: what ranks the same stays in order of age.
        return cls(tuple(sorted(rules, key=lambda rule: rule.match.rank, reverse=True)))

    def find(
        self, host: str, path: str, method: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Rule | None:
        """Return the rule for a request, None when no route wants it. ``host`` comes without a port."""
        best: Rule | None = None
        best_rank = -1
        for rule in self.rules:
            rank = _host_rank(rule.hostnames, host)
            if rank > best_rank and rule.match.holds(path, method, headers, query):
                best, best_rank = rule, rank
        return best


def _host_rank(hostnames: tuple[str, ...], host: str) -> int:
    """Return how specifically hostnames name a host: -1 not at all, 0 by naming none."""
    if not hostnames:
        return 0
    # An exact name beats any wildcard; no hostname has 1,000 characters.
    fitting = (len(name) + (0 if name.startswith("*") else 1000) for name in hostnames if covers(name, host))
    return max(fitting, default=-1)


def _age(route: Raw) -> tuple[str, str, str]:
    metadata = route["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["namespace"], metadata["name"]


def _rules(route: Raw) -> Iterable[Rule]:
    namespace, name = route["metadata"]["namespace"], route["metadata"]["name"]
    for rule in route["spec"].get("rules", ()):
        references = rule.get("backendRefs", ())
        backends = tuple(
            (Backend(one.get("namespace") or namespace, one["name"], one.get("port", 0)), one.get("weight", 1))
            for one in references
        )
        filters = rule.get("filters", ())
        for match in rule.get("matches") or [{}]:
            yield Rule(
                route=f"{namespace}/{name}",
                hostnames=tuple(host.lower() for host in route["spec"].get("hostnames") or ()),
                match=_match(match),
                backends=backends,
                request_edits=_edits(filters, "requestHeaderModifier"),
                response_edits=_edits(filters, "responseHeaderModifier"),
                rewrite=next((one["urlRewrite"] for one in filters if one["type"] == "URLRewrite"), None),
                timeout=_seconds(rule.get("timeouts", {}).get("request")),
            )


def _match(raw: Raw) -> Match:
    path = raw.get("path", {})
    return Match(
        path=path.get("value", "/"),
        path_type=path.get("type", "PathPrefix"),
        method=raw.get("method"),
        headers=_values(raw.get("headers", ())),
        query=_values(raw.get("queryParams", ())),
    )


def _values(raw: Iterable[Raw]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (one["name"], re.compile(one["value"] if one.get("type") == "RegularExpression" else re.escape(one["value"])))
        for one in raw
    )


def _edits(filters: Iterable[Raw], kind: str) -> tuple[HeaderEdit, ...]:
    return tuple(
        HeaderEdit(
            set=tuple((one["name"], one["value"]) for one in edit.get("set", ())),
            add=tuple((one["name"], one["value"]) for one in edit.get("add", ())),
            remove=tuple(edit.get("remove", ())),
        )
        for edit in (one[kind] for one in filters if kind in one)
    )


def _seconds(duration: str | None) -> float | None:
    """Return a Gateway API duration (GEP-2257, such as ``1m30s``) in seconds; zero means no limit."""
    if not duration:
        return None
    parts = re.findall(r"(\d+)(ms|h|m|s)", duration)
    return sum(int(number) * _SECONDS[unit] for number, unit in parts) or None
