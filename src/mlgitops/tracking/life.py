"""Whether a run still goes on, and how one ended that did not say so in its ``run.json``.

The owner of a run is the process that started it or resumed it last. What it wrote as its last
line counts; without such a line it was killed. Whether a process of another machine lives is
seen by the age of its file only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from mlgitops.tracking.locks import is_held
from mlgitops.tracking.points import LONGEST_LINE, open_plain, to_object, writers
from mlgitops.tracking.writer import HELPER, MEMBER, hostname

SILENT = 600.0  # seconds without a line, after which a run of another machine counts as dead
ENDED = ("finished", "failed", "preempted")  # what a run says of itself; running, killed and stale is seen from outside
_TAILS = (1 << 10, 64 << 10)  # bytes that mostly, and surely, hold the last line of a writer that ended


def state(folder: Path) -> str:
    """Return the status of a run whose ``run.json`` does not say how it ended."""
    if is_alive(folder):
        return "running"
    headers = {path: _reads(path, _header) for path in writers(folder)}
    owners = [path for path, header in headers.items() if header.get("role") not in (HELPER, MEMBER)]
    if not owners:
        return "killed"
    last = max(owners, key=lambda path: float(headers[path].get("time", 0.0)))
    end = _reads(last, _last_line).get("end")
    if end in ENDED:
        return str(end)
    return "killed" if headers[last].get("host") == hostname() else "stale"


def is_alive(folder: Path) -> bool:
    """Say whether some process still writes to a run.

    On this machine its lock tells; a file of another machine is taken for alive until it has been
    silent for ``SILENT`` seconds.
    """
    return any(map(is_writing, writers(folder)))


def is_writing(path: Path | str) -> bool:
    """Say whether a process still writes to a file of a run, as ``is_alive`` has it."""
    return bool(_reads(path, _alive))


def is_silent(last: float) -> bool:
    """Say whether the last word is so old that its run counts as dead, or of a time that is not yet (epoch seconds)."""
    return abs(time.time() - last) >= SILENT


def _reads(path: Path | str, look: Callable[[BinaryIO], dict[str, Any]]) -> dict[str, Any]:
    """Return what somebody sees in a plain file, nothing when it cannot be opened or read."""
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            return look(file)
    except OSError:
        return {}


def _alive(file: BinaryIO) -> dict[str, Any]:
    """Return who writes to a file, nothing when nobody does."""
    header = _header(file)
    if header.get("role") == HELPER:
        return {}
    descriptor = file.fileno()
    if is_held(descriptor):
        return header
    silent = is_silent(os.fstat(descriptor).st_mtime)
    return {} if header.get("host") == hostname() or silent or "end" in _last_line(file) else header


def _header(file: BinaryIO) -> dict[str, Any]:
    """Return who writes to a file, and since when."""
    line = file.readline(LONGEST_LINE)
    first = to_object(line) if line.endswith(b"\n") else {}
    who, began = first.get("writer"), first.get("time")
    return {**(who if isinstance(who, dict) else {}), "time": began if isinstance(began, float | int) else 0.0}


def _last_line(file: BinaryIO) -> dict[str, Any]:
    size = os.fstat(file.fileno()).st_size
    for length in _TAILS:
        file.seek(max(0, size - length))
        _, feed, last = file.read(length).rpartition(b"\n")[0].rpartition(b"\n")
        if feed or length >= size:
            break
    return to_object(last)
