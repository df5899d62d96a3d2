"""The operator as a pod of the local cluster, started from its manifests."""

from __future__ import annotations

from pathlib import Path

from cluster.operating import Remote, example_files
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.local.cluster import Cluster
from mlgitops.operator import kinds

MANIFESTS = Path(__file__).parents[2] / "manifests"


@asynchronous
async def test_the_manifests_start_an_operator_that_becomes_ready_and_works(
    cluster: Cluster, cluster_namespace: str, tmp_path: Path
) -> None:
    remote = Remote(tmp_path / "remote.git")
    remote.commit(example_files())
    source = {
        "apiVersion": "mlgitops.dev/v1alpha1",
        "kind": "RegistrySource",
        "metadata": {"name": "registry", "namespace": cluster_namespace},
        "spec": {"url": remote.url, "interval": "1s"},
    }
    cluster.kubectl("apply", "--server-side", f"--filename={MANIFESTS}")
    try:
        async with kube.Session(kube.login(cluster.kubeconfig)) as session:
            await session.apply(source, field_manager="test")

            async def available() -> bool:
                raw = await session.get(kube.DEPLOYMENTS, "mlgitops-operator", "mlgitops-system")
                return bool(raw["status"].get("availableReplicas") == 1)

            async def applied() -> bool:
                raw = await session.get(kinds.REGISTRY_SOURCES, "registry", cluster_namespace)
                return bool(raw.get("status", {}).get("lastAppliedRevision"))

            await until(available)
            await until(applied)
    finally:
        # The cluster is the whole session's: another test's operator must not find a rival.
        cluster.kubectl("delete", f"--filename={MANIFESTS}", "--wait=false")
