"""The manifests on a real API server: the operator works with the rights that they give, and has no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.operating import Remote, example_files, operating
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.local import binaries
from mlgitops.local.cluster import Cluster
from mlgitops.operator import kinds
from mlgitops.operator.controllers import controllers

MANIFESTS = Path(__file__).parents[2] / "manifests"


@pytest.fixture
def operators_kubeconfig(api_server: Cluster, tmp_path: Path) -> Path:
    """A kubeconfig with a token of the operator's ServiceAccount."""
    routes = next(binaries.find().gateway_crds.glob("*httproutes*"))
    api_server.kubectl("apply", "--server-side", f"--filename={routes}", f"--filename={MANIFESTS}")
    api_server.kubectl("wait", "--for=condition=Established", f"--filename={routes}", "--timeout=30s")
    token = api_server.kubectl("create", "token", "mlgitops-operator", "--namespace=mlgitops-system").strip()
    config = json.loads(api_server.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    path = tmp_path / "operator-kubeconfig"
    path.write_text(json.dumps(config))
    return path


@asynchronous
async def test_the_operator_does_its_whole_work_with_the_rights_of_the_manifests(
    api_server: Cluster, operators_kubeconfig: Path, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    remote = Remote(tmp_path / "remote.git")
    remote.commit(example_files())
    source = {
        "apiVersion": "mlgitops.dev/v1alpha1",
        "kind": "RegistrySource",
        "metadata": {"name": "registry", "namespace": namespace},
        "spec": {"url": remote.url, "interval": "1s"},
    }
    children = (kube.CONTROLLER_REVISIONS, kube.DEPLOYMENTS, kube.SERVICES, kube.SERVICE_ACCOUNTS, kube.HTTP_ROUTES)
    async with (
        kube.Session(kube.login(api_server.kubeconfig)) as admin,
        operating(operators_kubeconfig, namespace, controllers()),
    ):
        await admin.apply(source, field_manager="test")

        async def all_there() -> bool:
            found = [(await admin.list(kind, namespace)).items for kind in children]
            stage = (await admin.list(kinds.MODEL_STAGES, namespace)).items
            raw = await admin.get(kinds.REGISTRY_SOURCES, "registry", namespace)
            applied = bool(raw.get("status", {}).get("lastAppliedRevision"))
            return applied and all(found) and all("conditions" in raw["status"] for raw in stage)

        await until(all_there)


@asynchronous
async def test_the_operator_may_not_read_secrets_or_change_what_people_tell_it(
    operators_kubeconfig: Path, namespace: str
) -> None:
    async with kube.Session(kube.login(operators_kubeconfig)) as session:
        for kind in (kube.SECRETS, kube.NODES, kube.CLUSTER_ROLES):
            with pytest.raises(kube.Forbidden):
                await session.list(kind)
        with pytest.raises(kube.Forbidden):
            await session.patch(kinds.REGISTRY_SOURCES, "registry", namespace, {"spec": {"interval": "1h"}})
        with pytest.raises(kube.Forbidden):
            await session.create_subresource(
                kube.SERVICE_ACCOUNTS,
                "mlgitops-operator",
                "mlgitops-system",
                "token",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
            )
