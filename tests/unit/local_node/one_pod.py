"""One container of a pod, run with real processes and no API server."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from cluster.waiting import until
from mlgitops.kube import NotFound
from mlgitops.local.node import output
from mlgitops.local.node.container import Container
from mlgitops.local.node.launch import Surroundings
from mlgitops.local.node.leftovers import Register
from mlgitops.local.node.output import Wish
from mlgitops.local.node.programs import ImageTable, Program
from mlgitops.local.node.status import State

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
POLITE = "import signal; print('up', flush=True); signal.pause()"


class Pod:
    """One pod's surroundings; every state that its container goes through is kept."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession) -> None:
        self.folder = folder
        self.states: list[State] = []
        self.register = Register(folder / "processes")
        self.settings: dict[str, str] = {}
        self.reads, self.may_read = asyncio.Event(), asyncio.Event()
        self.may_read.set()
        self.container: Container
        self._around = Surroundings(
            pod=lambda: {"metadata": {"name": "pod", "uid": "u"}, "spec": {"terminationGracePeriodSeconds": 5}},
            address="127.0.0.1",
            folder=folder,
            volume=lambda name: folder / "volumes" / name,
            images=ImageTable({"python": Program(Path(sys.executable), {"FROM_IMAGE": "yes"})}, "images.json"),
            given={"MLGITOPS_BIND": "127.0.0.1"},
            read=self._read,
            http=http,
            register=self.register,
            changed=lambda: self.states.append(self.container.state),
        )

    async def _read(self, kind: str, name: str) -> Mapping[str, str]:
        self.reads.set()
        await self.may_read.wait()
        if not self.settings:
            raise NotFound(f"{kind} {name}", "not found", status=404, reason="NotFound")
        return self.settings

    def start(self, code: str, *, policy: str = "Never", **spec: Any) -> asyncio.Task[None]:
        spec = {"name": "main", "image": "python", "command": ["python", "-c", code], **spec}
        self.container = Container(spec, self._around, State())
        return asyncio.create_task(self.container.run(policy))

    @property
    def state(self) -> State:
        return self.container.state

    def printed(self, *, previous: bool = False) -> str:
        return output.read(self.container.output(previous=previous).path, Wish())[0].decode()

    async def until_up(self) -> None:
        await until(lambda: self.state.running and "up" in self.printed())


@contextlib.asynccontextmanager
async def pod(folder: Path) -> AsyncIterator[Pod]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        found = Pod(folder, http)
        try:
            yield found
        finally:
            await found.container.stop(0)
