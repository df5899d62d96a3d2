"""A real API server for every test of anything that talks to Kubernetes; the same one for a whole session."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.proxy import Proxy
from mlgitops.errors import OutsideError
from mlgitops.local.cluster import Cluster

CRDS = Path(__file__).parents[2] / "crds"
_numbers = itertools.count(1)


def _with_our_kinds(cluster: Cluster) -> Cluster:
    try:
        cluster.kubectl("apply", "--server-side", f"--filename={CRDS}")
    except OutsideError as error:
        # A broken CRD is the finding of the CRDs' own tests, not of everybody's.
        print(error, file=sys.stderr)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    return cluster


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """etcd and an API server with our kinds, nothing else: no controllers, no node, no gateway."""
    folder = tmp_path_factory.mktemp("api") / "api-server"
    cluster = Cluster.up(attached=True, parts=("etcd", "kube-apiserver"), folder=folder)
    try:
        yield _with_our_kinds(cluster)
    finally:
        cluster.down()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A whole local cluster with our kinds: controllers, scheduler, process node and gateway."""
    running = Cluster.up(attached=True, folder=tmp_path_factory.mktemp("cluster") / "whole")
    try:
        yield _with_our_kinds(running)
    finally:
        running.down()


def _fresh_namespace(cluster: Cluster) -> str:
    # Not deleted afterwards: without controllers it would never go, and the cluster ends with the session.
    name = f"test-{os.getpid()}-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def namespace(api_server: Cluster) -> str:
    """A fresh namespace of ``api_server``."""
    return _fresh_namespace(api_server)


@pytest.fixture
def cluster_namespace(cluster: Cluster) -> str:
    """A fresh namespace of ``cluster``."""
    return _fresh_namespace(cluster)


@pytest.fixture
def api_proxy(api_server: Cluster, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy in front of ``api_server`` that fails on request; log in with its ``kubeconfig``."""
    with Proxy(api_server, tmp_path / "proxy-kubeconfig").serving() as proxy:
        yield proxy
