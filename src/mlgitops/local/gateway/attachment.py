"""Which routes attach to which of our Gateways, and what their status has to say about it; pure.

After the Gateway API v1: route attachment, conditions Accepted and ResolvedRefs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlgitops.local.bootstrap import CONTROLLER

Raw = dict[str, Any]
Objects = Mapping[tuple[str, str], Raw]

# What the proxy does with a request or an answer; a rule with any other filter is refused.
FILTERS = ("RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one condition says: ``True`` or why not."""

    type: str
    reason: str
    message: str
    holds: bool


def our_gateways(gateways: Objects, classes: Objects) -> dict[tuple[str, str], Raw]:
    """Return the Gateways whose class names us as its controller."""
    ours = {name for (_, name), raw in classes.items() if raw["spec"]["controllerName"] == CONTROLLER}
    return {key: raw for key, raw in gateways.items() if raw["spec"]["gatewayClassName"] in ours}


def parents(route: Raw, gateways: Objects) -> list[tuple[Raw, Raw]]:
    """Return each parent reference of a route that names one of our Gateways, with that Gateway."""
    found = []
    for reference in route["spec"].get("parentRefs", ()):
        namespace = reference.get("namespace") or route["metadata"]["namespace"]
        gateway = gateways.get((namespace, reference["name"]))
        if reference.get("kind", "Gateway") == "Gateway" and gateway is not None:
            found.append((reference, gateway))
    return found


def accepted(route: Raw, reference: Raw, gateway: Raw) -> Judgement:
    """Judge whether a Gateway takes a route: a listener for it, its namespace allowed, its filters known."""
    listeners = [one for one in gateway["spec"]["listeners"] if _is_named(reference, one)]
    if not listeners:
        return Judgement("Accepted", "NoMatchingParent", "no listener of that name and port", False)
    allowed = [one for one in listeners if _allows(one, gateway, route)]
    if not allowed:
        return Judgement("Accepted", "NotAllowedByListeners", "the listeners allow no routes of this namespace", False)
    if not any(_hosts_meet(one.get("hostname"), route["spec"].get("hostnames") or ()) for one in allowed):
        return Judgement("Accepted", "NoMatchingListenerHostname", "no listener has one of its hostnames", False)
    problems = [problem for rule in route["spec"].get("rules", ()) for problem in _unsupported(rule)]
    if problems:
        return Judgement("Accepted", "UnsupportedValue", "; ".join(problems), False)
    return Judgement("Accepted", "Accepted", "", True)


def resolved(route: Raw, services: Objects) -> Judgement:
    """Judge whether every backend of a route is a port of a Service of its own namespace."""
    for rule in route["spec"].get("rules", ()):
        for reference in rule.get("backendRefs", ()):
            refusal = _refusal(route, reference, services)
            if refusal:
                return Judgement("ResolvedRefs", *refusal, False)
    return Judgement("ResolvedRefs", "ResolvedRefs", "", True)


def _refusal(route: Raw, reference: Raw, services: Objects) -> tuple[str, str] | None:
    namespace = route["metadata"]["namespace"]
    name = f"Service {reference.get('namespace') or namespace}/{reference['name']}"
    if reference.get("kind", "Service") != "Service" or reference.get("group"):
        return "InvalidKind", f"backends are Services, not {reference.get('kind')}"
    if (reference.get("namespace") or namespace) != namespace:
        return "RefNotPermitted", f"{name} is in another namespace"
    service = services.get((namespace, reference["name"]))
    if service is None:
        return "BackendNotFound", f"{name} does not exist"
    if not any(port["port"] == reference.get("port") for port in service["spec"].get("ports", ())):
        return "BackendNotFound", f"{name} has no port {reference.get('port')}"
    return None


def _unsupported(rule: Raw) -> Iterable[str]:
    for one in rule.get("filters", ()):
        if one["type"] not in FILTERS:
            yield f"filter {one['type']} is not implemented here; known: {', '.join(FILTERS)}"
    if any(backend.get("filters") for backend in rule.get("backendRefs", ())):
        yield "filters of a single backend are not implemented here; give them to the rule"
    for match in rule.get("matches", ()):
        parts = [match.get("path", {}), *match.get("headers", ()), *match.get("queryParams", ())]
        for part in parts:
            if part.get("type") == "RegularExpression" and not _compiles(part["value"]):
                yield f"{part['value']!r} is not a regular expression"


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _is_named(reference: Raw, listener: Raw) -> bool:
    named = reference.get("sectionName") in (None, listener["name"])
    return named and reference.get("port") in (None, listener["port"]) and listener["protocol"] == "HTTP"


def _allows(listener: Raw, gateway: Raw, route: Raw) -> bool:
    # "Selector" would need the namespaces' labels; nothing here asks for them.
    origin = listener.get("allowedRoutes", {}).get("namespaces", {}).get("from", "Same")
    same = bool(route["metadata"]["namespace"] == gateway["metadata"]["namespace"])
    return origin == "All" or (origin == "Same" and same)


def _hosts_meet(listener: str | None, hostnames: Iterable[str]) -> bool:
    names = list(hostnames)
    return not listener or not names or any(covers(listener, name) or covers(name, listener) for name in names)


def covers(pattern: str, host: str) -> bool:
    """Tell whether a hostname, or ``*.`` and a suffix of at least one label less, covers another."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and host != pattern
    return pattern == host
