"""Start processes that cannot outlive the one that started them (Linux)."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def dying_with(parent: int) -> Callable[[], None]:
    """Return what a new process runs first, so that the kernel kills it when its parent's thread ends."""

    def die_with_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return die_with_parent


async def spawn(
    command: Sequence[str], log: Path, *, append: bool, folder: Path, environment: Mapping[str, str]
) -> asyncio.subprocess.Process:
    """Start a process in a working folder and a session of its own, both its outputs into a log file.

    The kernel kills it when the calling thread ends (prctl(2), PR_SET_PDEATHSIG), so
    call this on the main thread.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab" if append else "wb") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=dying_with(os.getpid()),
        )


async def stop(process: asyncio.subprocess.Process, grace: float) -> None:
    """Ask a process to end and kill it when it has not after ``grace`` seconds."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), grace)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
