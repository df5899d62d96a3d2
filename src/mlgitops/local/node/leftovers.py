"""What an earlier node left running when it was killed; it is ended before anything starts."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


class Register:
    """The process groups that this node started, a file each, so that the next node knows them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, pid: int) -> None:
        """Remember a process group by its leader."""
        (self._folder / str(pid)).write_text(_started(pid) or "")

    def remove(self, pid: int) -> None:
        """Forget a process group that has ended."""
        (self._folder / str(pid)).unlink(missing_ok=True)

    def end_all(self) -> int:
        """Kill every remembered group whose leader is still the one that was started, and return how many."""
        killed = 0
        for path in self._folder.iterdir():
            pid = int(path.name)
            if path.read_text() and path.read_text() == _started(pid):
                kill_group(pid)
                killed += 1
            path.unlink()
        return killed


def kill_group(leader: int) -> None:
    """Kill a process group; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _started(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot (proc(5), field 22): its number may be another's now."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None
