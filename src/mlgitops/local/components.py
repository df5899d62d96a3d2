"""How each part of a cluster is started: pure functions from paths and addresses to command lines."""

from __future__ import annotations

import sys

from mlgitops.local.binaries import Binaries
from mlgitops.local.layout import NODE_NAME, Endpoints, Layout

_CONTROLLERS_OFF = (
    # They would write pods' loopback addresses into Endpoints and EndpointSlices, which refuse them.
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    # There are no volumes to provide, and these would make folders below /usr.
    "persistentvolume-attach-detach-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-expander-controller",
    # It publishes the authority of the API server's certificate, which is its own.
    "kube-apiserver-serving-clustertrustbundle-publisher-controller",
)
# Relative to the cluster's folder, which is every part's working folder: etcd asks nobody who
# they are, so that only those who may enter the folder may talk to it; and a path may be too
# long for a socket.
_ETCD_SOCKET = "etcd.sock"
_ISSUER = "https://kubernetes.default.svc"


def command(part: str, binaries: Binaries, layout: Layout, ends: Endpoints) -> list[str]:
    """Return the command line of a part."""
    flags = {
        "etcd": _etcd,
        "kube-apiserver": _api_server,
        "kube-controller-manager": _controller_manager,
        "kube-scheduler": _scheduler,
    }
    if part in flags:
        return [*binaries.command(part), *flags[part](layout, ends)]
    return [sys.executable, "-m", f"mlgitops.local.{part}", *{"node": _node, "gateway": _gateway}[part](layout, ends)]


def _etcd(layout: Layout, _: Endpoints) -> list[str]:
    client, peer = f"unix://{_ETCD_SOCKET}", "unix://etcd-peer.sock"
    return [
        f"--data-dir={layout.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--log-level=warn",
        # Git holds the truth: surviving a killed process matters, surviving a power cut does not.
        "--unsafe-no-fsync",
    ]


def _api_server(layout: Layout, ends: Endpoints) -> list[str]:
    return [
        f"--etcd-servers=unix://{_ETCD_SOCKET}",
        f"--bind-address={ends.address}",
        f"--secure-port={ends.api}",
        f"--advertise-address={ends.address}",
        # The Endpoints of "kubernetes" would hold a loopback address, which the API refuses.
        "--endpoint-reconciler-type=none",
        f"--cert-dir={layout.certificates}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={layout.account_key}",
        f"--service-account-signing-key-file={layout.account_key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--kubelet-preferred-address-types=InternalIP",
        "--profiling=false",
    ]


def _controller_manager(layout: Layout, _: Endpoints) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--controllers=*,{','.join(f'-{name}' for name in _CONTROLLERS_OFF)}",
        f"--service-account-private-key-file={layout.account_key}",
        f"--root-ca-file={layout.certificates / 'apiserver.crt'}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]


def _scheduler(layout: Layout, _: Endpoints) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]


def _node(layout: Layout, ends: Endpoints) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--name={NODE_NAME}",
        f"--pod-cidr={ends.pods}",
        f"--state-dir={layout.node}",
        f"--images={layout.images}",
        f"--gateway-url={ends.gateway_url}",
    ]


def _gateway(layout: Layout, ends: Endpoints) -> list[str]:
    return [f"--kubeconfig={layout.kubeconfig}", f"--address={ends.address}", f"--port={ends.gateway}"]
