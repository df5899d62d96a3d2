"""Starts the process that captures code and environment, once for each training process.

The training process neither waits for it nor runs a thread for it; it looks for the
result when a run ends. A second run of the same process gets copies of the same files.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from mlgitops.tracking.places import CAPTURE, DIFF, PACKAGES

PATIENCE = 20.0  # seconds that the end of a run waits for a capture
_FILES = (DIFF, PACKAGES, CAPTURE)  # in the order in which they are written


class Helper:
    """The capture process of this process, and the folder that it writes to."""

    def __init__(self, folder: Path) -> None:
        self.owner = os.getpid()
        self.folder = folder
        self._child = _start(folder)

    def give(self, folder: Path) -> None:
        """Copy a finished capture into another run's folder; do nothing while it is pending."""
        if folder == self.folder or (folder / CAPTURE).exists() or not (self.folder / CAPTURE).exists():
            return
        from mlgitops.files import write_atomic

        for name in _FILES:
            with contextlib.suppress(FileNotFoundError):
                write_atomic(folder / name, (self.folder / name).read_bytes())

    def wait(self, patience: float = PATIENCE) -> None:
        """Wait until the process has ended, for so many seconds at most."""
        deadline = time.monotonic() + patience
        while self._child:
            try:
                ended, _ = os.waitpid(self._child, os.WNOHANG)
            except ChildProcessError:
                ended = self._child  # somebody else has waited for it
            if ended:
                self._child = 0
            elif time.monotonic() > deadline:
                return
            else:
                time.sleep(0.002)

    def is_lost(self) -> bool:
        """Say whether the process has ended and its capture is not there, or no longer."""
        self.wait(0)
        return not self._child and not (self.folder / CAPTURE).exists()


_helper: Helper | None = None


def capture(folder: Path) -> Helper:
    """Return this process's helper; start one for this run when it is the first, or the first one's is gone.

    Raises:
        OSError: the process cannot be started.
    """
    global _helper
    if _helper is None or _helper.owner != os.getpid() or _helper.is_lost():
        _helper = Helper(folder)
    _helper.give(folder)
    return _helper


def entry_point() -> str:
    """Return the path of the script that runs, empty in a notebook or a shell."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return str(Path(script).absolute()) if script else ""


def _start(folder: Path) -> int:
    """Start the process in a group of its own, so that Ctrl-C does not reach it; return its id."""
    if not sys.executable:
        raise OSError("sys.executable is empty, so that no capture process can be started")
    script = entry_point()
    # -P: modules of the working folder must not stand in for those that the helper imports.
    command = [sys.executable, "-P", "-m", "mlgitops.tracking.capture", str(folder), str(Path.cwd()), script]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    if not hasattr(os, "posix_spawn"):
        import subprocess

        return subprocess.Popen(command, env=environment, stdin=-3, stdout=-3, stderr=-3).pid
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    # Not subprocess: its import alone would take longer than the rest of a run's start.
    return os.posix_spawn(sys.executable, command, environment, file_actions=nothing, setpgroup=0)
