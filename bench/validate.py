"""Validating a registry of 10,000 versions: never seen before, and unchanged since the last time.

Every figure is one ``mlgitops validate`` in a fresh process, on a work tree that git made, with
a cache of its own. Memory is the peak of the largest process. ``cold_cpu_seconds_10k`` is what all
its processes computed, user and system: it says more than the wall clock when the machine does other work.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness import Metric
from registry import VERSIONS, checkout, scratch

PATIENCE = 600.0
MIB = 1024  # what the kernel counts in


@dataclass(frozen=True)
class Cost:
    """What one validation took: seconds by the clock and of computing, and the peak of its memory in MiB."""

    wall: float
    cpu: float
    memory: float


def _validate(folder: Path, cache: Path) -> Cost:
    environment = os.environ | {"MLGITOPS_CACHE_DIR": str(cache)}
    command = [str(Path(sys.prefix) / "bin" / "mlgitops"), "validate", str(folder)]
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        told = process.stdout.read().decode()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - began
    if process.returncode or "no problems" not in told:
        raise RuntimeError(f"a sound registry was refused: {told[-2000:]}")
    return Cost(took, used.ru_utime + used.ru_stime, used.ru_maxrss / MIB)


def _cold() -> Cost:
    with scratch() as cache:
        return _validate(checkout(VERSIONS), cache)


def _warm() -> float:
    with scratch() as cache:
        _validate(checkout(VERSIONS), cache)
        return _validate(checkout(VERSIONS), cache).wall


METRICS = (
    Metric("cold_seconds_10k", "s", "lower", lambda: _cold().wall, goal="<=5"),
    Metric("cold_cpu_seconds_10k", "s", "lower", lambda: _cold().cpu),
    Metric("warm_seconds_10k", "s", "lower", _warm, goal="<=0.5"),
    Metric("memory_mib", "MiB", "lower", lambda: _cold().memory, goal="<=300", rounds=(3, 1)),
)
