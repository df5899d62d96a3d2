"""Starts processes beside training; the one that captures code and environment once for each training process.

The training process neither waits for it nor runs a thread for it; it looks for the
result when a run ends. A second run of the same process gets copies of the same files.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from mlgitops.tracking import locks
from mlgitops.tracking.places import CAPTURE, DIFF, PACKAGES

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 20.0  # seconds that the end of a run waits for a capture
_MOST, _LONGEST = 1000, 64 << 10  # arguments that are passed on, and characters of them all
VOICE = 3  # the descriptor by which a helper speaks to whoever watches the training
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
        if self._child and wait_for(self._child, patience):
            self._child = 0

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


def _arguments() -> list[str]:
    """Return the script's command line, as far as the system passes it on."""
    arguments = [argument.replace("\0", "")[:_LONGEST] for argument in sys.argv[1:_MOST]]
    return arguments if sum(map(len, arguments)) < _LONGEST else [*arguments[:10], "…"]


def _start(folder: Path) -> int:
    voice = VOICE if hasattr(os, "posix_spawn") and _has_standard_error() else None
    arguments = (str(folder), str(Path.cwd()), str(voice or ""), entry_point(), *_arguments())
    return spawn("mlgitops.tracking.capture", *arguments, voice=voice)


def _has_standard_error() -> bool:
    """Say whether there is one; a process that closed it may have opened a lock by its number."""
    try:
        os.fstat(2)
    except OSError:
        return False
    return sys.__stderr__ is not None and 2 not in locks.descriptors()


def spawn(
    module: str,
    *arguments: str,
    stdin: int | None = None,
    voice: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> int:
    """Run a module in a process of its own, in a session of its own, which no terminal reaches; return its id.

    Args:
        module: its name.
        arguments: of its command line.
        stdin: the descriptor that it gets as its standard input, by default nothing; nowhere on Windows.
        voice: the descriptor that our standard error has there, where its own one leads nowhere; nowhere on Windows.
        variables: of the environment that it gets besides ours.

    Raises:
        OSError: the process cannot be started.
    """
    if not sys.executable:
        raise OSError("sys.executable is empty, so that no process can be started beside training")
    # -P: modules of the working folder must not stand in for those that the helper imports.
    command = [sys.executable, "-P", "-m", module, *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= variables or {}
    if not hasattr(os, "posix_spawn"):
        import subprocess

        return subprocess.Popen(command, env=environment, stdin=-3, stdout=-3, stderr=-3).pid
    closed = [(os.POSIX_SPAWN_CLOSE, held) for held in locks.descriptors()]
    spoken = [] if voice is None else [(os.POSIX_SPAWN_DUP2, 2, voice)]
    given = [] if stdin is None else [(os.POSIX_SPAWN_DUP2, stdin, 0)]
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(len(given), 3)]
    # Not subprocess: its import alone would take longer than the rest of a run's start.
    actions = [*closed, *given, *spoken, *nothing]  # in this order: a lock may have the number of the voice
    try:
        return os.posix_spawn(sys.executable, command, environment, file_actions=actions, setsid=True)
    except NotImplementedError:  # an older system has groups only, which Ctrl-C does not reach either
        return os.posix_spawn(sys.executable, command, environment, file_actions=actions, setpgroup=0)


def wait_for(child: int, patience: float) -> bool:
    """Wait until a child has ended, for so many seconds at most; say whether it has."""
    return status_of(child, patience) is not None


def status_of(child: int, patience: float) -> int | None:
    """Return how a child ended, as ``waitpid`` has it, or None when it has not after so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            ended, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:
            return 0  # somebody else has waited for it
        if ended:
            return status
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)
