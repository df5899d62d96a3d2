"""The life of one pod: volumes, init containers in order, containers side by side, its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp

from mlgitops.errors import MlgitopsError
from mlgitops.kube import CONFIG_MAPS, PODS, SECRETS, Conflict, NotFound, Session
from mlgitops.local.node import output, status
from mlgitops.local.node.container import Container, Surroundings
from mlgitops.local.node.leftovers import Register
from mlgitops.local.node.programs import ImageTable
from mlgitops.local.node.status import State, is_sidecar
from mlgitops.local.node.variables import Raw, texts
from mlgitops.local.node.volumes import Volumes

logger = logging.getLogger(__name__)

_RETRY = 1.0  # seconds
_REFRESH = 30.0  # seconds between looks at ConfigMaps, Secrets and tokens
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class PodRunner:
    """Runs one pod; ``raw`` is the pod as the API server had it last."""

    def __init__(
        self,
        raw: Raw,
        *,
        session: Session,
        http: aiohttp.ClientSession,
        address: str,
        folder: Path,
        images: ImageTable,
        register: Register,
        given: Mapping[str, str],
    ) -> None:
        self.raw = raw
        self.address = address
        self._session = session
        self._folder = folder
        self._volumes = Volumes(session, raw, folder / "volumes")
        self._given = {"MLGITOPS_BIND": address, **given, **self._account()}
        around = Surroundings(
            pod=lambda: {**self.raw, "status": {**(self.raw.get("status") or {}), **self._addresses()}},
            address=address,
            folder=folder,
            volume=self._volumes.place,
            images=images,
            given=self._given,
            read=self._read,
            http=http,
            register=register,
            changed=self._notice,
        )
        spec = raw["spec"]
        self.inits = [Container(entry, around) for entry in spec.get("initContainers", ())]
        self.mains = [Container(entry, around) for entry in spec["containers"]]
        self._started_at = (raw.get("status") or {}).get("startTime") or output.now()[:19] + "Z"
        self._failure = ("", "")
        self._sent: Raw | None = None
        self._dirty = asyncio.Event()
        self._ending = asyncio.Event()
        self._grace: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # --- what the agent calls

    def start(self) -> None:
        """Begin to run the pod in the background."""
        self._tasks = [asyncio.create_task(self._live()), asyncio.create_task(self._report())]
        self._notice()

    def update(self, raw: Raw) -> None:
        """Take what the API server has now; a deletion begins the end."""
        self.raw = raw
        if raw["metadata"].get("deletionTimestamp"):
            self.end(float(raw["metadata"].get("deletionGracePeriodSeconds") or 0))

    def end(self, grace: float) -> None:
        """End the pod within ``grace`` seconds; a shorter time than before is taken too."""
        if self._grace is None or grace < self._grace:
            self._grace = grace
            self._ending.set()

    async def kill(self) -> None:
        """End every process at once and forget the pod, as when the API server has forgotten it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(container.stop(0) for container in self._containers))
        shutil.rmtree(self._folder, ignore_errors=True)

    def container(self, name: str) -> Container | None:
        """Return a container by its name."""
        return next((found for found in self._containers if found.name == name), None)

    @property
    def _containers(self) -> list[Container]:
        return [*self.inits, *self.mains]

    # --- its life

    async def _live(self) -> None:
        body = asyncio.create_task(self._body())
        refresh = asyncio.create_task(self._refresh())
        ending = asyncio.create_task(self._ending.wait())
        try:
            limit = self.raw["spec"].get("activeDeadlineSeconds")
            await asyncio.wait({body, ending}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not body.done() and not ending.done():
                self._failure = ("DeadlineExceeded", f"the pod was active for longer than {limit} s")
                self._grace = float(self.raw["spec"].get("terminationGracePeriodSeconds", 30))
                await self._stop_all()
            await ending
            await self._stop_all()
        finally:
            for task in (body, refresh, ending):
                task.cancel()
            await asyncio.gather(body, refresh, ending, return_exceptions=True)
        await self._leave()

    async def _body(self) -> None:
        await self._until_done(self._volumes.fill)
        policy = self.raw["spec"].get("restartPolicy", "Always")
        running: list[asyncio.Task[None]] = []
        try:
            for container in self.inits:
                if is_sidecar(container.spec):
                    running.append(asyncio.create_task(container.run("Always")))
                    await container.started.wait()
                    continue
                await container.run("OnFailure" if policy == "Always" else policy)
                if self._ending.is_set() or (container.state.ended and container.state.ended.exit_code):
                    return
            await asyncio.gather(*(container.run(policy) for container in self.mains))
        finally:
            for task in running:
                task.cancel()
            for container in self.inits:
                if is_sidecar(container.spec):
                    await container.stop(self._grace or 0)

    async def _stop_all(self) -> None:
        """Stop the containers, then the sidecars in reverse order."""
        assert self._grace is not None
        await asyncio.gather(*(container.stop(self._grace) for container in self.mains))
        for container in reversed(self.inits):
            await container.stop(self._grace)

    async def _leave(self) -> None:
        """Say how it ended, and let the API server forget the pod."""
        await self._until_done(self._send)
        metadata = self.raw["metadata"]

        async def delete() -> None:
            with contextlib.suppress(Conflict, NotFound):
                await self._session.delete(
                    PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"], grace_seconds=0
                )

        await self._until_done(delete)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH)
            try:
                await self._volumes.fill(again=True)
            except MlgitopsError as error:
                logger.warning("pod %s: its volumes could not be refreshed: %s", self.raw["metadata"]["name"], error)

    async def _until_done(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do something that needs the API server until it works; the pod's containers say what is wrong."""
        while True:
            try:
                await action()
            except (MlgitopsError, OSError) as error:
                for container in self._containers:
                    if not container.state.running and not container.state.ended:
                        container.state = State("ContainerCreating", str(error), restarts=container.state.restarts)
                self._notice()
                await asyncio.sleep(_RETRY)
            else:
                return

    # --- what the API server is told

    def _notice(self) -> None:
        self._dirty.set()

    async def _report(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._send()
            except NotFound:
                return
            except (MlgitopsError, OSError) as error:
                logger.warning("pod %s: its status could not be written: %s", self.raw["metadata"]["name"], error)
                await asyncio.sleep(_RETRY)
                self._dirty.set()

    async def _send(self) -> None:
        states = {container.name: container.state for container in self._containers}
        reason, message = self._failure
        found = status.pod_status(
            self.raw if self._sent is None else {**self.raw, "status": self._sent},
            self.address,
            states,
            now=output.now()[:19] + "Z",
            started_at=self._started_at,
            reason=reason,
            message=message,
        )
        if found == self._sent:
            return
        metadata = self.raw["metadata"]
        body = {"metadata": {"uid": metadata["uid"]}, "status": found}
        with contextlib.suppress(NotFound, Conflict):  # gone, or another pod of the same name: nothing to tell
            await self._session.patch(PODS, metadata["name"], metadata["namespace"], body, subresource="status")
        self._sent = found

    def _addresses(self) -> Raw:
        return {
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "hostIP": status.HOST,
            "hostIPs": [{"ip": status.HOST}],
        }

    async def _read(self, kind: str, name: str) -> Mapping[str, str]:
        resource = CONFIG_MAPS if kind == "ConfigMap" else SECRETS
        raw = await self._session.get(resource, name, self.raw["metadata"]["namespace"])
        return texts({**raw, "kind": kind})

    def _account(self) -> dict[str, str]:
        for entry in self.raw["spec"]["containers"]:
            for mount in entry.get("volumeMounts", ()):
                if mount["mountPath"] == _ACCOUNT:
                    return {"MLGITOPS_SERVICE_ACCOUNT": str(self._volumes.place(mount["name"]))}
        return {}
