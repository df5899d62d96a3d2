"""SIGTERM: clusters send it before they take a machine away. Runs then end as pre-empted.

The handler stands only where the default one stood, which kills at once, and kills by the
same signal when it is done; a handler that the script installs, before or after, is left
alone. Python runs handlers between two steps of the main thread: while that one computes in
C, the signal waits. A forked child has the default handler: a signal that Python has taken
note of but not handled is forgotten at a fork, so that a child could miss its parent's.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections.abc import Callable
from types import FrameType

_end: Callable[[], None] | None = None
_lowered = False  # our handler was taken away for the length of a fork


def watch(end: Callable[[], None]) -> None:
    """Call a function on SIGTERM, before the process dies of it; do nothing outside of the main thread."""
    global _end
    if _end is None and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        try:
            signal.signal(signal.SIGTERM, _handle)
        except ValueError:  # not the main thread
            return
        _end = end
        _register()


def unwatch() -> None:
    """Put the default handler back, unless somebody else has put theirs."""
    global _end
    if _end is not None and signal.getsignal(signal.SIGTERM) is _handle:
        _set(signal.SIG_DFL)
    _end = None


def _handle(number: int, _: FrameType | None) -> None:
    end = _end
    signal.signal(number, signal.SIG_DFL)
    try:
        if end:
            end()
    finally:
        os.kill(os.getpid(), number)


def _set(handler: signal.Handlers | Callable[[int, FrameType | None], None]) -> None:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, handler)


def _before_fork() -> None:
    global _lowered
    _lowered = False
    if _end is not None and signal.getsignal(signal.SIGTERM) is _handle:
        _set(signal.SIG_DFL)
        _lowered = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def _after_fork_in_parent() -> None:
    if _lowered:
        _set(_handle)


def _after_fork_in_child() -> None:
    global _end
    if signal.getsignal(signal.SIGTERM) is _handle:
        _set(signal.SIG_DFL)
    _end = None


@functools.cache
def _register() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
        )
