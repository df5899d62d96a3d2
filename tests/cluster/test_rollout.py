"""Roll-outs on the whole local cluster: real packages, real pods, real gateway, asked all the time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sklearn.linear_model import LogisticRegression

from cluster.stand import NAME, Stand, operator
from cluster.waiting import until
from mlgitops import artifacts, digest, kube, packages
from mlgitops.api.deployment import RolloutSpec, RolloutStep
from mlgitops.api.routing import ParentReference, Route
from mlgitops.local.cluster import Cluster
from worlds.rollout import version

pytestmark = pytest.mark.timeout(240)

QUICK = RolloutSpec(steps=(RolloutStep(10, "1s"), RolloutStep(50, "1s")), keep_previous="30s")


def patient(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an asynchronous test for at most three minutes."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 180))

    return run


@dataclass
class Shop:
    """A store with packages of small models, and what their versions answer."""

    root: Path

    def package(self, number: int) -> Path:
        folder = self.root / "packages" / str(number)
        model = LogisticRegression().fit([[0.0], [1.0], [2.0 + number]], [0, 1, 2])
        packages.save(model, folder, input_example=[[0.5]])
        return folder

    def upload(self, folder: Path) -> tuple[str, str]:
        """Return where a sealed folder lies in the store, and its digest."""
        uri = artifacts.upload(folder, self.store, "iris")
        return uri, digest.of_bytes((folder / digest.MANIFEST).read_bytes())

    @property
    def store(self) -> str:
        return f"file://{self.root}/store"

    def in_store(self, sha256: str) -> Path:
        return self.root / "store" / "iris" / f"sha256-{digest.hex_of(sha256)}"


@dataclass
class Traffic:
    """Somebody who never stops asking, and what came back."""

    url: str
    host: str
    failures: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)

    async def ask(self, session: aiohttp.ClientSession) -> None:
        body = {"inputs": [{"name": "input", "shape": [1, 1], "datatype": "FP64", "data": [0.5]}]}
        try:
            async with session.post(
                f"{self.url}/iris/v2/models/iris/infer", json=body, headers={"Host": self.host}
            ) as answer:
                text = await answer.text()
                if answer.status == 200:
                    self.answered[json.loads(text)["model_version"]] += 1
                else:
                    self.failures.append(f"{answer.status} {text[:200]}")
        except aiohttp.ClientError as error:
            self.failures.append(repr(error))

    async def run(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                await self.ask(session)
                await asyncio.sleep(0.01)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@contextlib.asynccontextmanager
async def real(cluster: Cluster, namespace: str, shop: Shop) -> AsyncIterator[Stand]:
    """Open a stand whose pods and gateway are the cluster's own."""
    async with kube.Session(kube.login(cluster.kubeconfig)) as session:
        stand = Stand(session, namespace)
        policy = stand.git.policies["default"]
        rule = replace(policy.spec.artifacts, prefixes=(f"{shop.store}/",))
        stand.git.policies["default"] = replace(policy, spec=replace(policy.spec, artifacts=rule))
        stand.git.versions.clear()
        async with operator(stand):
            yield stand


def add(stand: Stand, shop: Shop, number: int, folder: Path | None = None) -> str:
    """Put a version of the model into git and store; return its digest."""
    uri, found = shop.upload(folder or shop.package(number))
    stand.git.versions[str(number)] = version(number, uri=uri, digest=found)
    return found


def route(namespace: str) -> Route:
    parent = ParentReference("local", "mlgitops-gateway")
    return Route((parent,), (f"{namespace}.example.com",), "/iris")


@contextlib.asynccontextmanager
async def asking(cluster: Cluster, namespace: str) -> AsyncIterator[Traffic]:
    traffic = Traffic(cluster.gateway_url, f"{namespace}.example.com")
    running = asyncio.create_task(traffic.run())
    try:
        yield traffic
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@patient
async def test_canary_and_revert_under_load_lose_no_request(
    cluster: Cluster, cluster_namespace: str, shop: Shop
) -> None:
    async with real(cluster, cluster_namespace, shop) as stand:
        for number in (1, 2):
            add(stand, shop, number)
        await stand.commit(rollout=QUICK, route=route(cluster_namespace))
        await stand.until_served(1, seconds=60)
        async with asking(cluster, cluster_namespace) as traffic:
            await until(lambda: traffic.answered["1"] > 20, "version 1 answers")
            await stand.promote(2)
            await until(lambda: traffic.answered["2"] > 0, "the canary gets its share", seconds=60)
            await stand.until_served(2, seconds=60)
            await until(lambda: traffic.answered["2"] > 50, "version 2 answers")
            before = traffic.answered["1"]
            await stand.promote(1)
            await stand.until_served(1, seconds=60)
            await until(lambda: traffic.answered["1"] > before + 20, "version 1 answers again")
        assert traffic.failures == []


@patient
async def test_a_model_that_crashes_on_load_is_rolled_back_and_says_why(
    cluster: Cluster, cluster_namespace: str, shop: Shop
) -> None:
    async with real(cluster, cluster_namespace, shop) as stand:
        add(stand, shop, 1)
        broken = shop.root / "broken"
        shutil.copytree(shop.package(2), broken)
        model = next(broken.glob("*.skops"))
        model.write_bytes(b"this is no model")
        digest.seal(broken)
        add(stand, shop, 2, broken)
        await stand.commit(rollout=QUICK, route=route(cluster_namespace))
        await stand.until_served(1, seconds=60)
        async with asking(cluster, cluster_namespace) as traffic:
            await stand.promote(2)
            await stand.until_condition("Stalled", "True/RolledBack", seconds=90)
        status = (await stand.deployment()).status
        assert status.last_failure
        assert (status.last_failure.container, status.last_failure.version) == ("server", "2")
        assert status.last_failure.exit_code not in (0, None)
        assert "not a zip file" in (status.last_failure.message or ""), "what the server logged last"
        assert await stand.condition("Available") == "True/Answering"
        assert traffic.failures == []
        assert set(traffic.answered) == {"1"}


@patient
async def test_a_corrupt_artifact_never_starts_and_the_old_version_answers(
    cluster: Cluster, cluster_namespace: str, shop: Shop
) -> None:
    async with real(cluster, cluster_namespace, shop) as stand:
        add(stand, shop, 1)
        promised = add(stand, shop, 2)
        model = next(shop.in_store(promised).glob("*.skops"))
        original = digest.of_file(model)
        model.write_bytes(model.read_bytes()[:-1] + b"!")
        await stand.commit(rollout=QUICK, route=route(cluster_namespace))
        await stand.until_served(1, seconds=60)
        async with asking(cluster, cluster_namespace) as traffic:
            await stand.promote(2)
            await stand.until_condition("Stalled", "True/ArtifactCorrupt", seconds=60)
            assert await stand.condition("Verified") == "False/DigestMismatch"
            conditions = {entry.type: entry.message for entry in (await stand.deployment()).status.conditions}
            assert f"expected digest {original}, found {digest.of_file(model)}" in conditions["Stalled"]
            await until(lambda: traffic.answered["1"] > 20, "version 1 answers")
        assert traffic.failures == []
        assert set(traffic.answered) == {"1"}


@patient
async def test_a_missing_artifact_is_named_and_the_old_version_answers(
    cluster: Cluster, cluster_namespace: str, shop: Shop
) -> None:
    async with real(cluster, cluster_namespace, shop) as stand:
        add(stand, shop, 1)
        promised = add(stand, shop, 2)
        shutil.rmtree(shop.in_store(promised))
        await stand.commit(rollout=QUICK, route=route(cluster_namespace))
        await stand.until_served(1, seconds=60)
        async with asking(cluster, cluster_namespace) as traffic:
            await stand.promote(2)
            await stand.until_condition("Stalled", "True/ArtifactMissing", seconds=60)
            assert await stand.condition("Available") == "True/Answering"
            await until(lambda: traffic.answered["1"] > 20, "version 1 answers")
        assert traffic.failures == []
        assert set(traffic.answered) == {"1"}


@patient
async def test_an_artifact_outside_of_the_policys_prefixes_is_never_fetched_and_the_old_version_answers(
    cluster: Cluster, cluster_namespace: str, shop: Shop
) -> None:
    async with real(cluster, cluster_namespace, shop) as stand:
        add(stand, shop, 1)
        folder = shop.package(2)
        elsewhere = artifacts.upload(folder, f"file://{shop.root}/elsewhere", "iris")
        sealed = digest.of_bytes((folder / digest.MANIFEST).read_bytes())
        stand.git.versions["2"] = version(2, uri=elsewhere, digest=sealed)
        await stand.commit(rollout=QUICK, route=route(cluster_namespace))
        await stand.until_served(1, seconds=60)
        async with asking(cluster, cluster_namespace) as traffic:
            await stand.promote(2)
            await stand.until_condition("Stalled", "True/ArtifactNotAllowed", seconds=60)
            assert await stand.condition("Available") == "True/Answering"
            assert await stand.sizes() == {"1": 2}
            await until(lambda: traffic.answered["1"] > 20, "version 1 answers")
        assert traffic.failures == []
        assert set(traffic.answered) == {"1"}


@patient
async def test_deleting_the_deployment_takes_everything_with_it(
    cluster: Cluster, cluster_namespace: str, shop: Shop
) -> None:
    async with real(cluster, cluster_namespace, shop) as stand:
        add(stand, shop, 1)
        await stand.commit(route=route(cluster_namespace))
        await stand.until_served(1, seconds=60)
        cluster.kubectl("delete", "modeldeployment", NAME, f"--namespace={cluster_namespace}")

        async def gone() -> bool:
            pods = (await stand.session.list(kube.PODS, cluster_namespace)).items
            return not await stand.children() and not pods

        await until(gone, "children and pods are gone", seconds=60)
