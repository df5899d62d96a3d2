"""The children that only some deployments ask for, and the APIs that a cluster may lack.

Children follow from the spec alone, never from what the cluster offers: what it does not
offer is told in a condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mlgitops.api import ModelDeployment
from mlgitops.plan import scaling

AUTOSCALERS: Final = frozenset(kind for _, kind in scaling.KINDS.values())
KINDS: Final = frozenset({"HTTPRoute", "NetworkPolicy", "ServiceMonitor", *AUTOSCALERS})
# What to install for the kinds that are not Kubernetes' own.
_FROM: Final[Mapping[str, str]] = {
    "HTTPRoute": "Gateway API",
    "ScaledObject": "KEDA",
    "ServiceMonitor": "the Prometheus operator",
}


def asked(deployment: ModelDeployment) -> dict[str, str]:
    """Return the optional kinds that a deployment asks for, each with the field that does."""
    spec = deployment.spec
    found = {"HTTPRoute": "spec.route"} if spec.route else {}
    if spec.autoscaling:
        found[scaling.KINDS[spec.autoscaling.engine][1]] = "spec.autoscaling"
    if spec.network:
        found["NetworkPolicy"] = "spec.network"
    if spec.monitoring and spec.monitoring.service_monitor:
        found["ServiceMonitor"] = "spec.monitoring.serviceMonitor"
    return found


def lacking(deployment: ModelDeployment, absent: frozenset[str]) -> str | None:
    """Return a sentence about what a deployment asks for and the cluster does not serve, None when all is there."""
    for kind, field in asked(deployment).items():
        if kind in absent:
            cure = f"install {_FROM[kind]}" if kind in _FROM else "give the operator the right to list it"
            return f"{field} needs {kind}, which this cluster does not serve; {cure}, or remove the field"
    return None
