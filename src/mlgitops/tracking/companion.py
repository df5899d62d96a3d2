"""A process beside training that does what must happen from time to time, started only when it is asked for.

It samples the machine and pushes the live run. It is no thread: a thread would have to end before
every fork, and would take its share of the interpreter from training. It ends when it is told to
or when its parent has ended, however that was. ``beside`` is its program.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from mlgitops.tracking import helper, locks

SAMPLE_EVERY = 10.0  # seconds
PUSH_EVERY = 30.0  # seconds
_LONGEST = 1000  # bytes of what failed
PATIENCE = 30.0  # seconds that the end of a run waits for what is being pushed


class Companion:
    """The process beside this one that serves one run."""

    def __init__(self, folder: Path, sample_every: float, push_every: float) -> None:
        self.owner = os.getpid()
        self._told = locks.Held()  # where it says what failed
        reader, writer = os.pipe()
        self._told.descriptor = reader
        os.set_blocking(reader, False)
        try:
            self._child = helper.spawn(
                "mlgitops.tracking.beside",
                str(folder),
                str(self.owner),
                str(sample_every),
                str(push_every),
                stdin=writer,
            )
        finally:
            os.close(writer)

    def stop(self, patience: float = PATIENCE) -> str:
        """Have the process end, and wait for it; return what it says that failed, mostly nothing."""
        if not self._child or self.owner != os.getpid():
            return ""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGTERM)
        if not helper.wait_for(self._child, patience):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            helper.wait_for(self._child, 1.0)
        self._child = 0
        told = b""
        with contextlib.suppress(BlockingIOError):  # a process that it started and that hangs may hold the other end
            told = os.read(self._told.descriptor, _LONGEST)
        self._told.close()
        return told.decode("utf-8", "replace")


def start(folder: Path, system_metrics: bool | float | None, push_every: float | None) -> Companion | None:
    """Start the process when the caller or the environment asks for something; None when nobody does.

    ``MLGITOPS_SYSTEM_METRICS`` and ``MLGITOPS_PUSH_EVERY`` are seconds, or ``1`` for the usual ones, as is True.

    Raises:
        MissingExtraError: psutil is not installed.
        InputError: a number of seconds is none, or no store is set to push to.
        OSError: the process cannot be started.
    """
    sampling = _seconds("MLGITOPS_SYSTEM_METRICS", system_metrics, SAMPLE_EVERY)
    pushing = _seconds("MLGITOPS_PUSH_EVERY", push_every, PUSH_EVERY)
    if not sampling and not pushing:
        return None
    if pushing:
        from mlgitops import config

        config.load().require("store.url")  # told now, while it is cheap
    if sampling:
        import importlib.util

        if importlib.util.find_spec("psutil") is None:
            from mlgitops.errors import MissingExtraError

            raise MissingExtraError("psutil", "system")
    return Companion(folder, sampling, pushing)


def _seconds(variable: str, given: bool | float | None, usual: float) -> float:
    """Return how often something shall happen, 0 for never."""
    told: object = os.environ.get(variable, "") or 0 if given is None else given
    try:
        found = float(told)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found < float("inf"):
        from mlgitops.errors import InputError

        raise InputError(f"{variable} {told!r} is no number of seconds; expected one such as {usual:g}")
    return usual if told is True or told == "1" else found
