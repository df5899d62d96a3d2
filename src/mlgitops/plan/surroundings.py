"""What stands beside a deployment's pods when it is asked for: NetworkPolicy and ServiceMonitor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mlgitops.api import ModelDeployment, codec
from mlgitops.api.surroundings import Monitoring, Network, Peer
from mlgitops.plan import labels, pods
from mlgitops.plan.family import Family

Raw = dict[str, Any]

_DNS: Final = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}


def of_deployment(family: Family) -> Iterator[Raw]:
    """Yield the optional children that are there once for a deployment."""
    spec = family.deployment.spec
    if spec.network:
        policy = _network_policy(family, spec.network)
        yield family.object("networking.k8s.io/v1", "NetworkPolicy", family.name, {"spec": policy})
    if spec.monitoring and spec.monitoring.service_monitor:
        yield _service_monitor(family, spec.monitoring)


def metrics_ports(deployment: ModelDeployment) -> tuple[Raw, ...]:
    """Return the ports that a revision's Service has besides the serving one: a ServiceMonitor finds pods by them."""
    monitoring = deployment.spec.monitoring
    port = {"name": "metrics", "port": pods.METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"}
    return (port,) if monitoring and monitoring.service_monitor else ()


def _network_policy(family: Family, network: Network) -> Raw:
    return {
        "podSelector": {"matchLabels": family.selector(None)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {**_from(network.ingress), "ports": [{"port": "http", "protocol": "TCP"}]},
            {**_from(network.monitoring), "ports": [{"port": "metrics", "protocol": "TCP"}]},
        ],
        "egress": [_DNS, *codec.encode(network.egress)],
    }


def _from(peers: tuple[Peer, ...]) -> Raw:
    # A rule that names nobody lets everybody in.
    return {"from": codec.encode(peers)} if peers else {}


def _service_monitor(family: Family, monitoring: Monitoring) -> Raw:
    endpoint = {"port": "metrics", "path": "/metrics"}
    spec = {
        # Only the Services of revisions have the port; the one named as the deployment would count pods twice.
        "selector": {
            "matchLabels": family.selector(None),
            "matchExpressions": [{"key": labels.REVISION, "operator": "Exists"}],
        },
        "endpoints": [{**endpoint, **({"interval": monitoring.interval} if monitoring.interval else {})}],
        "targetLabels": [labels.DEPLOYMENT, labels.MODEL, labels.VERSION],
    }
    made = family.object("monitoring.coreos.com/v1", "ServiceMonitor", family.name, {"spec": spec})
    made["metadata"]["labels"] = {**monitoring.labels, **made["metadata"]["labels"]}
    return made
