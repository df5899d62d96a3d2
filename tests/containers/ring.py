"""A real node for a local control plane: containerd, a kubelet, and one network, in a network namespace of its own.

The namespace (``unshare --net``, see the Makefile) has nothing but its loopback device, so
nothing here reaches, or is reached by, anything else. There is no kube-proxy: the address
of the Service ``kubernetes`` is this node's own and is forwarded to the API server.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from containers import images
from mlgitops.local.cluster import Cluster

API_SERVICE = "10.96.0.1"
NODE = "10.245.0.1"
PODS = "10.244.0.0/24"
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Ring:
    """A cluster with one real node."""

    cluster: Cluster
    folder: Path

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl and return what it printed."""
        return self.cluster.kubectl(*arguments)


@contextlib.contextmanager
def standing(folder: Path) -> Iterator[Ring]:
    """Bring everything up, and take it down again: pods, kubelet, containerd, control plane."""
    for address in (API_SERVICE, NODE):
        subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # of this network namespace only
    with contextlib.ExitStack() as stack:
        runtime = stack.enter_context(_containerd(folder))
        cluster = Cluster.up(attached=True, parts=CONTROL_PLANE, folder=folder / "cluster")
        stack.callback(cluster.down)
        stack.enter_context(_forwarding((cluster.endpoints.address, cluster.endpoints.api)))
        stack.enter_context(_kubelet(folder, cluster, runtime))
        stack.callback(_without_pods, cluster, runtime)
        until(lambda: " Ready " in cluster.kubectl("get", "nodes"), "the node is ready")
        yield Ring(cluster, folder)


def until(holds: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Wait until a function returns something true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)


@contextlib.contextmanager
def _containerd(folder: Path) -> Iterator[Path]:
    address = folder / "containerd.sock"
    network = {
        "cniVersion": "0.4.0",
        "name": "ring",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(folder / "ipam"),
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }
    (folder / "cni").mkdir()
    (folder / "cni" / "10-ring.conflist").write_text(json.dumps(network))
    (folder / "containerd.toml").write_text(
        f"""
version = 2
root = "{folder / "containerd"}"
state = "{folder / "containerd-state"}"
[grpc]
  address = "{address}"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{images.PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder / "cni"}"
"""
    )
    with _process(folder / "containerd.log", "containerd", f"--config={folder / 'containerd.toml'}"):
        until(lambda: _ctr(address, "version").returncode == 0, "containerd answers", seconds=30)
        for archive in images.archives().values():
            _ctr(address, "images", "import", str(archive)).check_returncode()
        yield address


def _ctr(address: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["ctr", f"--address={address}", "--namespace=k8s.io", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@contextlib.contextmanager
def _kubelet(folder: Path, cluster: Cluster, runtime: Path) -> Iterator[None]:
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{runtime}",
        "address": NODE,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        # What a machine like this one has: the first version of cgroups, no systemd, one disk.
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "enforceNodeAllocatable": [],
        "resolvConf": str(folder / "resolv.conf"),
    }
    (folder / "resolv.conf").touch()
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(settings))
    flags = [f"--kubeconfig={cluster.kubeconfig}", f"--config={folder / 'kubelet.yaml'}"]
    flags += [f"--root-dir={folder / 'kubelet'}", "--hostname-override=ring", f"--node-ip={NODE}"]
    with _process(folder / "kubelet.log", str(images.kubelet()), *flags):
        yield


def _without_pods(cluster: Cluster, runtime: Path) -> None:
    """End all pods while a kubelet is there to unmount their volumes."""
    cluster.kubectl("delete", "deployments,modeldeployments", "--all", "--all-namespaces", "--ignore-not-found")
    cluster.kubectl("delete", "pods", "--all", "--all-namespaces", "--grace-period=1")
    until(lambda: not _ctr(runtime, "tasks", "list", "--quiet").stdout.strip(), "no container runs")


@contextlib.contextmanager
def _process(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def _forwarding(target: tuple[str, int]) -> Iterator[None]:
    """Stand in for kube-proxy: take connections to the Service ``kubernetes`` to the API server."""
    with socket.create_server((API_SERVICE, 443)) as server:
        thread = threading.Thread(target=_forward, args=(server, target), daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _forward(server: socket.socket, target: tuple[str, int]) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_connect, args=(client, target), daemon=True).start()


def _connect(client: socket.socket, target: tuple[str, int]) -> None:
    with client, socket.create_connection(target) as upstream:
        answering = threading.Thread(target=_pipe, args=(upstream, client), daemon=True)
        answering.start()
        _pipe(client, upstream)
        answering.join()


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
