"""One node: the pods that are bound to it, each run by a ``PodRunner``, and all ended with it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import shutil
import ssl
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from mlgitops.errors import NotFoundError
from mlgitops.kube import PODS, Change, KubeError, Reflector, Session
from mlgitops.local.node import guard, leftovers, output
from mlgitops.local.node.kubelet import Kubelet
from mlgitops.local.node.leftovers import Register
from mlgitops.local.node.output import Output
from mlgitops.local.node.pod import PodRunner
from mlgitops.local.node.programs import ImageTable
from mlgitops.local.node.registration import Registration
from mlgitops.local.node.status import HOST
from mlgitops.local.node.variables import Raw

logger = logging.getLogger(__name__)

_FIRST_ADDRESS = 256  # the addresses before are the cluster's own parts'
_GOODBYE = 2.0  # seconds that pods' processes get when the node ends


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
        earlier = leftovers.end_earlier(settings.folder / "processes")
        if earlier:
            logger.warning("ended %d processes that an earlier node left running", earlier)
        # A register for each node that ever was: the guard of the last one may still be at work on its own.
        self._remembered = settings.folder / "processes" / str(os.getpid())
        self._register = Register(self._remembered)
        self._pods: dict[str, PodRunner] = {}
        self._reflector = Reflector(session, PODS, field_selector=f"spec.nodeName={settings.name}")
        self._addresses = self._all_addresses()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, over: asyncio.Event) -> None:
        """Be a node until ``over`` is set; then end every pod's processes."""
        guarding = await guard.start(self._remembered)
        kubelet = Kubelet(self._output, self._settings.hint)
        port = await kubelet.start(HOST, self._tls)
        registering = asyncio.create_task(Registration(self._session, self._settings.name, port).keep())
        self._reflector.subscribe(self._on_change)
        async with self._reflector:
            self._in_background(self._sweep())
            await over.wait()
        for task in (registering, *self._tasks):
            task.cancel()
        await asyncio.gather(registering, *self._tasks, return_exceptions=True)
        await asyncio.gather(*(pod.kill(_GOODBYE) for pod in self._pods.values()))
        await kubelet.stop()
        await guard.dismiss(guarding)

    def _on_change(self, change: Change) -> None:
        uid = change.latest["metadata"]["uid"]
        if change.old is not None and change.old["metadata"]["uid"] != uid:
            self._lose(change.old["metadata"]["uid"])  # another pod of the same name took its place unseen
        if change.new is None:
            self._lose(uid)
        elif uid in self._pods:
            self._pods[uid].update(change.new)
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
            folder=self._folder(uid),
            images=self._settings.images,
            register=self._register,
            given=self._settings.given,
        )
        self._pods[uid] = runner
        runner.start()
        runner.update(raw)

    def _lose(self, uid: str) -> None:
        self._in_background(self._forget(uid))

    async def _forget(self, uid: str) -> None:
        runner = self._pods.get(uid)
        if runner is not None:
            await runner.kill()
            self._pods.pop(uid, None)
        shutil.rmtree(self._folder(uid), ignore_errors=True)

    async def _finish(self, raw: Raw) -> None:
        """Let the API server forget a pod that had ended before this node began."""
        metadata = raw["metadata"]
        with contextlib.suppress(KubeError):
            await self._session.delete(
                PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"], grace_seconds=0
            )

    async def _sweep(self) -> None:
        """Remove the folders of pods that went while no node ran."""
        await self._reflector.wait_synced()
        known = {raw["metadata"]["uid"] for raw in self._reflector.cache.values()}
        folder = self._folder("")
        for left in [path for path in folder.iterdir() if path.name not in known] if folder.is_dir() else ():
            shutil.rmtree(left, ignore_errors=True)

    def _output(self, namespace: str, pod: str, container: str, previous: bool) -> Output:
        raw = self._reflector.cache.get((namespace, pod))
        uid = raw["metadata"]["uid"] if raw else ""
        running = self._pods[uid].container(container) if uid in self._pods else None
        if running is not None:
            return running.output(previous=previous)
        # A pod that had ended before this node began.
        logs = output.logs(self._folder(uid), container)[: -1 if previous else None] if uid else []
        if not logs:
            raise NotFoundError(f"no log of container {container} of pod {pod} here")
        return output.finished(logs[-1])

    def _folder(self, uid: str) -> Path:
        return self._settings.folder / "pods" / uid

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
