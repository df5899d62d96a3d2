"""The life of one pod: volumes, init containers in order, containers side by side, its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from mlgitops.errors import MlgitopsError
from mlgitops.kube import CONFIG_MAPS, PODS, SECRETS, Conflict, NotFound, Session
from mlgitops.local.node import output, status
from mlgitops.local.node.container import Container
from mlgitops.local.node.launch import Surroundings
from mlgitops.local.node.leftovers import Register
from mlgitops.local.node.programs import ImageTable
from mlgitops.local.node.status import State, is_sidecar
from mlgitops.local.node.variables import Raw, texts
from mlgitops.local.node.volumes import Volumes

logger = logging.getLogger(__name__)

_RETRY = 1.0  # seconds
_REFRESH = 30.0  # seconds between looks at ConfigMaps, Secrets and tokens


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
        self._around = Surroundings(
            pod=lambda: {**self.raw, "status": {**(self.raw.get("status") or {}), **status.addresses(address)}},
            address=address,
            folder=folder,
            volume=self._volumes.place,
            images=images,
            given={**given, "MLGITOPS_BIND": address},
            read=self._read,
            http=http,
            register=register,
            changed=self._notice,
        )
        self.inits = [self._container(spec, init=True) for spec in raw["spec"].get("initContainers", ())]
        self.mains = [self._container(spec) for spec in raw["spec"]["containers"]]
        self._started_at = (raw.get("status") or {}).get("startTime") or output.seconds()
        self._failure = ("", "")
        self._sent: Raw | None = None
        self._dirty = asyncio.Event()
        self._ending = asyncio.Event()
        self._grace = self._own_grace
        self._tasks: list[asyncio.Task[None]] = []

    def _container(self, spec: Raw, *, init: bool = False) -> Container:
        entries = (self.raw.get("status") or {}).get("initContainerStatuses" if init else "containerStatuses") or ()
        old: Raw = next((entry for entry in entries if entry["name"] == spec["name"]), {})
        if init and not self._folder.exists():
            old = {}  # what it had prepared is gone
        state = status.resumed(old, self._policy(spec, init=init), output.now())
        if self.raw["spec"].get("initContainers") and not init and state == State():
            state = replace(state, waiting="PodInitializing")
        return Container(spec, self._around, state)

    # --- what the agent calls

    def start(self) -> None:
        """Begin to run the pod in the background."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._tasks = [asyncio.create_task(self._live()), asyncio.create_task(self._report())]
        self._notice()

    def update(self, raw: Raw) -> None:
        """Take what the API server has now; a deletion begins the end."""
        self.raw = self._volumes.pod = raw
        self._notice()
        if raw["metadata"].get("deletionTimestamp"):
            self._end(float(raw["metadata"].get("deletionGracePeriodSeconds") or 0))

    async def kill(self, grace: float = 0) -> None:
        """End every process without its hook, by SIGTERM when there is time; the API server is told nothing."""
        await self._cancel(*self._tasks[1:])
        await asyncio.gather(*(container.stop(grace, hook=False) for container in self._containers))
        await self._cancel(*self._tasks)

    def forget(self) -> None:
        """Remove what the pod left on disk."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def container(self, name: str) -> Container | None:
        """Return a container by its name."""
        return next((found for found in self._containers if found.name == name), None)

    # --- its life

    async def _live(self) -> None:
        body = asyncio.create_task(self._body())
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({body, ending}, timeout=self._time_left(), return_when=asyncio.FIRST_COMPLETED)
            if not body.done() and not ending.done():
                limit = self.raw["spec"]["activeDeadlineSeconds"]
                self._failure = ("DeadlineExceeded", f"the pod was active for longer than {limit} s")
                await self._stop_all(self._own_grace)
            elif body.done() and body.exception():
                logger.error("pod %s could not be run on", self.raw["metadata"]["name"], exc_info=body.exception())
                self._failure = ("NodeFailed", f"the process node failed: {body.exception()}")
                for container in self._containers:
                    container.lose(self._failure[1])
                self._notice()
            await ending
            await self._stop_all(self._grace)
        finally:
            await self._cancel(body, ending)
        await self._leave()

    async def _body(self) -> None:
        if self._ending.is_set():
            return
        await self._until_done(self._volumes.fill)
        beside: list[asyncio.Task[None]] = []
        refreshing = asyncio.create_task(self._refresh())
        try:
            if await self._initialize(beside):
                async with asyncio.TaskGroup() as group:
                    for container in self.mains:
                        group.create_task(container.run(self._policy(container.spec)))
            await self._stop_sidecars(self._own_grace)
            await asyncio.gather(*beside)
        finally:
            await self._cancel(refreshing, *beside)

    async def _initialize(self, beside: list[asyncio.Task[None]]) -> bool:
        """Run the init containers in order, the sidecars among them beside the others; answer whether to go on."""
        for container in self.inits:
            policy = self._policy(container.spec, init=True)
            if is_sidecar(container.spec):
                beside.append(asyncio.create_task(container.run(policy)))
                await container.started.wait()
            else:
                await container.run(policy)
                ended = container.state.ended
                if self._ending.is_set() or ended is None or ended.exit_code:
                    return False
        return True

    def _end(self, grace: float) -> None:
        """End the pod within ``grace`` seconds; a shorter time than before is taken too."""
        if not self._ending.is_set():
            self._grace = grace
            self._ending.set()
        elif grace < self._grace:
            self._grace = grace
            self._tasks.append(asyncio.create_task(self._stop_all(grace)))

    async def _stop_all(self, grace: float) -> None:
        """Stop the containers, then the sidecars in reverse order, all within one time."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + grace
        once = [entry for entry in self.inits if not is_sidecar(entry.spec)]
        await asyncio.gather(*(container.stop(grace) for container in (*once, *self.mains)))
        await self._stop_sidecars(max(deadline - clock(), 0))

    async def _stop_sidecars(self, grace: float) -> None:
        for container in reversed(self.inits):
            if is_sidecar(container.spec):
                await container.stop(grace)

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
        self.forget()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH)
            try:
                await self._volumes.fill(again=True)
            except (MlgitopsError, OSError) as error:
                logger.warning("pod %s: its volumes could not be refreshed: %s", self.raw["metadata"]["name"], error)

    async def _until_done(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do something that needs the API server until it works; containers that wait for it say why."""
        while True:
            try:
                return await action()
            except (MlgitopsError, OSError) as error:
                for container in self._containers:
                    if container.state.last is None:
                        container.wait_because(container.state.waiting, str(error))
                await asyncio.sleep(_RETRY)

    # --- what the API server is told

    def _notice(self) -> None:
        self._dirty.set()

    async def _report(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._send()
            except (MlgitopsError, OSError) as error:
                logger.warning("pod %s: its status could not be written: %s", self.raw["metadata"]["name"], error)
                await asyncio.sleep(_RETRY)
                self._dirty.set()

    async def _send(self) -> None:
        reason, message = self._failure
        found = status.pod_status(
            {**self.raw, "status": status.merged(self.raw.get("status") or {}, self._sent)},
            self.address,
            {container.name: container.state for container in self._containers},
            now=output.seconds(),
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

    # --- parts

    @property
    def _containers(self) -> list[Container]:
        return [*self.inits, *self.mains]

    @property
    def _own_grace(self) -> float:
        return float(self.raw["spec"].get("terminationGracePeriodSeconds", 30))

    def _time_left(self) -> float | None:
        """Return the seconds until its deadline, counted from its start whichever node saw that; None without one."""
        limit = self.raw["spec"].get("activeDeadlineSeconds")
        age = datetime.now(UTC) - datetime.fromisoformat(self._started_at)
        return None if limit is None else max(limit - age.total_seconds(), 0)

    def _policy(self, spec: Raw, *, init: bool = False) -> str:
        policy = str(self.raw["spec"].get("restartPolicy", "Always"))
        if init:
            return "Always" if is_sidecar(spec) else "OnFailure" if policy == "Always" else policy
        return policy

    async def _cancel(self, *tasks: asyncio.Task[None] | asyncio.Task[bool]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, kind: str, name: str) -> Mapping[str, str]:
        resource = CONFIG_MAPS if kind == "ConfigMap" else SECRETS
        raw = await self._session.get(resource, name, self.raw["metadata"]["namespace"])
        return texts({**raw, "kind": kind})
