"""The runtime on a real API server, with controllers that have nothing to do with models."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cluster.operating import operating
from cluster.proxy import WATCHES, Proxy
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.kube import Key, Raw
from mlgitops.local.cluster import Cluster
from mlgitops.operator.runtime import (
    Context,
    Controller,
    Index,
    Priority,
    Result,
    Retry,
    Stalled,
    Waiting,
    Watch,
    owned_by,
)

Reconcile = Callable[[Key, Context], Awaitable[Result]]


def config_map(namespace: str, name: str, owner: Raw | None = None, **data: str) -> Raw:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if owner:
        reference = {name: owner[name] for name in ("apiVersion", "kind")}
        reference |= {name: owner["metadata"][name] for name in ("name", "uid")}
        metadata["ownerReferences"] = [{**reference, "controller": True}]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def account(namespace: str, name: str) -> Raw:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}


def accounts(reconcile: Reconcile, **options: Any) -> Controller:
    """A controller of ServiceAccounts; bare API servers make none by themselves."""
    return Controller(resource=kube.SERVICE_ACCOUNTS, reconcile=reconcile, **options)


@asynchronous
async def test_every_object_is_reconciled_at_start_and_when_it_changes(api_server: Cluster, namespace: str) -> None:
    seen: Counter[str] = Counter()

    async def reconcile(key: Key, context: Context) -> Result:
        seen[key[1]] += 1
        return Result()

    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        for name in ("one", "two"):
            await session.create(account(namespace, name))
    async with operating(api_server.kubeconfig, namespace, [accounts(reconcile)]) as (session, _):
        await until(lambda: seen == {"one": 1, "two": 1})
        await session.create(account(namespace, "three"))
        await until(lambda: seen["three"] == 1)
        await session.delete(kube.SERVICE_ACCOUNTS, "one", namespace)
        await until(lambda: seen["one"] == 2)


@asynchronous
async def test_a_changed_child_wakes_its_owner_and_is_put_right(api_server: Cluster, namespace: str) -> None:
    async def reconcile(key: Key, context: Context) -> Result:
        raw = context.get(kube.SERVICE_ACCOUNTS, key)
        if raw:
            await context.apply(config_map(namespace, key[1], raw, wanted="yes"))
        return Result()

    child = Watch(kube.CONFIG_MAPS, owned_by(kube.SERVICE_ACCOUNTS))
    async with operating(api_server.kubeconfig, namespace, [accounts(reconcile, watches=(child,))]) as (session, _):
        await session.create(account(namespace, "one"))

        async def right() -> bool:
            found = (await session.list(kube.CONFIG_MAPS, namespace)).items
            return [raw["data"]["wanted"] for raw in found] == ["yes"]

        await until(right)
        await session.patch(kube.CONFIG_MAPS, "one", namespace, {"data": {"wanted": "no"}})
        await until(right)
        await session.delete(kube.CONFIG_MAPS, "one", namespace)
        await until(right)


@asynchronous
async def test_a_child_that_is_as_wanted_is_not_sent_again(api_proxy: Proxy, namespace: str) -> None:
    passes: Counter[str] = Counter()

    async def reconcile(key: Key, context: Context) -> Result:
        raw = context.get(kube.SERVICE_ACCOUNTS, key)
        assert raw
        await context.apply(config_map(namespace, key[1], raw, wanted="yes"))
        passes[key[1]] += 1
        return Result(after=0.05)

    controller = accounts(reconcile, reads=(kube.CONFIG_MAPS,))
    async with operating(api_proxy.kubeconfig, namespace, [controller]) as (session, _):
        await session.create(account(namespace, "one"))
        await until(lambda: passes["one"] >= 5)
    assert len([line for line in api_proxy.requests if line.startswith("PATCH")]) == 1


@asynchronous
async def test_a_key_rests_until_the_cache_shows_what_was_written(api_proxy: Proxy, namespace: str) -> None:
    seen: list[str | None] = []

    async def reconcile(key: Key, context: Context) -> Result:
        raw = context.get(kube.SERVICE_ACCOUNTS, key)
        child = context.get(kube.CONFIG_MAPS, key)
        seen.append(child["data"]["count"] if child else None)
        assert raw
        await context.apply(config_map(namespace, key[1], raw, count=str(len(seen))))
        return Result(after=0.0) if len(seen) < 3 else Result()

    controller = accounts(reconcile, reads=(kube.CONFIG_MAPS,))
    async with operating(api_proxy.kubeconfig, namespace, [controller]) as (session, manager):
        await until(lambda: manager.ready)
        await until(lambda: any("/configmaps?" in line and "watch=true" in line for line in api_proxy.requests))
        api_proxy.silence(r"/configmaps\?.*watch=true")
        await session.create(account(namespace, "one"))
        await until(lambda: len(seen) == 1)
        manager.queue.add((0, (namespace, "one")), Priority.PERSON)
        await asyncio.sleep(0.3)
        assert seen == [None], "decided on a copy that lacks our own write"
        api_proxy.heal()
        await until(lambda: len(seen) == 3)
    assert seen == [None, "1", "2"]


@asynchronous
async def test_our_silent_watch_is_noticed_by_another_watch_of_the_same_kind(
    api_proxy: Proxy, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlgitops.operator.runtime.manager._PATIENCE", 0.3)
    seen: Counter[str] = Counter()

    async def reconcile(key: Key, context: Context) -> Result:
        seen[key[1]] += 1
        return Result()

    async with operating(api_proxy.kubeconfig, namespace, [accounts(reconcile)]) as (session, manager):
        await until(lambda: manager.ready)
        await until(lambda: any("watch=true" in line for line in api_proxy.requests))
        api_proxy.silence(WATCHES)
        created = await session.create(account(namespace, "missed"))
        assert not seen
        manager.heard(kube.SERVICE_ACCOUNTS, created)
        await until(lambda: seen["missed"] == 1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Stalled("hopeless", reason="Hopeless"), "never again"),
        (Waiting("not yet", after=0.05), "again"),
        (Retry("broken"), "again"),
        (ValueError("a mistake of ours"), "again"),
        (kube.Conflict("ServiceAccount a/b", "somebody wrote"), "again"),
        (kube.TooManyRequests("ServiceAccount a/b", "busy"), "again"),
    ],
)
@asynchronous
async def test_each_error_says_whether_its_key_comes_again(
    api_server: Cluster, namespace: str, error: Exception, expected: str
) -> None:
    seen: Counter[str] = Counter()

    async def reconcile(key: Key, context: Context) -> Result:
        seen[key[1]] += 1
        if key[1] == "bad" and seen["bad"] == 1:
            raise error
        return Result()

    async with operating(api_server.kubeconfig, namespace, [accounts(reconcile)], workers=1) as (session, manager):
        await session.create(account(namespace, "bad"))
        await until(lambda: seen["bad"] == 1)
        await session.create(account(namespace, "good"))
        await until(lambda: seen["good"] == 1, "one key's failure stops the others")
        if expected == "again":
            await until(lambda: seen["bad"] == 2)
        else:
            assert len(manager.queue) == 0
            await session.patch(kube.SERVICE_ACCOUNTS, "bad", namespace, {"metadata": {"labels": {"now": "good"}}})
            await until(lambda: seen["bad"] == 2, "a change must wake a stalled key")


@asynchronous
async def test_an_index_follows_its_objects(api_server: Cluster, namespace: str) -> None:
    by_colour = Index(kube.CONFIG_MAPS, lambda raw: [raw.get("data", {}).get("colour")])
    found: dict[str, list[str]] = {}

    async def reconcile(key: Key, context: Context) -> Result:
        for colour in ("red", "blue"):
            found[colour] = [raw["metadata"]["name"] for raw in context.lookup(by_colour, colour)]
        return Result(after=0.02)

    controller = accounts(reconcile, indexes=(by_colour,))
    async with operating(api_server.kubeconfig, namespace, [controller]) as (session, _):
        await session.create(account(namespace, "one"))
        for name in ("b", "a"):
            await session.create(config_map(namespace, name, colour="red"))
        await until(lambda: found == {"red": ["a", "b"], "blue": []})
        await session.patch(kube.CONFIG_MAPS, "a", namespace, {"data": {"colour": "blue"}})
        await until(lambda: found == {"red": ["b"], "blue": ["a"]})
        await session.delete(kube.CONFIG_MAPS, "b", namespace)
        await until(lambda: found == {"red": [], "blue": ["a"]})


@asynchronous
async def test_a_selector_keeps_what_is_not_ours_out_of_the_cache(api_server: Cluster, namespace: str) -> None:
    seen: list[set[str]] = []

    async def reconcile(key: Key, context: Context) -> Result:
        seen.append({name for _, name in context.cache(kube.CONFIG_MAPS)})
        return Result()

    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        ours = config_map(namespace, "ours")
        ours["metadata"]["labels"] = {"example.com/owner": "us"}
        for raw in (ours, config_map(namespace, "theirs"), account(namespace, "one")):
            await session.create(raw)
    controller = accounts(reconcile, reads=(kube.CONFIG_MAPS,))
    selectors = {kube.CONFIG_MAPS: "example.com/owner"}
    async with operating(api_server.kubeconfig, namespace, [controller], selectors=selectors):
        await until(lambda: seen == [{"ours"}])


@asynchronous
async def test_the_api_server_may_be_away_for_a_while(api_proxy: Proxy, namespace: str) -> None:
    seen: Counter[str] = Counter()

    async def reconcile(key: Key, context: Context) -> Result:
        raw = context.get(kube.SERVICE_ACCOUNTS, key)
        assert raw
        await context.apply(config_map(namespace, key[1], raw, wanted="yes"))
        seen[key[1]] += 1
        return Result()

    async with operating(api_proxy.kubeconfig, namespace, [accounts(reconcile)]) as (_, manager):
        await until(lambda: manager.ready)
        api_proxy.fail("drop")
        api_proxy.disconnect()
        direct = kube.login(api_proxy.kubeconfig)
        cluster_side = kube.login(api_proxy._cluster.kubeconfig)
        assert direct.server != cluster_side.server
        async with kube.Session(cluster_side) as session:
            await session.create(account(namespace, "meanwhile"))
        api_proxy.heal()
        await until(lambda: seen["meanwhile"] == 1)
