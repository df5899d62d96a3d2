"""An operator in this process on a real API server; the test stands in for node, controllers and gateway."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cluster import conformance
from cluster.waiting import PATIENCE, until
from mlgitops import api, kube
from mlgitops.kube import Raw
from mlgitops.local import binaries
from mlgitops.local.cluster import Cluster
from mlgitops.operator import deployments, kinds, overrides, stages
from mlgitops.operator.runtime import Context, Controller, Manager, Result
from mlgitops.plan.owned import CHILD_KINDS
from worlds.rollout import Git, deployment

NAME = "iris-production"


def install_gateway_api(cluster: Cluster) -> None:
    """Make the API server know HTTPRoutes; nobody acts on them."""
    folder = binaries.find().gateway_crds
    cluster.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={folder}")
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")


@dataclass
class Stand:
    """One namespace: git's objects are applied by ``commit``, pods and gateway are played in the background."""

    session: kube.Session
    namespace: str
    git: Git = field(default_factory=Git)
    healthy: bool = True
    gateway: bool = True
    # Termination message of the fetcher for pods of a version, by number.
    corrupt: dict[str, str] = field(default_factory=dict)
    over: bool = False
    # The kind of every reconcile that came to its end.
    reconciled: list[str] = field(default_factory=list)

    def noting(self, controller: Controller) -> Callable[[kube.Key, Context], Awaitable[Result]]:
        async def reconcile(key: kube.Key, context: Context) -> Result:
            result = await controller.reconcile(key, context)
            self.reconciled.append(controller.resource.kind)
            return result

        return reconcile

    async def commit(self, **spec: Any) -> None:
        """Apply everything that git holds, and the deployment with these fields of its spec (two replicas)."""
        stage = self.git.stage("iris", "production")
        for resource in (
            self.git.model("iris"),
            *self.git.versions.values(),
            *self.git.servers,
            *self.git.policies.values(),
            stage,
            deployment(**{"replicas": 2, **spec}),
        ):
            assert resource is not None
            await self.session.apply(self._raw(resource), field_manager="git")

    def _raw(self, resource: Any) -> Raw:
        named = replace(resource.metadata, namespace=self.namespace, uid="", generation=0)
        raw = api.dump(replace(resource, metadata=named))
        raw.pop("status", None)
        return raw

    async def promote(self, number: int) -> None:
        self.git.stages["production"] = str(number)
        stage = self.git.stage("iris", "production")
        await self.session.apply(self._raw(stage), field_manager="git")

    async def deployment(self) -> api.ModelDeployment:
        raw = await self.session.get(kinds.MODEL_DEPLOYMENTS, NAME, self.namespace)
        conformance.check(raw)
        found = api.parse(raw)
        assert isinstance(found, api.ModelDeployment)
        return found

    async def condition(self, type_: str) -> str:
        found = api.conditions.find((await self.deployment()).status.conditions, type_)
        return f"{found.status}/{found.reason}" if found else ""

    async def until_condition(self, type_: str, wanted: str, *, seconds: float = PATIENCE) -> None:
        async def holds() -> bool:
            return await self.condition(type_) == wanted

        await until(holds, f"{type_} is {wanted}", seconds=seconds)

    async def until_served(self, number: int, *, seconds: float = PATIENCE) -> None:
        async def holds() -> bool:
            status = (await self.deployment()).status
            ready = api.conditions.is_true(status.conditions, "Ready")
            return ready and status.active is not None and status.active.version == str(number)

        await until(holds, f"version {number} is served", seconds=seconds)

    async def serves(self) -> dict[str, int]:
        """Return each version's share of traffic, as the route splits it."""
        route = await self.session.get(kube.HTTP_ROUTES, NAME, self.namespace)
        services = (await self.session.list(kube.SERVICES, self.namespace)).items
        versions = {raw["metadata"]["name"]: raw["metadata"]["labels"].get("mlgitops.dev/version") for raw in services}
        return {versions[entry["name"]]: entry["weight"] for entry in route["spec"]["rules"][-1]["backendRefs"]}

    async def sizes(self) -> dict[str, int]:
        """Return how many pods each version's Deployment asks for."""
        items = (await self.session.list(kube.DEPLOYMENTS, self.namespace)).items
        return {raw["metadata"]["labels"]["mlgitops.dev/version"]: raw["spec"]["replicas"] for raw in items}

    async def children(self) -> dict[tuple[str, str], str]:
        """Return the resourceVersion of every child by kind and name."""
        found = {}
        for resource in CHILD_KINDS:
            with contextlib.suppress(kube.NotFound):  # an API that this server does not serve
                for raw in (await self.session.list(resource, self.namespace)).items:
                    if raw["metadata"].get("ownerReferences"):
                        found[raw["kind"], raw["metadata"]["name"]] = raw["metadata"]["resourceVersion"]
        return found

    async def play(self) -> None:
        """Be the Deployment controller, the pods and the gateway, until told to stop."""
        while not self.over:
            with contextlib.suppress(kube.Conflict, kube.NotFound, kube.AlreadyExists, kube.Unavailable):
                await self._play_autoscaler()
                await self._play_pods()
                if self.gateway:
                    await self._play_gateway()
            await asyncio.sleep(0.03)

    async def _play_autoscaler(self) -> None:
        """Give every autoscaled Deployment its minimum, as a cluster without any load would."""
        for raw in (await self.session.list(kube.HORIZONTAL_POD_AUTOSCALERS, self.namespace)).items:
            name, floor = raw["spec"]["scaleTargetRef"]["name"], raw["spec"]["minReplicas"]
            owner = await self.session.get(kube.DEPLOYMENTS, name, self.namespace)
            if owner["spec"]["replicas"] < floor:
                body = {"spec": {"replicas": floor}}
                await self.session.patch(kube.DEPLOYMENTS, name, self.namespace, body, subresource="scale")

    async def _play_pods(self) -> None:
        wanted = {}
        for raw in (await self.session.list(kube.DEPLOYMENTS, self.namespace)).items:
            for number in range(raw["spec"]["replicas"]):
                wanted[f"{raw['metadata']['name']}-{number}"] = raw
        there = {raw["metadata"]["name"]: raw for raw in (await self.session.list(kube.PODS, self.namespace)).items}
        for name in there.keys() - wanted.keys():
            await self.session.delete(kube.PODS, name, self.namespace, grace_seconds=0)
        for name, owner in wanted.items():
            pod = there.get(name) or await self._create(name, owner)
            status = self._status_of(pod)
            if pod.get("status", {}).get("containerStatuses") != status.get("containerStatuses") or (
                pod.get("status", {}).get("initContainerStatuses") != status.get("initContainerStatuses")
            ):
                body = {"status": status}
                await self.session.patch(kube.PODS, name, self.namespace, body, subresource="status")

    async def _create(self, name: str, owner: Raw) -> Raw:
        template = owner["spec"]["template"]
        metadata = {"name": name, "namespace": self.namespace, "labels": template["metadata"]["labels"]}
        spec = {**template["spec"], "nodeName": "stand"}
        return await self.session.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def _status_of(self, pod: Raw) -> Raw:
        version = pod["metadata"]["labels"]["mlgitops.dev/version"]
        entry = {"image": "x", "imageID": "x", "restartCount": 0}
        if version in self.corrupt:
            ended = {"exitCode": 1, "reason": "Error", "message": self.corrupt[version]}
            fetch = {**entry, "name": "fetch", "ready": False, "state": {"terminated": _dated(ended)}}
            return {"phase": "Pending", "initContainerStatuses": [fetch]}
        if not self.healthy:
            return {}
        done = {**entry, "name": "fetch", "ready": True, "state": {"terminated": _dated({"exitCode": 0})}}
        runs = {**entry, "name": "server", "ready": True, "started": True, "state": {"running": {"startedAt": _THEN}}}
        return {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": _THEN}],
            "initContainerStatuses": [done],
            "containerStatuses": [runs],
        }

    async def _play_gateway(self) -> None:
        for raw in (await self.session.list(kube.HTTP_ROUTES, self.namespace)).items:
            generation = raw["metadata"]["generation"]
            parents = raw.get("status", {}).get("parents", [])
            if parents and parents[0]["conditions"][0]["observedGeneration"] == generation:
                continue
            conditions = [
                {"type": type_, "status": "True", "reason": type_, "message": "", "observedGeneration": generation}
                | {"lastTransitionTime": _THEN}
                for type_ in ("Accepted", "ResolvedRefs")
            ]
            parent = {"parentRef": {"name": "gateway"}, "controllerName": "example.com/stand", "conditions": conditions}
            body = {"status": {"parents": [parent]}}
            await self.session.patch(
                kube.HTTP_ROUTES, raw["metadata"]["name"], self.namespace, body, subresource="status"
            )


_THEN = "2026-11-24T12:00:00Z"


def _dated(ended: Raw) -> Raw:
    return {**ended, "startedAt": _THEN, "finishedAt": _THEN}


@contextlib.asynccontextmanager
async def operator(stand: Stand) -> AsyncIterator[Manager]:
    """Run our reconcilers in this process on the stand's namespace."""
    controllers = [
        replace(controller, reconcile=stand.noting(controller))
        for controller in (deployments.controller(), stages.controller(), overrides.controller())
    ]
    stand.reconciled.clear()
    manager = Manager(stand.session, controllers, field_manager="mlgitops", namespace=stand.namespace)
    running = asyncio.create_task(manager.run())
    try:
        yield manager
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def standing(cluster: Cluster, namespace: str) -> AsyncIterator[Stand]:
    """Open a stand on a namespace, its node and gateway played until the end."""
    await asyncio.to_thread(install_gateway_api, cluster)
    async with kube.Session(kube.login(cluster.kubeconfig)) as session:
        stand = Stand(session, namespace)
        playing = asyncio.create_task(stand.play())
        try:
            async with conformance.witnessed(session, namespace):
                yield stand
        finally:
            # Not cancelled: a request that is broken off leaves its connection open behind it.
            stand.over = True
            await playing
