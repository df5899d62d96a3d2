"""One measurement of one tracker, in a process of its own: ``probe.py TRACKER JOB [ARGUMENT]``.

Standard library only at the top: it runs in the environments of the peers. The last line
that it prints is the figure.
"""

from __future__ import annotations

import importlib
import json
import logging
import mmap
import statistics
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

BUDGET = 1.5  # seconds of logging for one figure
MOST = 100_000  # points of one figure

MODULES = {
    "ours": "mlgitops",
    "mlflow": "mlflow",
    "wandb": "wandb",
    "tensorboardx": "tensorboardX",
    "dvclive": "dvclive",
    "aim": "aim",
    "trackio": "trackio",
}


class Tracker:
    """How a training script uses a tracker: start, log with a step, flush, end."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._module = importlib.import_module(MODULES[who])
        self._run = None
        self.log: Callable[[float, int], object]
        self.log_many: Callable[[dict[str, float], int], object]

    def start(self) -> None:
        """Start a run; from here on ``log`` works."""
        getattr(self, f"_start_{self._who}")()

    def end(self) -> None:
        """Flush and end the run."""
        ends = {"ours": "end_run", "mlflow": "end_run", "wandb": "finish", "trackio": "finish"}
        if self._who in ends:
            getattr(self._module, ends[self._who])()
        elif self._who in ("tensorboardx", "aim"):
            self._run.close()
        else:
            self._run.end()

    def _start_ours(self) -> None:
        self._module.start_run()
        log_metric = self._module.log_metric
        self.log = lambda value, step: log_metric("loss", value, step)
        self.log_many = self._module.log_metrics

    def _start_mlflow(self) -> None:
        self._module.start_run()
        log_metric = self._module.log_metric
        self.log = lambda value, step: log_metric("loss", value, step=step)
        self.log_many = self._module.log_metrics

    def _start_wandb(self) -> None:
        run = self._module.init(project="bench", mode="offline", settings={"silent": True})
        self.log = lambda value, step: run.log({"loss": value}, step=step)
        self.log_many = lambda values, step: run.log(values, step=step)

    def _start_tensorboardx(self) -> None:
        self._run = writer = self._module.SummaryWriter("tensorboard")
        self.log = lambda value, step: writer.add_scalar("loss", value, step)

        def log_many(values: dict[str, float], step: int) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, step)

        self.log_many = log_many

    def _start_dvclive(self) -> None:
        self._run = live = self._module.Live(dir="dvclive", save_dvc_exp=False, monitor_system=False)

        def log(value: float, step: int) -> None:
            live.step = step
            live.log_metric("loss", value)

        def log_many(values: dict[str, float], step: int) -> None:
            live.step = step
            for name, value in values.items():
                live.log_metric(name, value)

        self.log, self.log_many = log, log_many

    def _start_aim(self) -> None:
        quiet = {"system_tracking_interval": None, "log_system_params": False, "capture_terminal_logs": False}
        self._run = run = self._module.Run(repo=".", **quiet)
        self.log = lambda value, step: run.track(value, name="loss", step=step)
        self.log_many = lambda values, step: run.track(values, step=step)

    def _start_trackio(self) -> None:
        self._module.init(project="bench", embed=False)
        log = self._module.log
        self.log = lambda value, step: log({"loss": value}, step=step)
        self.log_many = lambda values, step: log(values, step=step)


def import_ms(who: str, names: str = "") -> float:
    """Milliseconds to import the tracker, or some modules, in a fresh process."""
    began = time.perf_counter()
    for name in (names or MODULES[who]).split(","):
        importlib.import_module(name)
    return (time.perf_counter() - began) * 1e3


def run_start_ms(who: str) -> float:
    """Milliseconds of a process's first start of a run, in a store that has runs already."""
    return _start_ms(who, time.perf_counter)


def run_start_cpu_ms(who: str) -> float:
    """Milliseconds that the processor works for it in this process: what is left of it when nobody else is there."""
    return _start_ms(who, time.process_time)


def _start_ms(who: str, clock: Callable[[], float]) -> float:
    import subprocess

    subprocess.run([sys.executable, __file__, who, "one_run"], check=True, stdout=subprocess.DEVNULL)
    tracker = Tracker(who)
    began = clock()
    tracker.start()
    took = clock() - began
    tracker.end()
    return took * 1e3


def one_run(who: str) -> float:
    """Make the store, and one run in it."""
    tracker = Tracker(who)
    tracker.start()
    tracker.log(1.0, 0)
    tracker.end()
    return 0.0


def log_metric_p50_us(who: str) -> float:
    """Microseconds of the median call, from its begin to its return."""
    tracker = Tracker(who)
    tracker.start()
    log, clock = tracker.log, time.perf_counter
    took = []
    ends = clock() + BUDGET
    for step in range(MOST):
        began = clock()
        log(0.5, step)
        ended = clock()
        took.append(ended - began)
        if ended > ends:
            break
    tracker.end()
    return statistics.median(took) * 1e6


def log_metric_per_s(who: str) -> float:
    """Points a second from one thread."""
    tracker = Tracker(who)
    tracker.start()
    log, clock = tracker.log, time.perf_counter
    began = clock()
    ends = began + BUDGET
    step = 0
    while step < MOST and clock() < ends:
        for _ in range(10):
            log(0.5, step)
            step += 1
    took = clock() - began
    tracker.end()
    return step / took


def log_metrics_points_per_s(who: str) -> float:
    """Points a second from one thread, ten metrics at a call."""
    tracker = Tracker(who)
    tracker.start()
    log, clock = tracker.log_many, time.perf_counter
    values = {f"metric_{number}": 0.5 for number in range(10)}
    began = clock()
    ends = began + BUDGET
    step = 0
    while step < MOST // 10 and clock() < ends:
        log(values, step)
        step += 1
    took = clock() - began
    tracker.end()
    return step * len(values) / took


def log_until_killed(who: str, told: str, per_second: str = "") -> float:
    """Log for ever, as fast as it goes or at a pace; after each call that returned, tell so in shared memory."""
    pause = 1 / float(per_second) if per_second else 0.0
    tracker = Tracker(who)
    tracker.start()
    with Path(told).open("r+b") as file, mmap.mmap(file.fileno(), 8) as counter:
        step = 0
        while True:
            if pause:
                time.sleep(pause)
            tracker.log(step / 2, step)
            step += 1
            struct.pack_into("<q", counter, 0, step)


def count(who: str) -> float:
    """Return how many points of ``loss`` the store has."""
    return float(globals()[f"_count_{who}"]())


def _count_ours() -> int:
    from mlgitops import tracking

    return sum(sum(1 for _ in tracking.read_points(run.folder)) for run in tracking.list_runs(tracking.root()))


def _count_mlflow() -> int:
    import mlflow

    client = mlflow.MlflowClient()
    return sum(len(client.get_metric_history(run.info.run_id, "loss")) for run in client.search_runs(["0"]))


def _count_wandb() -> int:
    from wandb.proto.wandb_internal_pb2 import Record

    found = 0
    for path in Path("wandb").glob("offline-run-*/*.wandb"):
        for data in _leveldb_records(path.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            found += record.WhichOneof("record_type") == "history"
    return found


def _leveldb_records(log: bytes) -> Iterator[bytes]:
    """Yield the whole records of a LevelDB log: blocks of 32 KiB, pieces of checksum, length and type."""
    at, record = 7, b""  # after the file's header
    while at + 7 <= len(log):
        left = 32768 - at % 32768
        if left < 7:
            at += left  # padding
            continue
        length, kind = struct.unpack_from("<HB", log, at + 4)
        if kind not in (1, 2, 3, 4) or at + 7 + length > len(log):
            return
        record += log[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # full, or last
            yield record
            record = b""


def _count_tensorboardx() -> int:
    from tensorboardX.proto.event_pb2 import Event

    found = 0
    for path in Path("tensorboard").glob("events*"):
        data, at = path.read_bytes(), 0
        # Each record: length (8 bytes), its checksum (4), the event, the event's checksum (4).
        while at + 12 <= len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            end = at + 12 + length
            if end + 4 > len(data):
                break
            event = Event()
            event.ParseFromString(data[at + 12 : end])
            found += any(value.tag == "loss" for value in event.summary.value)
            at = end + 4
    return found


def _count_dvclive() -> int:
    path = Path("dvclive/plots/metrics/loss.tsv")
    return max(0, path.read_text().count("\n") - 1) if path.exists() else 0


def _count_aim() -> int:
    import aim
    from aim.sdk.index_manager import RepoIndexManager

    repo = aim.Repo(".")
    index = RepoIndexManager.get_index_manager(repo)
    found = 0
    for run in (Path(repo.path) / "meta" / "chunks").iterdir():
        index.index(run.name)  # as `aim up` does: no reader finds a dead process's run before
        metrics = aim.Run(run.name, repo=repo, read_only=True).metrics()
        found += sum(len(metric.values.sparse_list()[0]) for metric in metrics)
    return found


def _count_trackio() -> int:
    import sqlite3

    found = 0
    for path in Path().rglob("bench*.db"):
        with sqlite3.connect(path) as connection:
            (rows,) = connection.execute("SELECT COUNT(*) FROM metrics").fetchone()
        found += rows
    return found


JOBS = {
    job.__name__: job
    for job in (import_ms, run_start_ms, run_start_cpu_ms, one_run, log_metric_p50_us, log_metric_per_s)
}
JOBS |= {job.__name__: job for job in (log_metrics_points_per_s, log_until_killed, count)}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print(json.dumps(JOBS[sys.argv[2]](sys.argv[1], *sys.argv[3:])))
