"""Tracking: what logging costs a training script, and what a kill takes from it.

Every figure comes from ``probes/tracking.py`` in a fresh process, ours in the project's
environment, each peer's in its own. All log one metric ``loss`` with explicit steps, each
in the tracker's default way of storing locally.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import autolog
import environments
from harness import Measure, Metric

PROBE = Path(__file__).parent / "probes" / "tracking.py"
PEERS = ("mlflow", "wandb", "tensorboardx", "dvclive", "aim", "trackio")
BASELINE = "dataclasses,json,logging,pathlib,threading"
PATIENCE = 300.0  # seconds of one probe
KILLS = 25  # in one round of lost_points_sigkill; four rounds are a hundred
KILLS_OF_A_PEER = 5  # each start of one takes seconds
KILL_AFTER = (0.2, 1.5)  # seconds of logging as fast as it goes
KILL_AFTER_AT_A_PACE = (1.0, 5.0)  # seconds
PACE = 100  # points a second, as a training may log them; a queue is short then


def _python(who: str) -> Path:
    return Path(sys.executable) if who == "ours" else environments.python(who)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield an empty folder on the disk that records would lie on, not in memory."""
    folder = Path(tempfile.mkdtemp(prefix="mlgitops-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(who: str, job: str, *arguments: str) -> list[str]:
    return [str(_python(who)), str(PROBE), who, job, *arguments]


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLGITOPS_", "MLFLOW_"))}
    # Neither a user's settings nor the network may be part of a figure.
    return kept | {"HOME": str(folder), "MLGITOPS_DIR": str(folder / ".mlgitops"), "WANDB_MODE": "offline"}


def _probe(who: str, job: str, *arguments: str) -> float:
    with _scratch() as folder:
        done = subprocess.run(
            _command(who, job, *arguments),
            cwd=folder,
            env=_environment(folder),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    if done.returncode:
        raise RuntimeError(f"{who} {job}: {done.stderr[-2000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def _import_ratio() -> float:
    """Return our import over that of the five modules that the goal names, in the same round."""
    return _probe("ours", "import_ms") / _probe("ours", "import_ms", BASELINE)


def _lost_points(who: str, kills: int = KILLS, pace: str = "") -> float:
    """Kill a process that logs, several times; return how many points it was told are logged are not there."""
    return float(sum(_lost_in_one_kill(who, pace) for _ in range(kills)))


def _lost_in_one_kill(who: str, pace: str) -> int:
    with _scratch() as folder:
        told = folder / "told"
        told.write_bytes(bytes(8))
        process = subprocess.Popen(
            _command(who, "log_until_killed", str(told), *([pace] if pace else [])),
            cwd=folder,
            env=_environment(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            with told.open("r+b") as file, mmap.mmap(file.fileno(), 8) as counter:
                _wait_for(lambda: struct.unpack("<q", counter[:])[0] > 0, process)
                time.sleep(random.uniform(*(KILL_AFTER_AT_A_PACE if pace else KILL_AFTER)))
                # The whole group: helpers of the tracker die with the machine's owner too.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                logged = struct.unpack("<q", counter[:])[0]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        counting = subprocess.run(
            _command(who, "count"),
            cwd=folder,
            env=_environment(folder),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        if counting.returncode:
            raise RuntimeError(f"{who} count: {counting.stderr[-2000:]}")
        lost = max(0, logged - int(json.loads(counting.stdout.splitlines()[-1])))
        print(f"  {who}: {lost} of {logged} lost", file=sys.stderr, flush=True)
        return lost


def _wait_for(done: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the process that shall be killed logged nothing")
        time.sleep(0.01)


def _of_peers(job: str) -> dict[str, Measure]:
    return {peer: partial(_probe, peer, job) for peer in PEERS}


METRICS = (
    Metric(
        "import_ms",
        "ms",
        "lower",
        partial(_probe, "ours", "import_ms"),
        {"stdlib": partial(_probe, "ours", "import_ms", BASELINE), **_of_peers("import_ms")},
        goal="<=1.2x",
        rounds=(9, 5),
    ),
    Metric("import_ratio", "x", "lower", _import_ratio, goal="<=1.2", rounds=(9, 5)),
    Metric(
        "run_start_ms",
        "ms",
        "lower",
        partial(_probe, "ours", "run_start_ms"),
        _of_peers("run_start_ms"),
        goal="<=5",
        rounds=(9, 5),
    ),
    Metric("run_start_cpu_ms", "ms", "lower", partial(_probe, "ours", "run_start_cpu_ms"), rounds=(9, 5)),
    Metric(
        "log_metric_p50_us",
        "us",
        "lower",
        partial(_probe, "ours", "log_metric_p50_us"),
        _of_peers("log_metric_p50_us"),
        goal="<=10",
    ),
    Metric(
        "log_metric_per_s",
        "1/s",
        "higher",
        partial(_probe, "ours", "log_metric_per_s"),
        _of_peers("log_metric_per_s"),
        goal=">=100000",
    ),
    Metric(
        "log_metrics_points_per_s",
        "1/s",
        "higher",
        partial(_probe, "ours", "log_metrics_points_per_s"),
        _of_peers("log_metrics_points_per_s"),
        goal=">=200000",
    ),
    Metric(
        "lost_points_sigkill",
        "points",
        "lower",
        partial(_lost_points, "ours"),
        {peer: partial(_lost_points, peer, KILLS_OF_A_PEER) for peer in PEERS},
        goal="<=0",
        rounds=(4, 1),
    ),
    Metric(
        f"lost_points_sigkill_at_{PACE}_per_s",
        "points",
        "lower",
        partial(_lost_points, "ours", KILLS_OF_A_PEER, str(PACE)),
        {peer: partial(_lost_points, peer, KILLS_OF_A_PEER, str(PACE)) for peer in PEERS},
        goal="<=0",
        rounds=(4, 1),
    ),
    *autolog.METRICS,
)
