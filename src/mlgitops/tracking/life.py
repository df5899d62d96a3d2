"""Whether a run still goes on, and how one ended that did not say so in its ``run.json``.

The owner of a run is the process that started it or resumed it last. What it wrote as its last
line counts; without such a line it was killed. Whether a process of another machine lives is
seen by the age of its file only.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from mlgitops.tracking.locks import is_locked
from mlgitops.tracking.points import lines, open_plain, to_object, writers
from mlgitops.tracking.writer import HELPER, MEMBER, hostname

SILENT = 600.0  # seconds without a line, after which a run of another machine counts as dead
ENDED = ("finished", "failed", "preempted")  # what a run says of itself; running, killed and stale is seen from outside
_TAIL = 64 << 10  # bytes that surely hold the last line of a writer that ended


def state(folder: Path) -> str:
    """Return the status of a run whose ``run.json`` does not say how it ended."""
    headers = {path: _header(path) for path in writers(folder)}
    if any(_is_alive(path, header) for path, header in headers.items()):
        return "running"
    owners = [path for path, header in headers.items() if header.get("role") not in (HELPER, MEMBER)]
    if not owners:
        return "killed"
    last = max(owners, key=lambda path: float(headers[path]["time"]))
    end = _last_line(last).get("end")
    if end in ENDED:
        return str(end)
    return "killed" if headers[last].get("host") == hostname() else "stale"


def is_alive(folder: Path) -> bool:
    """Say whether some process still writes to a run.

    On this machine its lock tells; a file of another machine is taken for alive until it has been
    silent for ``SILENT`` seconds.
    """
    return any(map(is_writing, writers(folder)))


def is_writing(path: Path) -> bool:
    """Say whether a process still writes to a file of a run, as ``is_alive`` has it."""
    return _is_alive(path, _header(path))


def _is_alive(path: Path, header: dict[str, Any]) -> bool:
    if header.get("role") == HELPER:
        return False
    if is_locked(path):
        return True
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return False
    return header.get("host") != hostname() and age < SILENT and "end" not in _last_line(path)


def _header(path: Path) -> dict[str, Any]:
    """Return who writes a file, and since when."""
    first = next(lines(path), {})
    who, began = first.get("writer"), first.get("time")
    return {**(who if isinstance(who, dict) else {}), "time": began if isinstance(began, float | int) else 0.0}


def _last_line(path: Path) -> dict[str, Any]:
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            tail = file.read(_TAIL)
    except OSError:
        return {}
    whole = tail.rpartition(b"\n")[0]
    return to_object(whole.rpartition(b"\n")[2])
