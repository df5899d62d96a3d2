"""One step of measuring a search, in one process of whoever is measured; prints seconds.

``query.py WHO make-mixed|make-finished FOLDER COUNT`` writes a store of runs, ``query.py WHO log
FOLDER COUNT`` gives a new point to those that live, and ``query.py WHO search FOLDER`` answers one
question. Every run has 10 parameters and 10 metrics of 1,000 points; of a mixed store the newest
1 % still run and another 1 % were killed.

Stores are written directly, in the files or tables that the tracker itself would have left:
logging a hundred million points takes hours. Our finished runs lie without their single
points, MLflow's runs without their metrics' history: neither search opens those.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

POINTS = 1_000  # of one metric of one run
NAMES = tuple(f"metric_{number}" for number in range(10))
FILTER = "metrics.metric_3 > 0.9 and params.param_1 = '7' and attributes.status = 'FINISHED'"
ORDER = "metrics.metric_3 DESC"
LIMIT = 50  # runs that a search returns
START = 1_750_000_000  # seconds since the epoch of the first run
TEMPLATES = 8  # different files of lines that killed runs share


@dataclass(frozen=True)
class Made:
    """One run of a store; ``values`` are its metrics' last values."""

    number: int
    status: str
    params: dict[str, str]
    values: dict[str, float]


def status_of(number: int, count: int) -> str:
    """Return the state of a run of a mixed store."""
    return "running" if number >= count - count // 100 else "killed" if number % 99 == 98 else "finished"


def made(count: int, mixed: bool) -> Iterator[Made]:
    """Yield the runs of a store, the oldest first."""
    chance = random.Random(7)
    for number in range(count):
        status = status_of(number, count) if mixed else "finished"
        params = {f"param_{key}": str(chance.randrange(10)) for key in range(10)}
        yield Made(number, status, params, {name: chance.random() for name in NAMES})


def make_ours(folder: Path, count: int, mixed: bool) -> None:
    """Write run records as ``mlgitops.tracking`` leaves them."""
    runs = folder / "runs"
    templates = [_lines(folder / f"lines-{number}", number) for number in range(TEMPLATES)]
    host = os.uname().nodename
    for run in made(count, mixed):
        place = runs / f"01{run.number:024d}"
        place.mkdir(parents=True)
        head = {"format": 1, "id": place.name, "name": f"run-{run.number}", "experiment": "bench", "status": "running"}
        head["started_at"] = _utc(START + run.number)
        (place / "capture.json").write_text(json.dumps({"format": 1, "code": {"commit": "0" * 40, "dirty": False}}))
        lines = [{"writer": {"host": host if run.status != "running" else "elsewhere", "pid": 1}, "format": 1}]
        lines += [{"param": name, "value": value, "time": 0.5} for name, value in run.params.items()]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (place / "w-host-1-0a.jsonl").write_text(text)
        if run.status == "finished":
            final = head | {"status": "finished", "finished_at": _utc(START + run.number + 60), "tags": {}}
            final |= {"params": run.params, "metrics": {name: _summary(run.values[name]) for name in NAMES}}
            final |= {"datasets": [], "models": [], "damaged": 0, "problems": []}
            (place / "run.json").write_text(json.dumps(final, indent=1))
            continue
        (place / "run.json").write_text(json.dumps(head))
        template = templates[run.number % TEMPLATES]
        if run.status == "killed":
            (place / "w-host-1-0b.jsonl").hardlink_to(template)
        else:
            with (place / "w-host-1-0a.jsonl").open("ab") as file:
                file.write(template.read_bytes())


def log_ours(folder: Path, count: int) -> None:
    """Append a point to the file of every live run."""
    for number in range(count - count // 100, count):
        with (folder / "runs" / f"01{number:024d}" / "w-host-1-0a.jsonl").open("a") as file:
            file.write(f'{{"metric":"{NAMES[0]}","value":0.5,"step":{POINTS},"time":{time.time():.6f}}}\n')


def search_ours(folder: Path) -> Callable[[], int]:
    """Return what searches our records and says how many were found."""
    import mlgitops

    return lambda: len(mlgitops.search_runs(FILTER, order_by=[ORDER], limit=LIMIT, root=folder))


def make_mlflow(folder: Path, count: int, mixed: bool) -> None:
    """Write MLflow's tables as its SQLite store leaves them."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/store.db")
    experiment = mlflow.set_experiment("bench").experiment_id
    connection = sqlite3.connect(folder / "store.db")
    for run in made(count, mixed):
        name, start = f"{run.number:032x}", (START + run.number) * 1000
        connection.execute(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, "
            "start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) "
            "VALUES (?, ?, 'LOCAL', 'train.py', '', 'bench', ?, ?, ?, '', 'active', ?, ?)",
            (name, f"run-{run.number}", run.status.upper(), start, start + 60_000, f"{folder}/{name}", experiment),
        )
        params = [(key, value, name) for key, value in run.params.items()]
        connection.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", params)
        tags = [("mlflow.runName", f"run-{run.number}", name), ("mlflow.user", "bench", name)]
        connection.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tags)
        latest = [(metric, value, start, POINTS - 1, 0, name) for metric, value in run.values.items()]
        connection.executemany(f"INSERT INTO latest_metrics ({_LATEST}) VALUES (?, ?, ?, ?, ?, ?)", latest)
    connection.commit()
    connection.close()


def log_mlflow(folder: Path, count: int) -> None:
    """Write the newest point of every live run."""
    connection = sqlite3.connect(folder / "store.db")
    for number in range(count - count // 100, count):
        row = (NAMES[0], 0.5, int(time.time() * 1000), POINTS, 0, f"{number:032x}")
        connection.execute(f"INSERT OR REPLACE INTO latest_metrics ({_LATEST}) VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()


def search_mlflow(folder: Path) -> Callable[[], int]:
    """Return what searches MLflow's store and says how many were found."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/store.db")
    return lambda: len(
        mlflow.search_runs(
            experiment_names=["bench"],
            filter_string=FILTER,
            order_by=[ORDER],
            max_results=LIMIT,
            output_format="list",
        )
    )


def _lines(path: Path, seed: int) -> Path:
    chance = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for step in range(POINTS):
            for name in NAMES:
                file.write(f'{{"metric":"{name}","value":{chance.random()!r},"step":{step},"time":{START}.5}}\n')
    return path


def _summary(last: float) -> dict[str, float]:
    return {"last": last, "min": last / 2, "max": last + 0.1, "mean": last / 1.5, "count": POINTS, "step": POINTS - 1}


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


_LATEST = "key, value, timestamp, step, is_nan, run_uuid"
MAKE: dict[str, Callable[[Path, int, bool], None]] = {"ours": make_ours, "mlflow": make_mlflow}
LOG: dict[str, Callable[[Path, int], None]] = {"ours": log_ours, "mlflow": log_mlflow}
SEARCH: dict[str, Callable[[Path], Callable[[], int]]] = {"ours": search_ours, "mlflow": search_mlflow}


def main(who: str, job: str, folder: Path, count: int) -> float:
    """Do one job; return its seconds, those of importing the tracker not counted."""
    if job == "search":
        search = SEARCH[who](folder)
        began, busy = time.perf_counter(), time.process_time()
        found = search()
        seconds = time.perf_counter() - began
        # On a machine that others use, the clock says more of them than of the search.
        print(f"of {seconds:.3f} s the processor worked {time.process_time() - busy:.3f} s", file=sys.stderr)
        if found != LIMIT:
            sys.exit(f"the search found {found} runs; there are more than {LIMIT}")
        return seconds
    began = time.perf_counter()
    if job == "log":
        LOG[who](folder, count)
    else:
        MAKE[who](folder, count, job == "make-mixed")
    return time.perf_counter() - began


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 0))
