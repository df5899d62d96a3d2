"""The companion's program: ``python -m mlgitops.tracking.beside RUN_FOLDER PARENT SAMPLE_EVERY PUSH_EVERY``.

Times are in seconds, 0 for never. What fails here is tried again at its next time and does not reach
training; the last failure is said to the standard input, a pipe that the parent reads in strict mode.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlgitops.errors import MlgitopsError
from mlgitops.tracking import hardware, records
from mlgitops.tracking.query.parser import milliseconds
from mlgitops.tracking.series import SYSTEM
from mlgitops.tracking.writer import HELPER, Writer

WATCH_EVERY = 1.0  # seconds between looks whether the parent lives


class Sampler:
    """Samples the machine and the training process with its children, into a file of its own."""

    def __init__(self, folder: Path, parent: int) -> None:
        import psutil

        self._psutil = psutil
        self._process = psutil.Process(parent)
        self._writer = Writer(folder, HELPER)
        started = milliseconds(str(records.read_head(folder).get("started_at")))
        self._started = (started or time.time() * 1000) / 1000
        self._before: tuple[float, dict[str, float]] = (time.monotonic(), self._counters())
        psutil.cpu_percent(None)
        self._family: dict[int, psutil.Process] = {}
        self._of_the_process()

    def sample(self) -> None:
        """Write what everything is at now; steps are seconds since the run's start, so that they go on when it does."""
        now = time.time()
        memory = self._psutil.virtual_memory()
        found = {
            "cpu_percent": self._psutil.cpu_percent(None),
            "memory_percent": memory.percent,
            "memory_used_bytes": float(memory.total - memory.available),
            **self._of_the_process(),
            **self._rates(),
            **hardware.gpu_load(),
        }
        step = int(now - self._started)
        lines = (
            json.dumps({"metric": f"{SYSTEM}{name}", "value": float(value), "step": step, "time": now})
            for name, value in found.items()
        )
        self._writer.write("".join(f"{line}\n" for line in lines).encode())

    def _of_the_process(self) -> dict[str, float]:
        """Return processor time in percent of one core, and memory, of the process and its children."""
        processor, memory = 0.0, 0
        with contextlib.suppress(self._psutil.Error):
            living = {child.pid: child for child in self._process.children(recursive=True) if child.pid != os.getpid()}
            # Percentages are since the last look, so that the objects of that look must be asked.
            self._family = {pid: self._family.get(pid, child) for pid, child in living.items()}
        for process in (self._process, *self._family.values()):
            with contextlib.suppress(self._psutil.Error), process.oneshot():
                processor += process.cpu_percent(None)
                memory += process.memory_info().rss
        return {"process_cpu_percent": processor, "process_memory_bytes": float(memory)}

    def _rates(self) -> dict[str, float]:
        """Return bytes a second that went over disks and networks since the last look."""
        began, before = self._before
        now, counters = time.monotonic(), self._counters()
        self._before = now, counters
        passed = max(now - began, 1e-9)
        return {f"{name}_bytes_per_second": (counters[name] - before.get(name, 0)) / passed for name in counters}

    def _counters(self) -> dict[str, float]:
        found: dict[str, float] = {}
        with contextlib.suppress(OSError, RuntimeError):
            if disks := self._psutil.disk_io_counters():
                found |= {"disk_read": disks.read_bytes, "disk_write": disks.write_bytes}
            if networks := self._psutil.net_io_counters():
                found |= {"network_received": networks.bytes_recv, "network_sent": networks.bytes_sent}
        return found


def main(folder: Path, parent: int, sample_every: float, push_every: float) -> str:
    """Do what is due until SIGTERM, or until the parent has ended; return what failed last, mostly nothing."""
    failure = ""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with contextlib.suppress(OSError):
        os.nice(10)  # the training comes first
    jobs: list[tuple[float, Callable[[], None]]] = []
    if sample_every:
        jobs.append((sample_every, Sampler(folder, parent).sample))
    if push_every:
        jobs.append((push_every, pushing(folder)))
    due = [time.monotonic() + every for every, _ in jobs]
    while os.getppid() == parent and not stopped.wait(
        max(0.0, min(*due, time.monotonic() + WATCH_EVERY) - time.monotonic())
    ):
        for number, (every, job) in enumerate(jobs):
            if time.monotonic() >= due[number]:
                failure = attempt(job) or failure
                due[number] = time.monotonic() + every
    if sample_every and stopped.is_set():
        failure = attempt(jobs[0][1]) or failure  # the last one, so that a short run has one too
    return failure


def attempt(job: Callable[[], None]) -> str:
    """Do something that may fail and is tried again later; return how it failed, empty when it did not."""
    try:
        job()
    except (MlgitopsError, OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


def pushing(folder: Path) -> Callable[[], None]:
    """Return what pushes the run as far as it has come to the store that the configuration names.

    A store that cannot be reached when it is first asked is asked anew the next time.
    """
    from mlgitops import config
    from mlgitops.tracking.live import LivePush

    opened = functools.cache(lambda: LivePush(folder, config.load().require("store.url")))
    return lambda: opened().push()


if __name__ == "__main__":
    _failure = main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    with contextlib.suppress(OSError):  # the parent has ended
        os.write(0, _failure.encode("utf-8", "replace")[:1000])
