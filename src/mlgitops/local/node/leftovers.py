"""What outlives its container is ended: by the next node, and by a guard when this node is killed.

Each container leads a session of its own, and a session keeps its number for as long as
anybody is in it: whoever is still in a remembered session was started by us.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_TRIES = 50  # looks for processes that were started while others were being killed
_BETWEEN = 0.01  # seconds


class Register:
    """The sessions that one node started, a file each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, leader: int) -> None:
        """Remember a session by its leader."""
        found = _process(leader)
        (self._folder / str(leader)).write_text(found.started if found else "")

    def remove(self, leader: int) -> None:
        """Forget a session that has ended."""
        (self._folder / str(leader)).unlink(missing_ok=True)

    def end_all(self) -> int:
        """Kill whoever is in a remembered session, remove the folder, and return how many there were.

        Two may do so at once: the guard of a node that was killed, and the next node.
        """
        killed = 0
        for path in list(self._folder.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                killed += _end_session(int(path.name), path.read_text())
            path.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._folder.rmdir()
        return killed


def end_earlier(folder: Path) -> int:
    """Kill what is remembered in any register below a folder, and return how many processes that were."""
    return sum(Register(path).end_all() for path in folder.iterdir()) if folder.is_dir() else 0


def kill_group(leader: int) -> None:
    """Kill a process group; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


class _Process(NamedTuple):
    pid: int
    session: int
    started: str  # clock ticks since boot


def _end_session(leader: int, started: str) -> int:
    killed: set[int] = set()
    for _ in range(_TRIES):
        members = [process for process in _processes() if process.session == leader]
        if not members or any(one.pid == leader and one.started != started for one in members):
            break  # nobody is left, or the number is another's now
        for process in members:
            killed.add(process.pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(_BETWEEN)
    return len(killed)


def _processes() -> Iterator[_Process]:
    for folder in Path("/proc").iterdir():
        found = _process(int(folder.name)) if folder.name.isdigit() else None
        if found is not None:
            yield found


def _process(pid: int) -> _Process | None:
    """Read a process that lives (proc(5): the fields after the name are the 3rd and on)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else _Process(pid, int(fields[3]), fields[19])
