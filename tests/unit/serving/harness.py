"""Real servers: the program started as a process, on free loopback ports, and spoken to over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlgitops import packages

DEADLINE = 60.0  # seconds; the machine may be busy


@dataclass
class Answer:
    """What came back: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running server and its log."""

    process: subprocess.Popen[bytes]
    message: Path
    log: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    host: str = "127.0.0.1"

    def get(self, path: str, *, metrics: bool = False) -> Answer:
        return self.request("GET", path, metrics=metrics)

    def post(self, path: str, body: Any, content_type: str = "application/json", **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, data, {"Content-Type": content_type, **headers})

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        metrics: bool = False,
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.ports[int(metrics)], timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())

    def infer(self, rows: Any, **more: Any) -> Answer:
        """Ask the iris model by V2 for rows of four numbers."""
        flat = [value for row in rows for value in row]
        tensor = {"name": "input", "shape": [len(rows), 4], "datatype": "FP64", "data": flat}
        return self.post("/v2/models/iris/infer", {"inputs": [tensor], **more})

    def wait_ready(self) -> Server:
        until(lambda: self.ports and self.get("/v2/health/ready").status == 200, self)
        return self

    def worker(self) -> int:
        """Return the process id of the server's worker, 0 while there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[-1]) if children else 0

    def metric(self, name: str) -> float:
        """Return the sum of all samples of a metric."""
        lines = self.get("/metrics", metrics=True).body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}(\{{|\s)", line))

    def wait(self) -> int:
        return self.process.wait(DEADLINE)

    def read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            text = line.decode()
            self.log.append(text)
            if "metrics on http://" in text:
                self.ports = [int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", text)]


def until(condition: Callable[[], Any], server: Server | None = None) -> None:
    """Wait for a condition, and fail with the server's log when it does not come true."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        ended = server is not None and server.process.poll() is not None
        if ended or time.monotonic() > deadline:
            pytest.fail("".join(server.log) if server else "the condition did not come true in time")
        time.sleep(0.01)


class Servers:
    """Starts servers and ends what a test left running."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Server] = []

    def start(self, package: packages.Package, **settings: str) -> Server:
        message = self._folder / f"message-{len(self._started)}"
        environment = {
            **os.environ,
            "MLGITOPS_MODEL": "iris",
            "MLGITOPS_VERSION": "3",
            "MLGITOPS_DIGEST": package.digest,
            "MLGITOPS_MODEL_DIR": str(package.folder),
            "MLGITOPS_BIND": "127.0.0.1",
            "MLGITOPS_PORT": "0",
            "MLGITOPS_METRICS_PORT": "0",
            "MLGITOPS_TERMINATION_LOG": str(message),
            "PYTHONPATH": str(Path(__file__).parent / "models"),
            **settings,
        }
        command = [sys.executable, "-m", "mlgitops.serving.server"]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        server = Server(process, message)
        threading.Thread(target=server.read_log, daemon=True).start()
        self._started.append(server)
        return server

    def end(self) -> None:
        for server in self._started:
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            assert server.process.stderr is not None
            server.process.stderr.close()
