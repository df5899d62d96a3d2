from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cluster.proxy import WATCHES, Proxy
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.kube import Change, Raw, Reflector, Session
from mlgitops.local.cluster import Cluster

MAPS = r"/namespaces/[^/]*/configmaps"


def config_map(namespace: str, name: str, **data: str) -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


@asynccontextmanager
async def reflecting(
    kubeconfig: Path, namespace: str, *, silence: float = 90, resource: kube.Resource = kube.CONFIG_MAPS
) -> AsyncIterator[tuple[Session, Reflector]]:
    async with (
        Session(kube.login(kubeconfig)) as session,
        Reflector(session, resource, namespace, silence=silence) as reflector,
    ):
        yield session, reflector


def names(reflector: Reflector) -> set[str]:
    return {name for _, name in reflector.cache}


@asynchronous
async def test_the_cache_holds_what_was_there_and_follows_what_happens(api_server: Cluster, namespace: str) -> None:
    async with reflecting(api_server.kubeconfig, namespace) as (session, reflector):
        await session.create(config_map(namespace, "before"))
        await reflector.wait_synced()
        await session.create(config_map(namespace, "after", a="1"))
        await until(lambda: names(reflector) == {"before", "after"})
        changed = await session.patch(kube.CONFIG_MAPS, "after", namespace, {"data": {"a": "2"}})
        await reflector.wait_reached(kube.version_of(changed))
        assert reflector.cache[namespace, "after"]["data"] == {"a": "2"}
        await session.delete(kube.CONFIG_MAPS, "before", namespace)
        await until(lambda: names(reflector) == {"after"})
        assert set(reflector.cache.namespace(namespace)) == {(namespace, "after")}


@asynchronous
async def test_a_subscriber_hears_of_each_change_with_old_and_new(api_server: Cluster, namespace: str) -> None:
    heard: list[Change] = []
    async with reflecting(api_server.kubeconfig, namespace) as (session, reflector):
        await reflector.wait_synced()
        reflector.subscribe(heard.append)
        await session.create(config_map(namespace, "one", a="1"))
        await session.patch(kube.CONFIG_MAPS, "one", namespace, {"data": {"a": "2"}})
        await session.delete(kube.CONFIG_MAPS, "one", namespace)
        await until(lambda: len(heard) == 3)
    assert [change.type for change in heard] == ["added", "modified", "deleted"]
    assert heard[1].old is not None and heard[1].new is not None
    assert (heard[1].old["data"], heard[1].new["data"]) == ({"a": "1"}, {"a": "2"})


@asynchronous
async def test_one_subscribers_mistake_is_not_the_others_problem(api_server: Cluster, namespace: str) -> None:
    heard: list[Change] = []

    def fail(_: Change) -> None:
        raise ValueError("a mistake")

    async with reflecting(api_server.kubeconfig, namespace) as (session, reflector):
        await reflector.wait_synced()
        reflector.subscribe(fail)
        reflector.subscribe(heard.append)
        for name in ("one", "two"):
            await session.create(config_map(namespace, name))
        await until(lambda: len(heard) == 2)


@asynchronous
async def test_foreign_managed_fields_are_dropped_and_ours_kept(api_server: Cluster, namespace: str) -> None:
    async with Session(kube.login(api_server.kubeconfig)) as session:
        await session.apply(config_map(namespace, "one", a="1"), field_manager="ours")
        await session.apply(config_map(namespace, "one", b="1"), field_manager="theirs")
        async with Reflector(session, kube.CONFIG_MAPS, namespace, managers=["ours"]) as reflector:
            await reflector.wait_synced()
            managed = reflector.cache[namespace, "one"]["metadata"]["managedFields"]
            assert [entry["manager"] for entry in managed] == ["ours"]


@pytest.mark.parametrize("status", [404, 410, 500, 504])
@asynchronous
async def test_a_watch_that_is_refused_is_taken_up_again(api_proxy: Proxy, namespace: str, status: int) -> None:
    fault = api_proxy.fail("answer", WATCHES, times=2, status=status)
    async with reflecting(api_proxy.kubeconfig, namespace) as (session, reflector):
        await reflector.wait_synced()
        await session.create(config_map(namespace, "during"))
        # A list between the two refusals may bring the object before the second one came.
        await until(lambda: names(reflector) == {"during"} and fault.hits == 2)


@asynchronous
async def test_an_expired_version_within_the_stream_leads_to_a_new_list(api_proxy: Proxy, namespace: str) -> None:
    async with reflecting(api_proxy.kubeconfig, namespace) as (session, reflector):
        await reflector.wait_synced()
        # A version that etcd has never had in its history that is kept: the stream opens and then says 410.
        reflector.resource_version = "1"
        api_proxy.disconnect(WATCHES)
        await session.create(config_map(namespace, "later"))
        await until(lambda: names(reflector) == {"later"})


@asynchronous
async def test_a_list_that_fails_is_tried_again(api_proxy: Proxy, namespace: str) -> None:
    api_proxy.fail("answer", MAPS, times=3, status=500)
    async with reflecting(api_proxy.kubeconfig, namespace) as (_, reflector):
        await reflector.wait_synced()
        assert not reflector.absent


@asynchronous
async def test_a_404_of_an_api_that_discovery_lists_does_not_empty_the_cache(api_proxy: Proxy, namespace: str) -> None:
    heard: list[Change] = []
    async with reflecting(api_proxy.kubeconfig, namespace) as (session, reflector):
        await session.create(config_map(namespace, "kept"))
        await until(lambda: names(reflector) == {"kept"})
        reflector.subscribe(heard.append)
        fault = api_proxy.fail("answer", MAPS, times=3, status=404)
        reflector.relist()
        await until(lambda: fault.hits == 3)
        await session.create(config_map(namespace, "later"))
        await until(lambda: names(reflector) == {"kept", "later"})
    assert [(change.type, change.key[1]) for change in heard] == [("added", "later")]


@asynchronous
async def test_what_was_deleted_while_the_connection_was_gone_is_emitted_as_deleted(
    api_proxy: Proxy, api_server: Cluster, namespace: str
) -> None:
    heard: list[Change] = []
    async with (
        Session(kube.login(api_server.kubeconfig)) as direct,
        reflecting(api_proxy.kubeconfig, namespace) as (_, reflector),
    ):
        for name in ("stays", "goes", "changes"):
            await direct.create(config_map(namespace, name))
        await until(lambda: len(reflector.cache) == 3)
        reflector.subscribe(heard.append)
        api_proxy.fail("drop", MAPS)
        api_proxy.disconnect(WATCHES)
        await direct.delete(kube.CONFIG_MAPS, "goes", namespace)
        await direct.patch(kube.CONFIG_MAPS, "changes", namespace, {"data": {"a": "1"}})
        # A list, not a taken-up watch: the deletion must be found by comparing.
        reflector.relist()
        api_proxy.heal()
        await until(lambda: names(reflector) == {"stays", "changes"})
        await until(lambda: len(heard) == 2)
    assert {(change.type, change.key[1]) for change in heard} == {("deleted", "goes"), ("modified", "changes")}


@asynchronous
async def test_a_watch_that_goes_silent_is_noticed(api_proxy: Proxy, api_server: Cluster, namespace: str) -> None:
    async with (
        Session(kube.login(api_server.kubeconfig)) as direct,
        reflecting(api_proxy.kubeconfig, namespace, silence=0.5) as (_, reflector),
    ):
        await reflector.wait_synced()
        await until(lambda: any("watch=true" in line for line in api_proxy.requests))
        api_proxy.silence(new_too=True)
        await direct.create(config_map(namespace, "missed"))
        await until(lambda: names(reflector) == {"missed"})


@asynchronous
async def test_an_api_that_is_not_installed_is_empty_until_it_is(api_server: Cluster, namespace: str) -> None:
    kind = kube.Resource("example.test", "v1", "lateones", "LateOne")
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "lateones.example.test"},
        "spec": {
            "group": "example.test",
            "scope": "Namespaced",
            "names": {"kind": "LateOne", "plural": "lateones", "singular": "lateone", "listKind": "LateOneList"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    raw = {"apiVersion": "example.test/v1", "kind": "LateOne", "metadata": {"name": "a", "namespace": namespace}}

    async def created(session: Session) -> bool:
        try:
            await session.apply(raw, field_manager="test")
        except kube.NotFound:
            return False
        return True

    async with reflecting(api_server.kubeconfig, namespace, resource=kind) as (session, reflector):
        await reflector.wait_synced()
        assert reflector.absent
        await session.apply(crd, field_manager="test")
        await until(lambda: created(session))
        await until(lambda: names(reflector) == {"a"})
        assert not reflector.absent
        await session.delete(kube.CUSTOM_RESOURCE_DEFINITIONS, "lateones.example.test")
        await until(lambda: not reflector.cache and reflector.absent)


@asynchronous
async def test_the_api_server_may_be_killed_and_come_back(api_server: Cluster, namespace: str) -> None:
    async with reflecting(api_server.kubeconfig, namespace) as (session, reflector):
        await session.create(config_map(namespace, "before"))
        await until(lambda: names(reflector) == {"before"})
        os.kill(api_server.parts["kube-apiserver"].pid, signal.SIGKILL)

        async def created() -> bool:
            try:
                await session.apply(config_map(namespace, "after"), field_manager="test")
            except kube.KubeError:
                return False
            return True

        await until(created)
        await until(lambda: names(reflector) == {"before", "after"})


@asynchronous
async def test_a_history_that_begins_again_starts_a_new_epoch(api_server: Cluster, namespace: str) -> None:
    async with reflecting(api_server.kubeconfig, namespace) as (_, reflector):
        await reflector.wait_synced()
        epoch = reflector.epoch
        # What an etcd that was replaced looks like: our version is higher than any it will have for long.
        reflector.resource_version = str(10**12)
        reflector.relist()
        await until(lambda: reflector.epoch == epoch + 1)
        assert not reflector.reached(str(10**12))
