"""The fault proxy does what the tests that use it rely on."""

from __future__ import annotations

import asyncio
import time

import pytest

from cluster.proxy import WATCHES, Proxy
from mlgitops import kube
from mlgitops.local.cluster import Cluster


async def _names(proxy: Proxy) -> set[str]:
    async with kube.Session(kube.login(proxy.kubeconfig)) as session:
        return {item["metadata"]["name"] for item in (await session.list(kube.NAMESPACES)).items}


def _config_map(namespace: str, name: str) -> kube.Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


def test_without_faults_requests_pass(api_proxy: Proxy, namespace: str) -> None:
    assert namespace in asyncio.run(_names(api_proxy))
    assert any(line.startswith("GET /api/v1/namespaces") for line in api_proxy.requests)


def test_an_injected_answer_comes_as_often_as_asked(api_proxy: Proxy, namespace: str) -> None:
    fault = api_proxy.fail("answer", "^GET /api/v1/namespaces", times=1, status=410)
    with pytest.raises(kube.Gone):
        asyncio.run(_names(api_proxy))
    assert namespace in asyncio.run(_names(api_proxy))
    assert fault.hits == 1


def test_a_dropped_request_never_reaches_the_api_server(api_proxy: Proxy, api_server: Cluster, namespace: str) -> None:
    async def create() -> None:
        async with kube.Session(kube.login(api_proxy.kubeconfig)) as session:
            await session.create(_config_map(namespace, "dropped"))

    api_proxy.fail("drop", "^POST ")
    with pytest.raises(kube.Unavailable):
        asyncio.run(create())
    assert "dropped" not in api_server.kubectl("get", "configmaps", "-n", namespace, "-o", "name")


def test_a_lost_answer_leaves_its_object_behind(api_proxy: Proxy, api_server: Cluster, namespace: str) -> None:
    async def create() -> None:
        async with kube.Session(kube.login(api_proxy.kubeconfig)) as session:
            await session.create(_config_map(namespace, "lost"))

    api_proxy.fail("lose", "^POST ")
    with pytest.raises(kube.Unavailable):
        asyncio.run(create())
    assert "configmap/lost" in api_server.kubectl("get", "configmaps", "-n", namespace, "-o", "name")


def test_a_delay_is_only_a_delay(api_proxy: Proxy, namespace: str) -> None:
    api_proxy.fail("delay", "^GET /api/v1/namespaces", seconds=0.3)
    began = time.monotonic()
    assert namespace in asyncio.run(_names(api_proxy))
    assert time.monotonic() - began >= 0.3


def test_a_silenced_watch_says_nothing_and_stays_open(api_proxy: Proxy, api_server: Cluster, namespace: str) -> None:
    async def watch() -> None:
        async with kube.Session(kube.login(api_proxy.kubeconfig)) as session:
            listed = await session.list(kube.CONFIG_MAPS, namespace)
            version = listed.resource_version
            stream = session.watch(kube.CONFIG_MAPS, namespace, resource_version=version, silence=1.0)
            await session.create(_config_map(namespace, "seen"))
            _, seen = await anext(stream)
            assert seen["metadata"]["name"] == "seen"
            api_proxy.silence(WATCHES)
            await session.create(_config_map(namespace, "unseen"))
            with pytest.raises(kube.Silent):
                await anext(stream)

    asyncio.run(watch())
