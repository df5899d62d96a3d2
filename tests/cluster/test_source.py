"""RegistrySource on a real API server and a real repository."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.operating import Remote, example_files, operating
from cluster.proxy import Proxy
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.kube import Raw, Session
from mlgitops.local.cluster import Cluster
from mlgitops.operator import kinds, sources
from servers.git_https import serving

STAGING = "registry/models/iris/stages/staging.yaml"
VERSION_1 = "registry/models/iris/versions/1.yaml"
VERSION_2 = "registry/models/iris/versions/2.yaml"
DEPLOYMENT = "registry/deployments/prod-eu/iris-production.yaml"
RUNTIME = "registry/runtimes/python-1.yaml"


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """A remote with the example registry; the operator's clones live and die with the test."""
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    remote = Remote(tmp_path / "remote.git")
    remote.commit(example_files())
    return remote


def source(namespace: str, remote: Remote, **spec: Any) -> Raw:
    return {
        "apiVersion": "mlgitops.dev/v1alpha1",
        "kind": "RegistrySource",
        "metadata": {"name": "registry", "namespace": namespace},
        "spec": {"url": remote.url, "interval": "1s", **spec},
    }


def new_key(path: Path) -> str:
    """Make an SSH key and return its public half without the comment."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


class World:
    """A namespace with a source, as the tests look at it."""

    def __init__(self, session: Session, namespace: str) -> None:
        self.session = session
        self.namespace = namespace

    async def status(self) -> dict[str, Any]:
        raw = await self.session.get(kinds.REGISTRY_SOURCES, "registry", self.namespace)
        status: dict[str, Any] = raw["status"]
        return status

    async def said(self, reason: str) -> dict[str, Any] | None:
        """Return the Ready condition once it has a reason, and the status is well formed then."""
        status = await self.status()
        conditions = {condition["type"]: condition for condition in status.get("conditions", ())}
        ready = conditions.get("Ready")
        if ready is None or ready["reason"] != reason:
            return None
        assert not {"Stalled", "Reconciling"} <= conditions.keys()
        assert all(conditions[kind]["status"] == "True" for kind in ("Stalled", "Reconciling") if kind in conditions)
        assert (ready["status"] == "True") == (len(conditions) == 1)
        return {**ready, "types": set(conditions)}

    async def applied(self, commit: str) -> bool:
        return (await self.status()).get("lastAppliedRevision") == commit

    async def names(self, resource: kube.Resource) -> set[str]:
        return {raw["metadata"]["name"] for raw in (await self.session.list(resource, self.namespace)).items}


@contextlib.asynccontextmanager
async def following(kubeconfig: Path, raw: Raw) -> AsyncIterator[World]:
    namespace = raw["metadata"]["namespace"]
    async with operating(kubeconfig, namespace, [sources.controller()]) as (session, _):
        await session.apply(raw, field_manager="test")
        yield World(session, namespace)


@asynchronous
async def test_a_repository_is_applied_into_the_sources_namespace(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        ready = await until(lambda: world.said("Applied"))
        assert ready["status"] == "True"
        status = await world.status()
        assert status["lastAppliedRevision"] == status["lastAttemptedRevision"]
        assert status["observedGeneration"] == 1
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == {"iris-production"}
        assert await world.names(kinds.MODEL_STAGES) == {"iris.staging", "iris.production"}
        stage = await world.session.get(kinds.MODEL_STAGES, "iris.staging", namespace)
        assert stage["metadata"]["labels"] == {"mlgitops.dev/source": "registry"}


@asynchronous
async def test_only_versions_that_something_names_reach_the_cluster(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        await until(lambda: world.said("Applied"))
        assert await world.names(kinds.MODEL_VERSIONS) == {"iris.1", "iris.3"}


@asynchronous
async def test_a_new_commit_is_applied_and_what_nothing_names_any_more_goes(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        await until(lambda: world.said("Applied"))
        commit = remote.commit({STAGING: remote.read(STAGING).replace('"3"', '"2"')})
        await until(lambda: world.applied(commit))
        assert await world.names(kinds.MODEL_VERSIONS) == {"iris.1", "iris.2"}


@asynchronous
async def test_versions_that_a_deployments_status_names_stay(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        await until(lambda: world.said("Applied"))
        raw = await world.session.get(kinds.MODEL_DEPLOYMENTS, "iris-production", namespace)
        digest = "sha256:" + "0" * 64
        raw["status"]["active"] = {"revision": "a", "version": "2", "digest": digest}
        await world.session.update_status(raw)

        async def pinned() -> bool:
            return "iris.2" in await world.names(kinds.MODEL_VERSIONS)

        await until(pinned)


@asynchronous
async def test_an_override_by_hand_brings_the_version_that_it_names(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        await until(lambda: world.said("Applied"))
        override = {
            "apiVersion": "mlgitops.dev/v1alpha1",
            "kind": "ModelOverride",
            "metadata": {"name": "iris-production", "namespace": namespace},
            "spec": {"version": "2", "reason": "fire", "by": "alice", "expiresAt": "2099-01-01T00:00:00Z"},
        }
        await world.session.apply(override, field_manager="test")

        async def brought() -> bool:
            return "iris.2" in await world.names(kinds.MODEL_VERSIONS)

        await until(brought)


@asynchronous
async def test_nothing_is_sent_and_nothing_fetched_when_nothing_is_new(
    api_proxy: Proxy, namespace: str, remote: Remote
) -> None:
    raw = source(namespace, remote)
    async with following(api_proxy.kubeconfig, raw) as world:
        await until(lambda: world.said("Applied"))
    api_proxy.requests.clear()
    async with operating(api_proxy.kubeconfig, namespace, [sources.controller()]) as (session, manager):
        world = World(session, namespace)
        request = {"metadata": {"annotations": {"mlgitops.dev/requestedAt": "now"}}}
        await until(lambda: manager.ready)
        await session.patch(kinds.REGISTRY_SOURCES, "registry", namespace, request)

        async def handled() -> bool:
            return (await world.status()).get("lastHandledReconcileAt") == "now"

        await until(handled)
    writes = [line for line in api_proxy.requests if not line.startswith("GET")]
    source_path = f"/namespaces/{namespace}/registrysources/registry"
    assert [line.split("?")[0].partition(source_path)[2] for line in writes] == ["", "/status"], "\n".join(writes)


@asynchronous
async def test_an_edited_object_is_put_right(api_server: Cluster, namespace: str, remote: Remote) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote, interval="1h")) as world:
        await until(lambda: world.said("Applied"))
        await world.session.patch(kinds.MODEL_STAGES, "iris.staging", namespace, {"spec": {"version": "1"}})

        async def right() -> bool:
            raw = await world.session.get(kinds.MODEL_STAGES, "iris.staging", namespace)
            return bool(raw["spec"]["version"] == "3")

        await until(right)


@asynchronous
async def test_invalid_files_stall_with_their_lines_and_nothing_of_the_commit_is_applied(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        await until(lambda: world.said("Applied"))
        good = (await world.status())["lastAppliedRevision"]
        staging = remote.read(STAGING)
        bad = remote.commit(
            {STAGING: staging.replace('"3"', '"1"'), VERSION_1: remote.read(VERSION_1).replace("format:", "fromat:")}
        )
        ready = await until(lambda: world.said("InvalidObjects"))
        assert f"{VERSION_1}:" in ready["message"] and "fromat" in ready["message"]
        assert ready["types"] == {"Ready", "Stalled"}
        status = await world.status()
        assert (status["lastAppliedRevision"], status["lastAttemptedRevision"]) == (good, bad)
        stage = await world.session.get(kinds.MODEL_STAGES, "iris.staging", namespace)
        assert stage["spec"]["version"] == "3"
        commit = remote.commit(example_files())
        await until(lambda: world.applied(commit))
        assert await world.said("Applied")


@asynchronous
async def test_one_object_in_two_files_stalls_and_names_both(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    copy = "registry/models/iris/stages/zz-copy.yaml"
    remote.commit({copy: remote.read(STAGING)})
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        ready = await until(lambda: world.said("InvalidObjects"))
        assert copy in ready["message"] and STAGING in ready["message"]


@asynchronous
async def test_an_unreadable_url_says_so_and_is_tried_again(
    api_server: Cluster, namespace: str, tmp_path: Path, remote: Remote
) -> None:
    raw = source(namespace, remote)
    raw["spec"]["url"] = (tmp_path / "later.git").as_uri()
    async with following(api_server.kubeconfig, raw) as world:
        ready = await until(lambda: world.said("GitUnreachable"))
        assert "later.git" in ready["message"]
        assert ready["types"] == {"Ready", "Reconciling"}
        Remote(tmp_path / "later.git").commit(example_files())
        await until(lambda: world.said("Applied"))


@asynchronous
async def test_a_missing_branch_and_a_missing_path_stall(api_server: Cluster, namespace: str, remote: Remote) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote, ref={"branch": "release"})) as world:
        ready = await until(lambda: world.said("RevisionNotFound"))
        assert "refs/heads/release" in ready["message"]
        await world.session.apply(source(namespace, remote, paths=["registry", "elsewhere"]), field_manager="test")

        async def path_missing() -> bool:
            found = await world.said("RevisionNotFound")
            return bool(found and "elsewhere/" in found["message"])

        await until(path_missing)
        assert await world.names(kinds.MODEL_STAGES) == set()


@asynchronous
async def test_a_branch_that_comes_back_at_the_same_commit_is_followed_again(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        await until(lambda: world.said("Applied"))
        remote.hide_branch()
        await until(lambda: world.said("RevisionNotFound"))
        remote.show_branch()
        await until(lambda: world.said("Applied"))


@asynchronous
async def test_a_path_that_left_the_repository_deletes_nothing(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    paths = ["registry/deployments", "registry/models", "registry/policies", "registry/runtimes"]
    async with following(api_server.kubeconfig, source(namespace, remote, paths=paths)) as world:
        await until(lambda: world.said("Applied"))
        remote.commit({DEPLOYMENT: None})
        await until(lambda: world.said("RevisionNotFound"))
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == {"iris-production"}


@asynchronous
async def test_what_left_git_is_deleted_up_to_the_limit(api_server: Cluster, namespace: str, remote: Remote) -> None:
    raw = source(namespace, remote, prune={"maxPercent": 20})
    async with following(api_server.kubeconfig, raw) as world:
        await until(lambda: world.said("Applied"))
        remote.commit({path: None for path in example_files() if path != RUNTIME})
        ready = await until(lambda: world.said("PruneLimit"))
        assert "7 of 8 objects" in ready["message"]
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == {"iris-production"}
        await world.session.apply(source(namespace, remote, prune={"maxPercent": 90}), field_manager="test")
        await until(lambda: world.said("Applied"))
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == set()
        assert await world.names(kinds.SERVING_RUNTIMES) == {"python-1"}


@asynchronous
async def test_without_pruning_nothing_is_ever_deleted(api_server: Cluster, namespace: str, remote: Remote) -> None:
    raw = source(namespace, remote, prune={"enabled": False})
    async with following(api_server.kubeconfig, raw) as world:
        await until(lambda: world.said("Applied"))
        commit = remote.commit({DEPLOYMENT: None})
        await until(lambda: world.applied(commit))
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == {"iris-production"}


@pytest.mark.parametrize(
    ("mark", "owner"),
    [
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "apps:x"}}, "Argo CD"),
        ({"labels": {"mlgitops.dev/source": "another"}}, "RegistrySource another"),
    ],
)
@asynchronous
async def test_an_object_that_somebody_else_applies_stalls_the_source_and_stays(
    api_server: Cluster, namespace: str, remote: Remote, mark: dict[str, dict[str, str]], owner: str
) -> None:
    theirs = {
        "apiVersion": "mlgitops.dev/v1alpha1",
        "kind": "ModelStage",
        "metadata": {"name": "iris.staging", "namespace": namespace, **mark},
        "spec": {"modelRef": {"name": "iris"}, "stage": "staging", "version": "9"},
    }
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        await session.apply(theirs, field_manager="theirs")
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        ready = await until(lambda: world.said("OwnedByOther"))
        assert "ModelStage iris.staging belongs to " + owner in ready["message"]
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == set()
        stage = await world.session.get(kinds.MODEL_STAGES, "iris.staging", namespace)
        assert stage["spec"]["version"] == "9"


@asynchronous
async def test_an_apply_that_fails_prunes_nothing_and_is_tried_again(
    api_proxy: Proxy, namespace: str, remote: Remote
) -> None:
    async with following(api_proxy.kubeconfig, source(namespace, remote)) as world:
        await until(lambda: world.said("Applied"))
        api_proxy.fail("answer", r"^PATCH .*/modelversions/", status=500)
        commit = remote.commit({STAGING: remote.read(STAGING).replace('"3"', '"2"')})
        ready = await until(lambda: world.said("ApplyFailed"))
        assert f"ModelVersion {namespace}/iris.2" in ready["message"]
        assert ready["types"] == {"Ready", "Reconciling"}
        assert await world.names(kinds.MODEL_VERSIONS) == {"iris.1", "iris.3"}
        api_proxy.heal()
        await until(lambda: world.applied(commit))
        assert await world.names(kinds.MODEL_VERSIONS) == {"iris.1", "iris.2"}


@asynchronous
async def test_a_suspended_source_leaves_everything_and_says_so(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        await until(lambda: world.said("Applied"))
        suspend = {"reason": "audit", "by": "alice"}
        await world.session.apply(source(namespace, remote, suspend=suspend), field_manager="test")
        ready = await until(lambda: world.said("Suspended"))
        assert ready["message"] == "suspended by alice: audit"
        remote.commit({DEPLOYMENT: None})
        past = {**suspend, "until": "2020-01-01T00:00:00Z"}
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == {"iris-production"}
        await world.session.apply(source(namespace, remote, suspend=past), field_manager="test")
        await until(lambda: world.said("Applied"))
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == set()


@pytest.mark.parametrize("how", ["tag", "commit"])
@asynchronous
async def test_a_source_can_stay_at_a_tag_or_a_commit(
    api_server: Cluster, namespace: str, remote: Remote, how: str
) -> None:
    commit = remote.commit({STAGING: remote.read(STAGING).replace('"3"', '"2"')})
    remote.tag("v1")
    ref = {"tag": "v1"} if how == "tag" else {"commit": commit}
    remote.commit({STAGING: remote.read(STAGING).replace('"2"', '"1"')})
    async with following(api_server.kubeconfig, source(namespace, remote, ref=ref)) as world:
        await until(lambda: world.applied(commit))
        stage = await world.session.get(kinds.MODEL_STAGES, "iris.staging", namespace)
        assert stage["spec"]["version"] == "2"


@asynchronous
async def test_a_source_follows_the_highest_tag_within_a_range(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    old = remote.commit({STAGING: remote.read(STAGING).replace('"3"', '"2"')})
    remote.tag("v1.9.0")
    remote.commit({STAGING: remote.read(STAGING).replace('"2"', '"1"')})
    for name in ("v2.0.0", "v1.10.0-rc.1", "latest"):
        remote.tag(name)
    async with following(api_server.kubeconfig, source(namespace, remote, ref={"semver": "^1.2"})) as world:
        await until(lambda: world.applied(old))
        new = remote.commit({STAGING: remote.read(STAGING).replace('"1"', '"3"')})
        remote.tag("v1.10.0")
        await until(lambda: world.applied(new))
        ready = await until(lambda: world.said("Applied"))
        assert f"v1.10.0, {new}" in ready["message"]


@asynchronous
async def test_a_range_without_a_tag_says_so_and_waits_for_one(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    raw = source(namespace, remote, ref={"semver": "3.x"}, interval="1h", retryInterval="1s")
    async with following(api_server.kubeconfig, raw) as world:
        ready = await until(lambda: world.said("RevisionNotFound"))
        assert "has no tag within 3.x" in ready["message"]
        # Not in an hour: what failed is tried again after retryInterval.
        remote.tag("v3.0.0")
        await until(lambda: world.said("Applied"))


@asynchronous
async def test_what_a_source_ignores_is_neither_applied_nor_judged(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    remote.commit({"registry/drafts/broken.yaml": "a: ["})
    async with following(api_server.kubeconfig, source(namespace, remote)) as world:
        await until(lambda: world.said("InvalidObjects"))
        await world.session.apply(source(namespace, remote, ignore=["drafts"]), field_manager="test")
        await until(lambda: world.said("Applied"))
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == {"iris-production"}
        passed = source(namespace, remote, ignore=["drafts", "registry/deployments/**/*.yaml"])
        await world.session.apply(passed, field_manager="test")

        async def gone() -> bool:
            return await world.names(kinds.MODEL_DEPLOYMENTS) == set()

        await until(gone)


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
@asynchronous
async def test_a_private_forge_is_believed_by_the_certificate_that_the_source_names(
    api_server: Cluster, namespace: str, remote: Remote, tmp_path: Path, kind: str
) -> None:
    repository = Path(remote.url.removeprefix("file://"))
    with serving(repository, tmp_path) as (url, certificate):
        raw = source(namespace, remote, url=url, retryInterval="1s")
        async with following(api_server.kubeconfig, raw) as world:
            ready = await until(lambda: world.said("GitUnreachable"))
            assert "certificate" in ready["message"]
            raw["spec"]["caRef"] = {"kind": kind, "name": "forge"}
            await world.session.apply(raw, field_manager="test")
            ready = await until(lambda: world.said("SecretUnusable"))
            assert f"{kind} forge, which spec.caRef names, does not exist" in ready["message"]
            holder = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "forge", "namespace": namespace}}
            field = "data" if kind == "ConfigMap" else "stringData"
            await world.session.apply({**holder, field: {"ca.crt": certificate}}, field_manager="test")
            await until(lambda: world.said("Applied"))


@asynchronous
async def test_a_secret_that_cannot_be_used_says_what_is_missing(
    api_server: Cluster, namespace: str, remote: Remote
) -> None:
    raw = source(namespace, remote, secretRef={"name": "login"})
    async with following(api_server.kubeconfig, raw) as world:
        ready = await until(lambda: world.said("SecretUnusable"))
        assert "Secret login, which spec.secretRef names, does not exist" in ready["message"]
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "login", "namespace": namespace},
            "stringData": {"username": "me"},
        }
        await world.session.apply(secret, field_manager="test")

        async def names_the_field() -> bool:
            return "'password'" in (await world.said("SecretUnusable") or {"message": ""})["message"]

        await until(names_the_field)
        secret["stringData"] = {"username": "me", "password": "hidden"}
        await world.session.apply(secret, field_manager="test")
        await until(lambda: world.said("Applied"))


@asynchronous
async def test_only_commits_that_somebody_trusted_signed_are_applied(
    api_server: Cluster, namespace: str, remote: Remote, tmp_path: Path
) -> None:
    key = tmp_path / "alice"
    public = new_key(key)
    verify = {"keys": [{"name": "alice@example.com", "publicKey": public}]}
    async with following(api_server.kubeconfig, source(namespace, remote, verify=verify)) as world:
        ready = await until(lambda: world.said("VerificationFailed"))
        assert "is not signed; allowed are the SSH keys of alice@example.com" in ready["message"]
        assert ready["types"] == {"Ready", "Stalled"}
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == set()
        signed = remote.sign(key)
        await until(lambda: world.applied(signed))
        remote.commit({DEPLOYMENT: None})
        await until(lambda: world.said("VerificationFailed"))
        assert await world.names(kinds.MODEL_DEPLOYMENTS) == {"iris-production"}
