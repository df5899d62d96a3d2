"""The node as the cluster sees it: a Node object that says what there is, and a lease that says it lives."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform

from mlgitops.kube import LEASES, NODES, Change, KubeError, Reflector, Session
from mlgitops.local.node import output
from mlgitops.local.node.status import HOST
from mlgitops.local.node.variables import Raw, capacity

logger = logging.getLogger(__name__)

_LEASE_SECONDS = 40
_RENEW, _RETRY = 10.0, 0.5  # seconds
_MOST_PODS = 110
_MANAGER = "mlgitops-node"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
# The API server and the node controller set them while a node does not report; the controller
# takes them away too, seconds later.
_ABSENT_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class Registration:
    """Keeps one Node registered, Ready and leased; whoever deletes or doubts it sees it come back."""

    def __init__(self, session: Session, name: str, port: int) -> None:
        self._session = session
        self._name = name
        self._port = port
        self._wrong = asyncio.Event()
        self._wrong.set()

    async def keep(self) -> None:
        """Register, and go on to report until cancelled."""
        async with Reflector(self._session, NODES, field_selector=f"metadata.name={self._name}") as nodes:
            nodes.subscribe(self._look)
            while True:
                pause = _RENEW
                try:
                    if self._wrong.is_set():
                        self._wrong.clear()
                        await self._announce()
                    await self._renew_lease()
                except KubeError as error:
                    logger.warning("the node could not report: %s", error)
                    self._wrong.set()
                    pause = _RETRY
                    await asyncio.sleep(pause)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wrong.wait(), pause)

    def _look(self, change: Change) -> None:
        if change.new is None:
            self._wrong.set()
            return
        conditions = change.new.get("status", {}).get("conditions") or ()
        ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
        if not ready or _kept_taints(change.new) is not None:
            self._wrong.set()

    async def _announce(self) -> None:
        labels = {
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": _machine(),
            "kubernetes.io/hostname": self._name,
        }
        metadata = {"name": self._name, "labels": labels}
        node = await self._session.apply(
            {"apiVersion": "v1", "kind": "Node", "metadata": metadata}, field_manager=_MANAGER
        )
        await self._session.patch(NODES, self._name, None, {"status": self._status()}, subresource="status")
        kept = _kept_taints(node)
        if kept is not None:
            await self._session.patch(NODES, self._name, None, {"spec": {"taints": kept or None}})

    def _status(self) -> Raw:
        room = {**capacity(), "pods": str(_MOST_PODS)}
        return {
            "capacity": room,
            "allocatable": room,
            "conditions": [
                _condition("Ready", True, "KubeletReady", "the process node runs pods"),
                *(
                    _condition(f"{kind}Pressure", False, f"No{kind}Pressure", "not watched")
                    for kind in ("Memory", "Disk", "PID")
                ),
            ],
            "addresses": [{"type": "InternalIP", "address": HOST}, {"type": "Hostname", "address": self._name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "nodeInfo": _node_info(),
        }

    async def _renew_lease(self) -> None:
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": "kube-node-lease"},
            "spec": {
                "holderIdentity": self._name,
                "leaseDurationSeconds": _LEASE_SECONDS,
                "renewTime": output.now(),
            },
        }
        await self._session.apply(lease, field_manager=_MANAGER)


def _kept_taints(node: Raw) -> list[Raw] | None:
    """Return the taints that are somebody's own when there are others to take away, else None."""
    taints = node.get("spec", {}).get("taints") or []
    kept = [taint for taint in taints if taint["key"] not in _ABSENT_TAINTS]
    return kept if len(kept) < len(taints) else None


def _condition(type_: str, holds: bool, reason: str, message: str) -> Raw:
    at = output.seconds()
    return {
        "type": type_,
        "status": "True" if holds else "False",
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": at,
        "lastTransitionTime": at,
    }


def _machine() -> str:
    return _MACHINES.get(platform.machine(), platform.machine())


def _node_info() -> Raw:
    return {
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
        "kernelVersion": platform.release(),
        "osImage": "processes of this machine",
        "containerRuntimeVersion": "process://1",
        "kubeletVersion": "v0.1.0-mlgitops",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": _machine(),
    }
