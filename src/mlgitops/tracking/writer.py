"""One process's file of a run: lines of JSON, each written by one system call.

A line that was written survives the death of the process by any signal, because the
kernel has it; there is no buffer, no queue and no thread. ``MLGITOPS_FSYNC=1`` waits for the disk
too, so that it also survives the death of the machine. ``O_APPEND`` keeps lines of
threads whole. A forked child finds its copy closed and opens a file of its own.

The process holds an advisory lock on its file: locked means alive.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path

from mlgitops.tracking import locks, ranks
from mlgitops.tracking.places import FORMAT

OWNER = "owner"  # started the run, or resumed it, and ends it
MEMBER = "member"  # another rank, a worker, a forked child
HELPER = "helper"  # writes for a run and does not keep it alive


class TornError(OSError):
    """The system took only a part; ``lines`` of them are not whole."""

    def __init__(self, written: int, data: bytes) -> None:
        super().__init__(f"only {written} of {len(data)} bytes were written; is the disk full?")
        self.lines = data.count(b"\n", written)


class Writer:
    """Appends lines to a file that only this process writes."""

    def __init__(self, folder: Path, role: str = OWNER, mark: str = "") -> None:
        self._folder = folder
        self._role = role
        self._mark = mark  # ends the file's name; without one it is drawn by lot
        self.is_worker = False  # of another process of its rank, which has a file too
        self._process = os.getpid()
        self._held = locks.Held()
        self._torn = False
        self._syncs = os.environ.get("MLGITOPS_FSYNC", "") not in ("", "0")
        self._path: Path | None = None
        self._opener = 0
        self.on_reopening: Callable[[], object] | None = None

    def write(self, lines: bytes) -> None:
        """Append whole lines, their line feeds included.

        Raises:
            TornError: the system did not take all of it.
            OSError: it took nothing, or the disk did not.
        """
        if self._held.descriptor < 0:
            self.open()
        if self._torn:
            lines = b"\n" + lines
        written = os.write(self._held.descriptor, lines)
        self._torn = written != len(lines)
        if self._torn:
            raise TornError(written, lines)
        if self._syncs:
            os.fsync(self._held.descriptor)

    def open(self) -> None:
        """Make this process's file, lock it and write its first line; one that it closed before goes on.

        Raises:
            OSError: the file cannot be made, or is gone.
        """
        if self._path is not None and os.getpid() == self._opener:
            self._held.descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
            locks.take(self._held.descriptor)
            if self.on_reopening:
                self.on_reopening()
            return
        host = "".join(c if c.isascii() and c.isalnum() else "-" for c in hostname())[:40]
        path = self._folder / f"w-{host}-{os.getpid()}-{self._mark or os.urandom(4).hex()}.jsonl"
        self._held.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        self._torn = False
        self._path, self._opener = path, os.getpid()
        locks.take(self._held.descriptor)
        # What a forked child writes must not look like the word of the run's owner.
        is_forked = os.getpid() != self._process
        role = MEMBER if is_forked and self._role == OWNER else self._role
        rank = ranks.rank()
        who = f'"host":{quoted(hostname())},"pid":{os.getpid()},"role":"{role}"'
        who += "" if rank is None else f',"rank":{rank}'
        who += ',"worker":true' if is_forked or self.is_worker else ""
        self.write(f'{{"writer":{{{who}}},"format":{FORMAT},"time":{time.time():.6f}}}\n'.encode())

    def close(self) -> None:
        """Close the file, which also gives up the lock."""
        self._held.close()

    @property
    def is_open(self) -> bool:
        """Whether lines may have been written since it was closed last."""
        return self._held.descriptor >= 0

    @property
    def vanished(self) -> bool:
        """Whether somebody removed the file while it was open."""
        return self._held.descriptor >= 0 and os.fstat(self._held.descriptor).st_nlink == 0


def hostname() -> str:
    """Return this machine's name."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform

    return platform.node()
