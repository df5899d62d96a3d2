"""The node as the cluster sees it: its object, its lease, and the pods that are bound to it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import platform
import ssl
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from mlgitops.kube import LEASES, NODES, PODS, Change, KubeError, Reflector, Session
from mlgitops.local.node import output
from mlgitops.local.node.container import Container
from mlgitops.local.node.kubelet import Kubelet
from mlgitops.local.node.leftovers import Register
from mlgitops.local.node.pod import PodRunner
from mlgitops.local.node.programs import ImageTable
from mlgitops.local.node.status import HOST
from mlgitops.local.node.variables import Raw

logger = logging.getLogger(__name__)

_LEASE_SECONDS = 40
_RENEW = 10.0  # seconds
_MOST_PODS = 110
_MANAGER = "mlgitops-node"
_FIRST_ADDRESS = 256  # the addresses before are the cluster's own parts'


@dataclass(frozen=True, slots=True)
class Settings:
    """The node's name, the addresses of its pods, its folder, its images, and what containers are told."""

    name: str
    pods: ipaddress.IPv4Network
    folder: Path
    images: ImageTable
    given: Mapping[str, str]
    hint: str


class Agent:
    """Runs the pods of one node until it is told that it is over."""

    def __init__(self, settings: Settings, session: Session, http: aiohttp.ClientSession, tls: ssl.SSLContext) -> None:
        self._settings = settings
        self._session = session
        self._http = http
        self._tls = tls
        self._register = Register(settings.folder / "processes")
        self._pods: dict[str, PodRunner] = {}
        self._addresses = self._all_addresses()
        self._kubelet = Kubelet(self._find, settings.hint)
        self._reflector = Reflector(session, PODS, field_selector=f"spec.nodeName={settings.name}")
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    async def run(self, over: asyncio.Event) -> None:
        """Be a node until ``over`` is set; then end every pod's processes."""
        killed = self._register.end_all()
        if killed:
            logger.warning("ended %d process groups that an earlier node left running", killed)
        self._port = await self._kubelet.start(HOST, self._tls)
        await self._announce()
        self._reflector.subscribe(self._on_change)
        async with self._reflector:
            renewing = asyncio.create_task(self._renew())
            await over.wait()
            renewing.cancel()
        await self._kubelet.stop()
        await asyncio.gather(*(pod.kill() for pod in self._pods.values()))

    # --- pods

    def _on_change(self, change: Change) -> None:
        uid = change.latest["metadata"]["uid"]
        runner = self._pods.get(uid)
        if change.new is None:
            if runner is not None:
                self._in_background(self._forget(uid, runner))
            return
        if runner is not None:
            runner.update(change.new)
        elif change.new.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            self._take(change.new)
        elif change.new["metadata"].get("deletionTimestamp"):
            self._in_background(self._finish(change.new))

    def _take(self, raw: Raw) -> None:
        uid = raw["metadata"]["uid"]
        runner = PodRunner(
            raw,
            session=self._session,
            http=self._http,
            address=self._free_address(),
            folder=self._settings.folder / "pods" / uid,
            images=self._settings.images,
            register=self._register,
            given=self._settings.given,
        )
        self._pods[uid] = runner
        runner.start()
        runner.update(raw)

    async def _forget(self, uid: str, runner: PodRunner) -> None:
        await runner.kill()
        self._pods.pop(uid, None)

    async def _finish(self, raw: Raw) -> None:
        """Let the API server forget a pod that had ended before this node began."""
        metadata = raw["metadata"]
        with contextlib.suppress(KubeError):
            await self._session.delete(
                PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"], grace_seconds=0
            )

    def _find(self, namespace: str, pod: str, container: str) -> Container | None:
        for runner in self._pods.values():
            metadata = runner.raw["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, pod):
                return runner.container(container)
        return None

    def _all_addresses(self) -> Iterator[str]:
        size = self._settings.pods.num_addresses
        while True:  # round and round, so that a freed address is not taken again at once
            for offset in range(min(_FIRST_ADDRESS, size // 2), size - 1):
                yield str(self._settings.pods[offset])

    def _free_address(self) -> str:
        taken = {runner.address for runner in self._pods.values()}
        return next(address for address in self._addresses if address not in taken)

    def _in_background(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- the node's own objects

    async def _announce(self) -> None:
        name = self._settings.name
        labels = {
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
            "kubernetes.io/hostname": name,
        }
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        await self._session.apply(node, field_manager=_MANAGER)
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        room = {"cpu": str(os.cpu_count() or 1), "memory": str(memory), "pods": str(_MOST_PODS)}
        conditions = [
            _node_condition("Ready", True, "KubeletReady", "the process node runs pods"),
            *(
                _node_condition(f"{kind}Pressure", False, f"No{kind}Pressure", "not watched")
                for kind in ("Memory", "Disk", "PID")
            ),
        ]
        status = {
            "capacity": room,
            "allocatable": room,
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": HOST}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "nodeInfo": _node_info(),
        }
        await self._renew_lease()
        await self._session.patch(NODES, name, None, {"status": status}, subresource="status")
        await self._session.patch(NODES, name, None, {"spec": {"taints": None}})

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW)
            try:
                await self._renew_lease()
            except KubeError as error:
                logger.warning("the node's lease was not renewed: %s", error)
                await self._return()

    async def _return(self) -> None:
        """Announce the node again, as when etcd's data was deleted below a running cluster."""
        with contextlib.suppress(KubeError):
            await self._announce()

    async def _renew_lease(self) -> None:
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {"name": self._settings.name, "namespace": "kube-node-lease"},
            "spec": {
                "holderIdentity": self._settings.name,
                "leaseDurationSeconds": _LEASE_SECONDS,
                "renewTime": output.now(),
            },
        }
        await self._session.apply(lease, field_manager=_MANAGER)


def _node_condition(type_: str, holds: bool, reason: str, message: str) -> Raw:
    at = output.now()[:19] + "Z"
    return {
        "type": type_,
        "status": "True" if holds else "False",
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": at,
        "lastTransitionTime": at,
    }


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
        "architecture": platform.machine(),
    }
