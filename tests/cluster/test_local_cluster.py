"""The local cluster's life: it comes up, it survives what kills its parts, and nothing outlives it."""

from __future__ import annotations

from mlgitops.local.cluster import Cluster


def test_the_api_server_answers_kubectl(api_server: Cluster, namespace: str) -> None:
    assert api_server.kubectl("get", "namespace", namespace, "-o", "name") == f"namespace/{namespace}\n"
