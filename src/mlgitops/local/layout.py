"""What lies where in a cluster's folder, and what its supervisor writes there about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mlgitops.files import write_atomic

ALL_PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "node", "gateway")
NODE_NAME = "local"
LET_GO = b"stay\n"  # tells a supervisor on its stdin that it may outlive who started it


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a cluster's parts listen: the number of its block of addresses, an address and ports."""

    block: int
    address: str
    pods: str
    api: int
    gateway: int

    @property
    def api_url(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.api}"

    @property
    def gateway_url(self) -> str:
        """The gateway's URL."""
        return f"http://{self.address}:{self.gateway}"


@dataclass(frozen=True, slots=True)
class Process:
    """The process of a part: its id, and how often it was started again."""

    pid: int
    restarts: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below a cluster's folder; everything in it may be read by its owner only."""

    folder: Path

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.folder.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def etcd(self) -> Path:
        """What etcd stores: without it the cluster starts empty. Keys and certificates lie elsewhere."""
        return self.folder / "etcd"

    @property
    def certificates(self) -> Path:
        """The folder of the certificates."""
        return self.folder / "certificates"

    @property
    def account_key(self) -> Path:
        """The private key that signs service accounts' tokens."""
        return self.folder / "keys" / "service-accounts.key"

    @property
    def tokens(self) -> Path:
        """The API server's list of tokens."""
        return self.folder / "keys" / "tokens.csv"

    @property
    def node(self) -> Path:
        """The process node's folder: pods' volumes and logs."""
        return self.folder / "node"

    @property
    def images(self) -> Path:
        """The process node's table of images."""
        return self.folder / "images.json"

    @property
    def pid(self) -> Path:
        """The supervisor's process id."""
        return self.folder / "supervisor.pid"

    def log(self, part: str) -> Path:
        """Return the log file of a part."""
        return self.folder / "logs" / f"{part}.log"

    def read_endpoints(self) -> Endpoints | None:
        """Return where the cluster listened last, None when it never ran."""
        try:
            return Endpoints(**json.loads((self.folder / "endpoints.json").read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write_endpoints(self, endpoints: Endpoints) -> None:
        """Remember where the cluster listens; it will prefer the same addresses next time."""
        write_atomic(self.folder / "endpoints.json", json.dumps(asdict(endpoints)).encode())

    def read_parts(self) -> dict[str, Process]:
        """Return the process of each part, as the supervisor wrote it last; empty when it never ran."""
        try:
            written = json.loads((self.folder / "parts.json").read_bytes())
            return {part: Process(**process) for part, process in written.items()}
        except (FileNotFoundError, ValueError, TypeError):
            return {}

    def write_parts(self, parts: Mapping[str, Process]) -> None:
        """Write down the process of each part."""
        document = {part: asdict(process) for part, process in parts.items()}
        write_atomic(self.folder / "parts.json", json.dumps(document).encode())

    def supervisor(self) -> int | None:
        """Return the process id of the supervisor that runs this cluster, None when none does.

        A pid file outlives its process and the number is given to others, so the
        process must also say that it supervises this very folder.
        """
        try:
            pid = int(self.pid.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if str(self.folder) in command else None
