"""The worker as a process, seen from the server: started before anything else, spoken to by frames."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A worker and our end of its socket; it loads the package from the moment it is started."""

    process: subprocess.Popen[bytes]
    connection: socket.socket

    @classmethod
    def start(cls) -> WorkerProcess:
        """Start a worker, which reads the same environment as we do."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "mlgitops.serving.worker", str(theirs.fileno())]
            environment = dict(os.environ)
            environment.pop("PYTHONDONTWRITEBYTECODE", None)  # it doubles every import
            process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment
            )
        return cls(process, ours)

    def end(self) -> str:
        """Kill the worker if it still runs, reap it, and say how it ended."""
        self.process.kill()
        code = self.process.wait()
        self.connection.close()
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
