"""Who may reach a deployment's pods, whom they may reach, and who watches them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlgitops.api.meta import Reference
from mlgitops.api.pods import LabelSelector


@dataclass(frozen=True, slots=True)
class Auth:
    """Who may ask the server; what a type needs is set, and nothing else."""

    type: Literal["None", "APIKey", "JWT"] = "None"
    secret_ref: Reference | None = None
    issuer: str | None = None
    audiences: tuple[str, ...] = ()
    jwks_uri: str | None = None


@dataclass(frozen=True, slots=True)
class AddressBlock:
    """Addresses outside the cluster, some among them left out."""

    cidr: str
    except_: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """Pods by their labels and their namespace's, or a block of addresses."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: AddressBlock | None = None


@dataclass(frozen=True, slots=True)
class PortRange:
    """A port, or all from it to ``end_port``."""

    port: int
    end_port: int | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"


@dataclass(frozen=True, slots=True)
class EgressRule:
    """Whom pods may reach on which ports; nothing said means all."""

    to: tuple[Peer, ...] = ()
    ports: tuple[PortRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """Who may reach the serving and the metrics port (nobody named: everybody), and whom the pods reach beside DNS."""

    ingress: tuple[Peer, ...] = ()
    monitoring: tuple[Peer, ...] = ()
    egress: tuple[EgressRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Payloads:
    """The share of requests that is written, and where."""

    sample: str
    sink: str


@dataclass(frozen=True, slots=True)
class DriftBaseline:
    """The context of the data set that inputs are compared with."""

    baseline: str


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Who watches the pods; ``interval`` is a duration, ``labels`` are the ServiceMonitor's."""

    service_monitor: bool = False
    interval: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    payloads: Payloads | None = None
    drift: DriftBaseline | None = None
