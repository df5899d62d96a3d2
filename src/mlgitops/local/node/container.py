"""The life of one container: start, hooks, probes, restart with back-off, end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from mlgitops.errors import InputError, NotFoundError
from mlgitops.kube import KubeError
from mlgitops.local.node import output, probes
from mlgitops.local.node.leftovers import Register, kill_group
from mlgitops.local.node.mounts import Mounts
from mlgitops.local.node.programs import ImageTable
from mlgitops.local.node.status import Ended, State
from mlgitops.local.node.variables import Raw, Reader, expand, variables
from mlgitops.local.processes import dying_with

_FIRST_PAUSE = 1.0  # seconds before the first restart; the kubelet's is 10
_LONGEST_PAUSE = 300.0
_FORGIVEN_AFTER = 600.0  # seconds of running after which the pause is short again
_LONGEST_MESSAGE = 4096  # bytes of a termination message
_TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all containers of a pod share."""

    pod: Callable[[], Raw]
    address: str
    folder: Path
    volume: Callable[[str], Path]
    images: ImageTable
    given: Mapping[str, str]
    read: Reader
    http: aiohttp.ClientSession
    register: Register
    changed: Callable[[], None]


class Container:
    """One container; ``state`` is what is known of it."""

    def __init__(self, spec: Raw, around: Surroundings) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.state = State()
        self.started = asyncio.Event()  # it runs, and its startup probe, if any, has succeeded
        self.ended = asyncio.Event()
        self._around = around
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._killed_for = ""
        self._environment: dict[str, str] = {}
        self._mounts = Mounts({})

    # --- what others ask

    def log(self, *, previous: bool = False) -> Path:
        """Return the log of the present process, or of the one before."""
        return self._around.folder / "logs" / f"{self.name}.{self.state.restarts - previous}.log"

    # --- its life

    async def run(self, policy: str) -> None:
        """Run it until it ends for good by its restart policy (Always, OnFailure, Never), or is stopped."""
        pause = _FIRST_PAUSE
        clock = asyncio.get_running_loop().time
        try:
            while not self._stopping.is_set():
                began = clock()
                ended = await self._once()
                if ended is not None:
                    over = policy == "Never" or (policy == "OnFailure" and ended.exit_code == 0)
                    if over or self._stopping.is_set():
                        self._set(State(ended=ended, last=self.state.last, restarts=self.state.restarts))
                        return
                    pause = _FIRST_PAUSE if clock() - began > _FORGIVEN_AFTER else pause
                    message = f"back-off {pause:.0f}s restarting failed container={self.name}"
                    waiting = "CrashLoopBackOff"
                    self._set(State(waiting, message, last=ended, restarts=self.state.restarts))
                if not await self._pause(pause) and ended is not None:
                    self._set(replace(self.state, restarts=self.state.restarts + 1))
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            self.ended.set()

    async def stop(self, grace: float) -> None:
        """End it within ``grace`` seconds: its preStop hook, SIGTERM, and SIGKILL to whatever is left."""
        self._stopping.set()
        self._set(replace(self.state, ready=False))
        process = self._process
        if process is None:
            return
        clock = asyncio.get_running_loop().time
        deadline = clock() + grace
        hook = self.spec.get("lifecycle", {}).get("preStop")
        with contextlib.suppress(TimeoutError, InputError):
            if hook and grace:
                await asyncio.wait_for(probes.succeeds(hook, self._target(), grace), grace)
        if grace and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), max(deadline - clock(), 0))
        kill_group(process.pid)

    # --- inside

    async def _once(self) -> Ended | None:
        """Run the process once; None when it could not be started, with the reason in the state."""
        try:
            process = await self._start()
        except NotFoundError as error:
            self._wait("ErrImageNeverPull" if "image" in str(error) else "CreateContainerConfigError", str(error))
            return None
        except (InputError, KubeError) as error:
            self._wait("CreateContainerConfigError", str(error))
            return None
        except OSError as error:
            self._wait("RunContainerError", f"cannot start: {error}")
            return None
        began = self.state.running_since
        watcher = asyncio.create_task(self._watch())
        outputs = [asyncio.create_task(output.record(s, self.log())) for s in (process.stdout, process.stderr) if s]
        try:
            await process.wait()
        finally:
            watcher.cancel()
            kill_group(process.pid)
            self._around.register.remove(process.pid)
        # A process that left the group and holds the pipes open must not hold up the container's end.
        _, open_ = await asyncio.wait(outputs, timeout=1)
        for task in open_:
            task.cancel()
        self._process = None
        return self._judge(process, began)

    async def _start(self) -> Process:
        program = self._around.images.find(self.spec.get("image", ""))
        pod = self._around.pod()
        self._mounts = self._mount()
        bin_folder = str(program.python.parent)
        given = {
            "PATH": f"{bin_folder}{os.pathsep}{os.defpath}",
            "HOME": str(self._around.folder),
            "HOSTNAME": pod["metadata"]["name"],
            **program.variables,
            **self._around.given,
            "MLGITOPS_TERMINATION_LOG": self.spec.get("terminationMessagePath", _TERMINATION_LOG),
        }
        found = await variables(pod, self.spec, given, self._around.read)
        self._environment = {name: self._mounts.rewrite(value) for name, value in found.items()}
        command = [expand(part, found) for part in self.spec.get("command") or program.entrypoint]
        command += [expand(part, found) for part in self.spec.get("args", ())]
        if not command:
            raise InputError(f"image {self.spec['image']} has no entrypoint; give the container a command")
        self.log().parent.mkdir(parents=True, exist_ok=True)
        process = await self._spawn(self._mounts.rewrite_all(command), output_to=PIPE)
        self._process = process
        self._killed_for = ""
        self._around.register.add(process.pid)
        no_startup = "startupProbe" not in self.spec
        self._set(
            State(
                running_since=output.now(),
                container_id=f"process://{process.pid}",
                last=self.state.last,
                restarts=self.state.restarts,
                started=no_startup,
                ready=no_startup and "readinessProbe" not in self.spec,
            )
        )
        return process

    async def _spawn(self, command: list[str], *, output_to: int) -> Process:
        folder = self.spec.get("workingDir")
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=output_to,
            stderr=output_to,
            env=self._environment,
            cwd=self._mounts.rewrite(folder) if folder else self._around.folder,
            start_new_session=True,
            preexec_fn=dying_with(os.getpid()),
        )

    def _mount(self) -> Mounts:
        places = {}
        for mount in self.spec.get("volumeMounts", ()):
            below = mount.get("subPath", "")
            if ".." in Path(below).parts:
                raise InputError(f"subPath {below!r} leaves its volume")
            places[mount["mountPath"]] = self._around.volume(mount["name"]) / below
        places[self.spec.get("terminationMessagePath", _TERMINATION_LOG)] = self._message_file
        self._message_file.parent.mkdir(parents=True, exist_ok=True)
        self._message_file.write_bytes(b"")
        return Mounts(places)

    @property
    def _message_file(self) -> Path:
        return self._around.folder / "termination" / self.name

    def _target(self) -> probes.Target:
        ports = {port["name"]: port["containerPort"] for port in self.spec.get("ports", ()) if "name" in port}
        return probes.Target(self._around.address, ports, self._around.http, self._execute)

    async def _execute(self, command: list[str], seconds: float) -> int:
        process = await self._spawn(self._mounts.rewrite_all(command), output_to=DEVNULL)
        try:
            return await asyncio.wait_for(process.wait(), seconds)
        finally:
            kill_group(process.pid)

    async def _watch(self) -> None:
        """Run the postStart hook, then the probes; the startup probe holds the others back."""
        hook = self.spec.get("lifecycle", {}).get("postStart")
        try:
            if hook and not await probes.succeeds(hook, self._target(), _LONGEST_PAUSE):
                self._kill("the postStart hook failed")
                return
            async with asyncio.TaskGroup() as group:
                if "startupProbe" in self.spec:
                    await self._startup(group)
                if "readinessProbe" in self.spec:
                    group.create_task(probes.watch(self.spec["readinessProbe"], self._target(), self._is_ready))
                if "livenessProbe" in self.spec:
                    group.create_task(probes.watch(self.spec["livenessProbe"], self._target(), self._is_alive))
        except* InputError as errors:
            self._kill(str(errors.exceptions[0]))

    async def _startup(self, group: asyncio.TaskGroup) -> None:
        up = asyncio.Event()

        def report(good: bool) -> None:
            if good:
                up.set()
            else:
                self._kill("the startup probe failed")

        watching = group.create_task(probes.watch(self.spec["startupProbe"], self._target(), report))
        await up.wait()
        watching.cancel()
        self._set(replace(self.state, started=True, ready="readinessProbe" not in self.spec))

    def _is_ready(self, good: bool) -> None:
        self._set(replace(self.state, ready=good and not self._stopping.is_set()))

    def _is_alive(self, good: bool) -> None:
        if not good:
            self._kill("the liveness probe failed")

    def _judge(self, process: Process, began: str) -> Ended:
        code = process.returncode or 0
        number = -code if code < 0 else 0
        code = 128 + number if number else code
        policy = self.spec.get("terminationMessagePolicy", "File")
        message = self._message_file.read_bytes()[:_LONGEST_MESSAGE].decode("utf-8", "replace")
        if not message and code and policy == "FallbackToLogsOnError":
            message = output.last_lines(self.log())
        reason = "Completed" if code == 0 else "Error"
        if self._killed_for:
            message = message or self._killed_for
        return Ended(code, reason, message, began, output.now(), f"process://{process.pid}", number)

    def _kill(self, because: str) -> None:
        if self._process is not None:
            self._killed_for = because
            kill_group(self._process.pid)

    async def _pause(self, seconds: float) -> bool:
        """Wait before a restart; True when the container was stopped meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    def _wait(self, reason: str, message: str) -> None:
        self._set(State(reason, message, last=self.state.last, restarts=self.state.restarts))

    def _set(self, state: State) -> None:
        if state != self.state:
            self.state = state
            if state.started:
                self.started.set()
            self._around.changed()
