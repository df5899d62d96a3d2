"""The life of one container: start, hooks, probes, restart with back-off, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlgitops.errors import InputError, NotFoundError
from mlgitops.kube import KubeError
from mlgitops.local.node import output, probes
from mlgitops.local.node.launch import Launch, Surroundings, prepare
from mlgitops.local.node.leftovers import kill_group
from mlgitops.local.node.output import Output
from mlgitops.local.node.programs import Program
from mlgitops.local.node.status import Ended, State, is_over
from mlgitops.local.node.variables import Raw
from mlgitops.local.processes import dying_with

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0  # seconds before the first restart; the kubelet's is 10
_LONGEST_PAUSE = 300.0
_TRY_AGAIN = 2.0  # seconds until a container that could not be started is tried again
_FORGIVEN_AFTER = 600.0  # seconds of running after which the pause is short again
_LONGEST_MESSAGE = 4096  # bytes of a termination message
_LEAVE_TRAFFIC = 0.2  # seconds between "not ready" and SIGTERM, for the gateway to see it


@dataclass(slots=True)
class Run:
    """One process of a container: ``over`` is set when it has ended and its log is complete."""

    process: Process
    launch: Launch
    log: Path
    output: asyncio.Task[None]
    since: str
    machine_kills: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    killed_for: str = ""


class Container:
    """One container; ``state`` is what is known of it."""

    def __init__(self, spec: Raw, around: Surroundings, state: State) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.state = state
        self.started = asyncio.Event()  # its hook and its startup probe, if any, have succeeded
        self._around = around
        self._run: Run | None = None
        self._stopping = asyncio.Event()
        self._endings: set[asyncio.Task[None]] = set()

    # --- what others ask and demand

    def output(self, *, previous: bool = False) -> Output:
        """Return the output of its present process, or of the one before; between two, the last is both.

        Raises:
            InputError: it has had no such process.
        """
        logs = output.logs(self._around.folder, self.name)
        if previous and (self.state.running or self.state.ended):
            logs = logs[:-1]
        if not logs:
            state = self.state
            why = "has no previous process" if previous else f"is waiting to start: {state.waiting} {state.message}"
            raise InputError(f"container {self.name} {why.strip()}")
        if self._run is not None and self._run.log == logs[-1]:
            return Output(logs[-1], self._run.over)
        return output.finished(logs[-1])

    async def run(self, policy: str) -> None:
        """Run it until it ends for good by its restart policy (Always, OnFailure, Never), or is stopped."""
        if self.state.ended:
            return
        pause = _FIRST_PAUSE
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            began = clock()
            ended = await self._once()
            if ended is None:
                await self._pause(_TRY_AGAIN)  # not longer each time: what it lacks may come at any moment
                continue
            if is_over(ended, policy) or self._stopping.is_set():
                self._set(State(ended=ended, last=self.state.last, restarts=self.state.restarts))
                return
            pause = _FIRST_PAUSE if clock() - began > _FORGIVEN_AFTER else pause
            message = f"back-off {pause:.0f}s restarting failed container={self.name}"
            self._set(State("CrashLoopBackOff", message, last=ended, restarts=self.state.restarts))
            if not await self._pause(pause):
                self._set(replace(self.state, restarts=self.state.restarts + 1))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def stop(self, grace: float, *, hook: bool = True) -> None:
        """End it within ``grace`` seconds: its preStop hook, SIGTERM, and SIGKILL to whatever is left.

        Called again, it only shortens the time.
        """
        first = not self._stopping.is_set()
        was_ready = self.state.ready
        self._stopping.set()
        self._set(replace(self.state, ready=False))
        run = self._run
        if run is not None and not run.over.is_set():
            hook = hook and first and not run.killed_for
            await self._end(run, grace, hook=hook, wait=_LEAVE_TRAFFIC if was_ready and hook else 0)

    # --- one process

    async def _once(self) -> Ended | None:
        """Run the process once; None when it could not be started, with the reason in the state."""
        run = await self._try_to_start()
        if run is None:
            return None
        if self._stopping.is_set():  # too late: who asked it to stop found nothing to end
            kill_group(run.process.pid)
        watcher = asyncio.create_task(self._watch(run))
        try:
            await run.process.wait()
        finally:
            watcher.cancel()
            kill_group(run.process.pid)
            self._around.register.remove(run.process.pid)
            # A process that left the group and holds the pipe open must not hold up the container's end.
            await asyncio.wait({run.output, watcher}, timeout=1)
            run.output.cancel()
            run.over.set()
        if not watcher.cancelled() and watcher.exception():
            logger.error("container %s: its probes failed", self.name, exc_info=watcher.exception())
        return self._judge(run)

    async def _try_to_start(self) -> Run | None:
        try:
            program = self._around.images.find(self.spec.get("image", ""))
        except InputError as error:
            reason = "ErrImageNeverPull" if isinstance(error, NotFoundError) else "InvalidImageName"
            self.wait_because(reason, str(error))
            return None
        try:
            return await self._start(program)
        except (InputError, KubeError) as error:
            reason, message = "CreateContainerConfigError", str(error)
        except OSError as error:
            reason, message = "RunContainerError", f"cannot start: {error}"
        self.wait_because(reason, message)
        return None

    async def _start(self, program: Program) -> Run:
        launch = await prepare(self.spec, program, self._around)
        output.prune(self._around.folder, self.name)
        log = output.log_path(self._around.folder, self.name, self.state.restarts)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()  # there before the container is said to run
        ours, its = os.pipe()
        try:
            process = await self._spawn(launch.command, launch, output_to=its)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(its)
        self._around.register.add(process.pid)
        recorder = asyncio.create_task(output.record(ours, log))
        run = Run(process, launch, log, recorder, output.now(), _killed_by_the_machine())
        self._run = run
        started = "startupProbe" not in self.spec and "postStart" not in self.spec.get("lifecycle", {})
        self._set(
            State(
                running_since=run.since,
                container_id=f"process://{process.pid}",
                last=self.state.last,
                restarts=self.state.restarts,
                started=started,
                ready=started and "readinessProbe" not in self.spec,
            )
        )
        return run

    async def _spawn(self, command: tuple[str, ...], launch: Launch, *, output_to: int) -> Process:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=output_to,
            stderr=STDOUT,
            env=launch.environment,
            cwd=launch.folder,
            start_new_session=True,
            preexec_fn=dying_with(os.getpid()),
        )

    async def _end(self, run: Run, grace: float, *, hook: bool, wait: float = 0.0) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + grace
        handler = self.spec.get("lifecycle", {}).get("preStop") if hook else None
        with contextlib.suppress(InputError):
            if handler and grace:
                await probes.succeeds(handler, self._target(run), grace)
            else:
                await asyncio.sleep(min(wait, grace / 2))
        if grace and run.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                run.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(run.over.wait(), max(deadline - clock(), 0))
        if run.process.returncode is None:
            kill_group(run.process.pid)
        await run.over.wait()

    def _judge(self, run: Run) -> Ended:
        code = run.process.returncode or 0
        number = max(-code, 0)
        code = 128 + number if number else code
        message = ""
        with contextlib.suppress(OSError), run.launch.message.open("rb") as file:  # it may have removed the file
            message = file.read(_LONGEST_MESSAGE).decode("utf-8", "replace")
        if not message and code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            message = output.last_lines(run.log)
        reason = "Error" if code else "Completed"
        unasked = number == signal.SIGKILL and not run.killed_for and not self._stopping.is_set()
        if unasked and _killed_by_the_machine() > run.machine_kills:
            reason = "OOMKilled"
        identity = f"process://{run.process.pid}"
        return Ended(code, reason, message or run.killed_for, run.since, output.now(), identity, number)

    # --- hooks and probes

    async def _watch(self, run: Run) -> None:
        """Run the postStart hook, then the probes; the startup probe holds the others back."""
        hook, target = self.spec.get("lifecycle", {}).get("postStart"), self._target(run)
        try:
            if hook and not await probes.succeeds(hook, target, _LONGEST_PAUSE):
                self._end_for(run, "the postStart hook failed")
                return
            if "startupProbe" in self.spec:
                await self._startup(run, target)
            self._set(replace(self.state, started=True))
            self._is_ready(self.state.ready or "readinessProbe" not in self.spec)
            async with asyncio.TaskGroup() as group:
                if "readinessProbe" in self.spec:
                    group.create_task(probes.watch(self.spec["readinessProbe"], target, self._is_ready))
                if "livenessProbe" in self.spec:
                    group.create_task(
                        probes.watch(self.spec["livenessProbe"], target, lambda good: self._is_alive(run, good))
                    )
        except* InputError as errors:
            self._end_for(run, str(errors.exceptions[0]))

    async def _startup(self, run: Run, target: probes.Target) -> None:
        up = asyncio.Event()
        probe = self.spec["startupProbe"]

        def report(good: bool) -> None:
            if good:
                up.set()
            else:
                self._end_for(run, "the startup probe failed", probe)

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(probes.watch(probe, target, report))
            await up.wait()
            watching.cancel()

    def _is_ready(self, good: bool) -> None:
        self._set(replace(self.state, ready=good and not self._stopping.is_set()))

    def _is_alive(self, run: Run, good: bool) -> None:
        if not good:
            self._end_for(run, "the liveness probe failed", self.spec["livenessProbe"])

    def _end_for(self, run: Run, because: str, probe: Raw | None = None) -> None:
        """End a process that is to be started again, with the time that its pod or probe grants it."""
        if run.killed_for or self._stopping.is_set():
            return
        run.killed_for = because
        grace = self._around.pod()["spec"].get("terminationGracePeriodSeconds", 30)
        grace = (probe or {}).get("terminationGracePeriodSeconds", grace)
        task = asyncio.create_task(self._end(run, float(grace), hook=True))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    def _target(self, run: Run) -> probes.Target:
        ports = {port["name"]: port["containerPort"] for port in self.spec.get("ports", ()) if "name" in port}

        async def execute(command: list[str]) -> int:
            rewritten = tuple(run.launch.mounts.rewrite_all(command))
            process = await self._spawn(rewritten, run.launch, output_to=DEVNULL)
            self._around.register.add(process.pid)
            try:
                return await process.wait()
            finally:
                kill_group(process.pid)
                await process.wait()  # a cut-off one is gone, too, before anybody goes on
                self._around.register.remove(process.pid)

        return probes.Target(self._around.address, ports, self._around.http, execute)

    # --- state

    async def _pause(self, seconds: float) -> bool:
        """Wait before a restart; True when the container was stopped meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    def wait_because(self, reason: str, message: str) -> None:
        """Say why a container that does not run is not started."""
        if not self.state.running and not self.state.ended:
            self._set(State(reason, message, last=self.state.last, restarts=self.state.restarts))

    def lose(self, because: str) -> None:
        """Say that nobody saw the end of a process that was running: it was killed when its pod's life failed."""
        if self.state.running:
            state, identity = self.state, self.state.container_id
            ended = Ended(137, "ContainerStatusUnknown", because, state.running_since, output.now(), identity)
            self._set(State(ended=ended, last=state.last, restarts=state.restarts))

    def _set(self, state: State) -> None:
        if state != self.state:
            self.state = state
            if state.started:
                self.started.set()
            self._around.changed()


def _killed_by_the_machine() -> int:
    """Return how many processes the kernel has killed for want of memory since it began, 0 when it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
