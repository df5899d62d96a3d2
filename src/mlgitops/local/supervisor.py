"""One process per cluster that starts its parts, restarts what dies and takes all down with it.

``python -m mlgitops.local.supervisor FOLDER``. It reports on stdout, one JSON object a
line: ``{"started": PART}``, then ``{"ready": true}`` or ``{"error": MESSAGE}``. It also
ends when its stdin does, which the kernel closes even when the process at the other end
is killed, until it reads there that it may stay (``layout.LET_GO``).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mlgitops.errors import MlgitopsError, OutsideError
from mlgitops.local import addresses, binaries, bootstrap, components, credentials, processes
from mlgitops.local.layout import ALL_PARTS, LET_GO, NODE_NAME, Endpoints, Layout, Process

_STORAGE = ("etcd", "kube-apiserver")
_READY_WITHIN = 60.0  # seconds
_FIRST_RESTART, _LAST_RESTART = 0.1, 5.0  # seconds between restarts of a part that keeps dying
_TRIES = 4  # starts of a part until a cluster that is coming up gives up
_LIVED = 10.0  # seconds after which a death counts as the first again
# The node needs time to end its pods, etcd to close its files; the others hold nothing but what etcd has.
_GRACE = {"node": 15.0, "etcd": 5.0, "kube-apiserver": 0.0}
_PREFERRED = {"api": 6443, "gateway": 8080}


class Part:
    """One process that is kept alive."""

    def __init__(self, name: str, command: list[str], layout: Layout, on_start: Callable[[], None]) -> None:
        self.name = name
        self.restarts = 0
        self._command = command
        self._layout = layout
        self._on_start = on_start
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process that was started last."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process and keep it alive from now on."""
        process = await self._spawn(append=False)
        self._keeper = asyncio.create_task(self._keep(process))

    async def _spawn(self, *, append: bool) -> asyncio.subprocess.Process:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        log, folder = self._layout.log(self.name), self._layout.folder
        self._process = await processes.spawn(self._command, log, append=append, folder=folder, environment=environment)
        self._on_start()
        return self._process

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        clock = asyncio.get_running_loop().time
        wait = _FIRST_RESTART
        while True:
            began = clock()
            code = await process.wait()
            wait = _FIRST_RESTART if clock() - began > _LIVED else wait
            print(f"{self.name} ended with {code}; restarting in {wait:.1f} s", file=sys.stderr, flush=True)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LAST_RESTART)
            self.restarts += 1
            process = await self._spawn(append=True)

    async def stop(self) -> None:
        """Stop keeping the process alive, then end it."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._process is not None:
            await processes.stop(self._process, _GRACE.get(self.name, 2.0))


class Supervisor:
    """Starts the parts of one cluster in their order and stops them in the reverse."""

    def __init__(self, layout: Layout, parts: tuple[str, ...], report: Callable[..., None]) -> None:
        self._layout = layout
        self._report = report
        self._programs = binaries.find()
        last = layout.read_endpoints()
        self._block = addresses.claim(last.block if last else None)
        self._ends = _endpoints(self._block, last)
        commands = {part: components.command(part, self._programs, layout, self._ends) for part in parts}
        self._parts = {part: Part(part, commands[part], layout, self._write_parts) for part in parts}

    async def run(self, stopping: asyncio.Event) -> None:
        """Bring the cluster up, report, and take it down when ``stopping`` is set."""
        up = asyncio.create_task(self._up())
        ended = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({up, ended}, return_when=asyncio.FIRST_COMPLETED)
            if up.done():
                up.result()
                self._report(ready=True)
            await ended
        finally:
            for task in (up, ended):
                task.cancel()
            await asyncio.gather(up, ended, return_exceptions=True)
            await self._down()

    async def _up(self) -> None:
        began = datetime.now(UTC)
        # A new certificate each time: it names the address, and ends after a year.
        shutil.rmtree(self._layout.certificates, ignore_errors=True)
        credentials.prepare(self._layout)
        self._layout.write_endpoints(self._ends)
        await self._start(*_STORAGE)
        await self._until("kube-apiserver", lambda: bootstrap.is_ready(self._layout, self._ends))
        credentials.write_kubeconfig(self._layout, self._ends)
        await self._start(*(part for part in self._parts if part not in (*_STORAGE, "gateway")))
        if "gateway" in self._parts:
            # Its kinds first, or its watches would begin with a wait.
            crds = self._programs.gateway_crds
            await asyncio.to_thread(bootstrap.install_gateway, self._layout, self._ends, crds)
            await self._start("gateway")
            await self._until("gateway", lambda: bootstrap.gateway_is_ready(self._ends))
        if "node" in self._parts:
            await self._until("node", lambda: bootstrap.node_is_ready(self._layout, self._ends, NODE_NAME, began))

    def _write_parts(self) -> None:
        running = {name: (part.pid, part.restarts) for name, part in self._parts.items()}
        self._layout.write_parts({name: Process(pid, count) for name, (pid, count) in running.items() if pid})

    async def _start(self, *parts: str) -> None:
        for part in parts:
            await self._parts[part].start()
            self._report(started=part)

    async def _until(self, part: str, is_ready: Callable[[], bool]) -> None:
        """Wait until a part is ready.

        Raises:
            OutsideError: it took too long or keeps ending; the message shows the end of its log.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + _READY_WITHIN
        while not await asyncio.to_thread(is_ready):
            for name, started in self._parts.items():
                if started.restarts >= _TRIES:
                    raise OutsideError(f"{name} keeps ending; {self._tail(name)}")
            if clock() > deadline:
                raise OutsideError(f"{part} was not ready after {_READY_WITHIN:.0f} s; {self._tail(part)}")
            await asyncio.sleep(0.05)

    def _tail(self, part: str) -> str:
        log = self._layout.log(part)
        return f"{log} ends:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-10:])

    async def _down(self) -> None:
        """End the parts that use the API server first, then it, then its storage."""
        users = [part for name, part in self._parts.items() if name not in _STORAGE]
        await asyncio.gather(*(part.stop() for part in users))
        for name in reversed(_STORAGE):
            await self._parts[name].stop()
        self._block.claim.close()


def _endpoints(block: addresses.Block, last: Endpoints | None) -> Endpoints:
    """Return where this cluster will listen: where it listened last, if it still can."""
    wanted = {port: getattr(last, port) for port in _PREFERRED} if last else _PREFERRED
    ports = {port: addresses.free_port(block.address, number) for port, number in wanted.items()}
    return Endpoints(block=block.number, address=block.address, pods=block.pods, **ports)


def _report(**fact: object) -> None:
    """Tell the process that started us; it may have gone since."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(fact), flush=True)


async def _supervise(layout: Layout, parts: tuple[str, ...]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)

    def owner_spoke_or_ended() -> None:
        loop.remove_reader(0)
        if os.read(0, len(LET_GO)) != LET_GO:
            stopping.set()

    loop.add_reader(0, owner_spoke_or_ended)
    await Supervisor(layout, parts, _report).run(stopping)


def main() -> int:
    """Supervise one cluster until told to stop; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m mlgitops.local.supervisor", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", default=",".join(ALL_PARTS), help="what to start, comma-separated")
    chosen = parser.parse_args()
    try:
        asyncio.run(_supervise(Layout(chosen.folder), tuple(chosen.parts.split(","))))
    except MlgitopsError as error:
        _report(error=str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
