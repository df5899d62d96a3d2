"""Single pods on the whole local cluster, and waiting for what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from cluster.waiting import PATIENCE, until
from mlgitops import kube
from mlgitops.local.cluster import PYTHON_IMAGE, Cluster

Raw = dict[str, Any]

# Prints "up" and waits for SIGTERM.
WAIT = "import signal; print('up', flush=True); signal.pause()"


def container(code: str, name: str = "main", **spec: Any) -> Raw:
    """Return a container that runs some Python."""
    return {"name": name, "image": PYTHON_IMAGE, "command": ["python", "-c", code], **spec}


class Pods:
    """The pods of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str, session: kube.Session) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.session = session

    async def create(self, kind: str, name: str, *, api_version: str = "v1", **fields: Any) -> None:
        """Create any object."""
        metadata = {"name": name, "namespace": self.namespace, **fields.pop("metadata", {})}
        await self.session.create({"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields})

    async def start(self, name: str, *containers: Raw, policy: str = "Never", **spec: Any) -> None:
        """Create a pod."""
        metadata = spec.pop("metadata", {})
        given = {"restartPolicy": policy, "terminationGracePeriodSeconds": 5, "containers": [*containers], **spec}
        await self.create("Pod", name, metadata=metadata, spec=given)

    async def get(self, name: str) -> Raw:
        """Return a pod."""
        return await self.session.get(kube.PODS, name, self.namespace)

    async def until(self, name: str, holds: Callable[[Raw], Any], what: str = "", *, seconds: float = 30) -> Raw:
        """Wait until something holds for a pod, and return the pod; what it was instead is told."""
        last: Raw = {}

        async def look() -> bool:
            last.update(await self.get(name))
            return bool(holds(last))

        try:
            await until(look, what, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(last.get('status'), indent=1)}") from error
        return last

    async def over(self, name: str, phase: str = "Succeeded") -> Raw:
        """Wait until a pod has ended, and return it."""
        found = await self.until(name, lambda pod: pod["status"]["phase"] in ("Succeeded", "Failed"), "over")
        assert found["status"]["phase"] == phase, json.dumps(found["status"], indent=1)
        return found

    async def gone(self, name: str, *, seconds: float = PATIENCE) -> None:
        """Wait until a pod is no more."""

        async def look() -> bool:
            try:
                await self.get(name)
            except kube.NotFound:
                return True
            return False

        await until(look, f"pod {name} goes", seconds=seconds)

    async def delete(self, name: str, *, grace: int | None = None) -> None:
        """Ask for a pod's end."""
        await self.session.delete(kube.PODS, name, self.namespace, grace_seconds=grace)

    async def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the namespace."""
        return await asyncio.to_thread(self.cluster.kubectl, "--namespace", self.namespace, *arguments)


@contextlib.asynccontextmanager
async def pods(cluster: Cluster, namespace: str) -> AsyncIterator[Pods]:
    """Talk to one namespace, as soon as it takes pods."""
    async with kube.Session(kube.login(cluster.kubeconfig)) as session:

        async def ready() -> bool:
            with contextlib.suppress(kube.NotFound):
                await session.get(kube.SERVICE_ACCOUNTS, "default", namespace)
                return True
            return False

        await until(ready, "the namespace has its service account")
        yield Pods(cluster, namespace, session)


def state(pod: Raw, name: str = "main", *, init: bool = False) -> Raw:
    """Return a container's entry in a pod's status, empty when there is none yet."""
    entries = pod.get("status", {}).get("initContainerStatuses" if init else "containerStatuses") or ()
    return next((entry for entry in entries if entry["name"] == name), {"state": {}, "restartCount": 0})


def condition(pod: Raw, type_: str) -> str:
    """Return the status of a pod's condition, empty when it has none."""
    entries = pod.get("status", {}).get("conditions") or ()
    return next((entry["status"] for entry in entries if entry["type"] == type_), "")
