"""Ends what a killed node leaves behind: the kernel ends its containers, but not what those have started.

``python -m mlgitops.local.node.guard FOLDER``: reads its input, which nobody ever writes,
until the node at the other end is no more, however it ended; then ends every process
that the folder's register remembers, and itself.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mlgitops.local.node.leftovers import Register


async def start(folder: Path) -> asyncio.subprocess.Process:
    """Start a guard in a session of its own; it ends when its stdin is closed."""
    command = (sys.executable, "-m", __name__, str(folder))
    return await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, start_new_session=True)


async def dismiss(guard: asyncio.subprocess.Process) -> None:
    """Let a guard end what is left, and wait for its own end."""
    assert guard.stdin is not None
    guard.stdin.close()
    await guard.wait()


if __name__ == "__main__":
    sys.stdin.buffer.read()
    Register(Path(sys.argv[1])).end_all()
