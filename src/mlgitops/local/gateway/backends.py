"""Which pods stand behind a port of a Service, and may be given requests now; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Backend:
    """A port of a Service: namespace, name and the Service's own port number."""

    namespace: str
    service: str
    port: int

    def __str__(self) -> str:
        return f"Service {self.namespace}/{self.service} port {self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """A pod's address and port."""

    address: str
    port: int


def targets(service: Raw, port: int, pods: Iterable[Raw]) -> tuple[Target, ...]:
    """Return where a Service's port leads: the ready pods that its selector names, in order of address.

    Without Endpoints (the API refuses loopback addresses there) this is what the
    endpoints controller would compute, terminating pods left out.
    """
    selector = service["spec"].get("selector")
    ports = [one for one in service["spec"].get("ports", ()) if one["port"] == port]
    if not selector or not ports:
        return ()
    found = []
    for pod in pods:
        if _is_selected(pod, selector) and takes_requests(pod):
            number = _target_port(pod, ports[0])
            if number is not None:
                found.append(Target(pod["status"]["podIP"], number))
    return tuple(sorted(found, key=lambda target: (target.address, target.port)))


def takes_requests(pod: Raw) -> bool:
    """Tell whether a pod is ready, has an address and is not on its way out."""
    status = pod.get("status", {})
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))
    return ready and bool(status.get("podIP")) and "deletionTimestamp" not in pod["metadata"]


def _is_selected(pod: Raw, selector: Mapping[str, str]) -> bool:
    labels = pod["metadata"].get("labels", {})
    return all(labels.get(name) == value for name, value in selector.items())


def _target_port(pod: Raw, port: Raw) -> int | None:
    wanted = port.get("targetPort", port["port"])
    if isinstance(wanted, int):
        return wanted
    named = (one for container in pod["spec"]["containers"] for one in container.get("ports", ()))
    return next((one["containerPort"] for one in named if one.get("name") == wanted), None)
