"""A local cluster as its user holds it: bring it up, find it, take it down."""

from __future__ import annotations

import json
import os
import platform
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlgitops import config
from mlgitops.errors import InputError, NotFoundError, OutsideError
from mlgitops.files import lock, write_atomic
from mlgitops.local import binaries
from mlgitops.local.layout import ALL_PARTS, LET_GO, Endpoints, Layout, Process

# The image of the default runtime and of the operator: the Python that runs this.
PYTHON_IMAGE = "mlgitops.dev/python:1"
_UP_WITHIN = 120.0  # seconds
_DOWN_WITHIN = 30.0  # seconds
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")

Progress = Callable[[str], None]


@dataclass(slots=True)
class Cluster:
    """A local cluster that runs, or ran."""

    layout: Layout
    _owner: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def up(
        cls,
        name: str = "local",
        *,
        attached: bool = False,
        parts: Sequence[str] = ALL_PARTS,
        images: Mapping[str, Mapping[str, Any]] | None = None,
        folder: Path | None = None,
        progress: Progress = lambda _: None,
    ) -> Cluster:
        """Start a cluster and return when it takes pods; one that runs already is left as it is.

        Args:
            name: its name, a DNS label.
            attached: it ends with this process, even when that is killed; else it stays.
            parts: which programs to run.
            images: more entries for the process node's table of images.
            folder: where it lives; default: ``clusters/NAME`` in the user's state folder.
            progress: receives a line for each part that started.

        Raises:
            InputError: the name is not usable, or this is not Linux.
            OutsideError: it did not come up; the message ends with the reason.
        """
        if platform.system() != "Linux":
            raise InputError(f"the local cluster needs Linux, this is {platform.system()}; use kind and its kubeconfig")
        layout = Layout(folder or _folder(name))
        binaries.find(progress)  # here, where a build's progress is seen; the supervisor finds what was made
        layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock(layout.folder / "lock"):
            if layout.supervisor() is not None:
                return cls(layout)
            table = {PYTHON_IMAGE: {"python": sys.executable}} | dict(images or {})
            write_atomic(layout.images, json.dumps(table, indent=2).encode())
            supervisor = _start_supervisor(layout, parts)
            cluster = cls(layout, supervisor)
            try:
                _wait_ready(supervisor, layout, progress)
                if not attached:
                    _let_go(supervisor)
            except BaseException:  # Ctrl-C too: half a cluster must not stay behind
                cluster.down()
                raise
        return cluster

    @classmethod
    def find(cls, name: str = "local") -> Cluster:
        """Return a cluster by its name, whether it runs or not.

        Raises:
            NotFoundError: there is none; the message lists those that exist.
        """
        layout = Layout(_folder(name))
        if layout.read_endpoints() is None:
            known = [cluster.layout.name for cluster in cls.list()]
            cure = f"name one with --name, such as: --name {known[0]}" if known else "start one with: mlgitops local up"
            raise NotFoundError(f"no local cluster {name}; known: {', '.join(known) or 'none'}; {cure}")
        return cls(layout)

    @classmethod
    def list(cls) -> tuple[Cluster, ...]:
        """Return this user's clusters by name."""
        folders = sorted(_clusters().glob("*/endpoints.json"))
        return tuple(cls(Layout(path.parent)) for path in folders)

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.layout.name

    @property
    def running(self) -> bool:
        """Whether its supervisor runs."""
        return self.layout.supervisor() is not None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def endpoints(self) -> Endpoints:
        """Where its parts listen."""
        endpoints = self.layout.read_endpoints()
        assert endpoints is not None, "a cluster that came up wrote its endpoints"
        return endpoints

    @property
    def gateway_url(self) -> str:
        """The gateway's URL, such as ``http://127.64.0.1:8080``."""
        return self.endpoints.gateway_url

    @property
    def parts(self) -> dict[str, Process]:
        """The process of each part that was started."""
        return self.layout.read_parts()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator and return what it printed.

        Raises:
            OutsideError: it failed; the message is its own.
        """
        command = [*binaries.find().command("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, input=stdin)
        if done.returncode:
            raise OutsideError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def down(self) -> None:
        """Stop the cluster; what it stores stays for the next time."""
        pid = self.layout.supervisor()
        if pid is not None:
            _signal(pid, signal.SIGTERM)
            deadline = time.monotonic() + _DOWN_WITHIN
            while self._still_runs() and time.monotonic() < deadline:
                time.sleep(0.02)
            if self._still_runs():
                _signal(pid, signal.SIGKILL)
        if self._owner is not None:
            self._owner.wait()
            for pipe in (self._owner.stdin, self._owner.stdout):
                if pipe is not None:
                    pipe.close()
            self._owner = None
        self.layout.pid.unlink(missing_ok=True)

    def forget(self) -> None:
        """Delete all that a stopped cluster stores: the next one of its name starts empty.

        Raises:
            InputError: it still runs.
        """
        if self.running:
            raise InputError(f"cluster {self.name} runs; stop it first: mlgitops local down --name {self.name}")
        shutil.rmtree(self.layout.folder, ignore_errors=True)

    def _still_runs(self) -> bool:
        if self._owner is not None:  # our own child stays in the process table until we ask
            return self._owner.poll() is None
        return self.running


def _clusters() -> Path:
    return config.state_dir() / "clusters"


def _folder(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise InputError(f"cluster name {name!r} must be 1 to 40 lower-case letters, digits and inner dashes")
    return _clusters() / name


def _start_supervisor(layout: Layout, parts: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a supervisor that ends with this process until it is let go: half a cluster never stays behind."""
    command = [sys.executable, "-m", "mlgitops.local.supervisor", str(layout.folder), f"--parts={','.join(parts)}"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    log = layout.log("supervisor")
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as errors:
        supervisor = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
    write_atomic(layout.pid, str(supervisor.pid).encode())
    return supervisor


def _wait_ready(supervisor: subprocess.Popen[bytes], layout: Layout, progress: Progress) -> None:
    """Read the supervisor's reports until it says that the cluster is ready."""
    assert supervisor.stdout is not None
    deadline = time.monotonic() + _UP_WITHIN
    buffered = b""
    while time.monotonic() < deadline:
        if not select.select([supervisor.stdout], [], [], 0.5)[0]:
            continue
        data = os.read(supervisor.stdout.fileno(), 65536)
        if not data:
            break
        *lines, buffered = (buffered + data).split(b"\n")
        for report in map(json.loads, lines):
            if "error" in report:
                raise OutsideError(f"cluster {layout.name} did not come up: {report['error']}")
            if "ready" in report:
                return
            progress(f"started {report['started']}")
    log = layout.log("supervisor")
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    raise OutsideError(f"cluster {layout.name} did not come up; {log} ends:\n{tail}")


def _let_go(supervisor: subprocess.Popen[bytes]) -> None:
    """Tell a supervisor that it may outlive this process."""
    assert supervisor.stdin is not None
    supervisor.stdin.write(LET_GO)
    supervisor.stdin.close()


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
