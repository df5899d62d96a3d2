"""Advisory locks that say which processes are alive.

The kernel gives a lock up however its process dies, so nothing has to be cleaned up. A forked
child would hold its parent's locks: every descriptor that is registered here is closed in it. So
would a program that is started, until the kernel has closed what it need not have, which is after
its parent goes on: whoever starts one closes ``descriptors`` in it first.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    HAS_LOCKS = False
else:
    HAS_LOCKS = True


class Held:
    """A descriptor that this process keeps open and locked; -1 when there is none."""

    __slots__ = ("__weakref__", "descriptor")

    def __init__(self) -> None:
        self.descriptor = -1
        _held.add(self)

    def close(self) -> None:
        """Close the descriptor, which also gives up its lock."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


_held: weakref.WeakSet[Held] = weakref.WeakSet()


def descriptors() -> list[int]:
    """Return what a program that is started must not hold."""
    return [held.descriptor for held in list(_held) if held.descriptor >= 0]


def take(descriptor: int) -> bool:
    """Lock an open file; say whether nobody else holds it.

    Without locks (Windows, some network file systems) everybody gets it; readers go by the file's time.
    """
    if not HAS_LOCKS:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def wait_for(descriptor: int) -> None:
    """Lock an open file, however long somebody else holds it; do without where there are no locks."""
    if HAS_LOCKS:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def claim(path: Path) -> Held | None:
    """Make a file when it is missing and hold its lock; None when a living process holds it.

    Raises:
        OSError: the file cannot be made.
    """
    held = Held()
    held.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    if take(held.descriptor):
        return held
    held.close()
    return None


def is_locked(path: Path) -> bool:
    """Say whether a living process of this machine holds the lock of a file or folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, AttributeError):  # Windows has neither locks nor these flags
        return False
    try:
        return is_held(descriptor)
    finally:
        os.close(descriptor)


def is_held(descriptor: int) -> bool:
    """Say whether another opening of a file that is open here holds its lock."""
    if not HAS_LOCKS:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    # Given up at once: a writer that makes the file meanwhile would not get its lock.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _leave_to_the_parent() -> None:
    for held in list(_held):
        held.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)
