"""One measurement of searching, in one process of whoever is measured; prints a number.

``query.py WHO make FOLDER COUNT`` writes a store of runs and prints the seconds that it took;
``query.py WHO search FOLDER`` answers one question about them and prints the seconds, imports
included. Every run has 10 parameters and 10 metrics of 1,000 points; the newest 1 % still run,
another 1 % were killed.

Stores are written directly, in the files or tables that the tracker itself would have left:
logging a hundred million points takes hours. Our finished runs lie without their single
points, MLflow's runs without their metrics' history: neither search opens those.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

POINTS = 1_000  # of one metric of one run
NAMES = tuple(f"metric_{number}" for number in range(10))
FILTER = "metrics.metric_3 > 0.9 and params.param_1 = '7' and attributes.status = 'FINISHED'"
ORDER = "metrics.metric_3 DESC"
LIMIT = 100  # runs that a search returns
START = 1_750_000_000  # seconds since the epoch of the first run
TEMPLATES = 8  # different files of lines that killed runs share


@dataclass(frozen=True)
class Made:
    """One run of a store; ``values`` are its metrics' last values."""

    number: int
    status: str
    params: dict[str, str]
    values: dict[str, float]


def made(count: int) -> Iterator[Made]:
    """Yield the runs of a store, the oldest first."""
    chance = random.Random(7)
    for number in range(count):
        status = "running" if number >= count - count // 100 else "killed" if number % 99 == 98 else "finished"
        params = {f"param_{key}": str(chance.randrange(10)) for key in range(10)}
        yield Made(number, status, params, {name: chance.random() for name in NAMES})


def make_ours(folder: Path, count: int) -> None:
    """Write run records as ``mlgitops.tracking`` leaves them."""
    runs = folder / "runs"
    templates = [_lines(folder / f"lines-{number}", number) for number in range(TEMPLATES)]
    host = os.uname().nodename
    for run in made(count):
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


def search_ours(folder: Path) -> int:
    """Search our records; return how many were found."""
    import mlgitops

    return len(mlgitops.search_runs(FILTER, order_by=[ORDER], limit=LIMIT, root=folder))


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


MAKE: dict[str, Callable[[Path, int], None]] = {"ours": make_ours}
SEARCH: dict[str, Callable[[Path], int]] = {"ours": search_ours}

if __name__ == "__main__":
    who, job, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    began = time.perf_counter()
    if job == "make":
        MAKE[who](folder, int(sys.argv[4]))
    else:
        found = SEARCH[who](folder)
        if not found:
            sys.exit("the search found nothing; it shall find a hundred runs")
    print(time.perf_counter() - began)
