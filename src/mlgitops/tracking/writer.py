"""One process's file of a run: lines of JSON, each written by one system call.

A line that was written survives the death of the process by any signal, because the
kernel has it; there is no buffer, no queue and no thread. ``O_APPEND`` keeps lines of
threads whole. A forked child finds its copy closed and opens a file of its own.

The process holds an advisory lock on its file: locked means alive.
"""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path

from mlgitops.tracking.places import FORMAT

_open_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


class Writer:
    """Appends lines to a file that only this process writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1
        self._torn = False
        _open_writers.add(self)

    def write(self, line: bytes) -> None:
        """Append one whole line, its line feed included.

        Raises:
            OSError: the system did not take all of it.
        """
        if self._descriptor < 0:
            self.open()
        if self._torn:
            line = b"\n" + line
        written = os.write(self._descriptor, line)
        self._torn = written != len(line)
        if self._torn:
            raise OSError(f"only {written} of {len(line)} bytes were written; is the disk full?")

    def open(self) -> None:
        """Make this process's file, lock it and write its first line.

        Raises:
            OSError: the file cannot be made.
        """
        host = "".join(c if c.isascii() and c.isalnum() else "-" for c in hostname())[:40]
        path = self._folder / f"w-{host}-{os.getpid()}-{os.urandom(4).hex()}.jsonl"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        _lock(self._descriptor)
        who = f'{{"host":{quoted(hostname())},"pid":{os.getpid()}}}'
        self.write(f'{{"writer":{who},"format":{FORMAT},"time":{time.time():.6f}}}\n'.encode())

    def close(self) -> None:
        """Close the file, which also gives up the lock."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    @property
    def vanished(self) -> bool:
        """Whether somebody removed the file while it was open."""
        return self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0


def hostname() -> str:
    """Return this machine's name."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform

    return platform.node()


def is_locked(path: Path) -> bool:
    """Say whether a living process of this machine holds the lock of a file or folder."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int) -> None:
    # Without locks (Windows, some network file systems) readers go by the file's time.
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _leave_to_the_parent() -> None:
    for writer in list(_open_writers):
        writer.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)
