"""How requests come in: ``spec.route`` of a ModelDeployment, in Gateway API's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ParentReference:
    """A Gateway that serves a route; an empty namespace is the deployment's own."""

    name: str
    namespace: str | None = None
    section_name: str | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When a gateway gives a request, or one try at a pod, up; durations."""

    request: str | None = None
    backend_request: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A header and its value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class HeaderModifier:
    """Headers to set, to add and to take away."""

    set: tuple[Header, ...] = ()
    add: tuple[Header, ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExtensionReference:
    """An object of the gateway's own."""

    group: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class RouteFilter:
    """What a gateway does to requests and answers; the field that ``type`` names is set, and no other."""

    type: Literal["RequestHeaderModifier", "ResponseHeaderModifier", "ExtensionRef"]
    request_header_modifier: HeaderModifier | None = None
    response_header_modifier: HeaderModifier | None = None
    extension_ref: ExtensionReference | None = None


@dataclass(frozen=True, slots=True)
class GrpcRoute:
    """The host names of a GRPCRoute."""

    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """The HTTPRoute that leads to the pods."""

    parent_refs: tuple[ParentReference, ...]
    hostnames: tuple[str, ...] = ()
    path: str = "/"
    timeouts: Timeouts | None = None
    filters: tuple[RouteFilter, ...] = ()
    grpc: GrpcRoute | None = None
