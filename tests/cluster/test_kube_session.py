from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.proxy import Proxy
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.kube import Raw
from mlgitops.local.cluster import Cluster

# As /proc/net/tcp writes it.
ESTABLISHED = "01"


def config_map(namespace: str, name: str = "settings", **data: str) -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


@asynchronous
async def test_an_object_is_created_read_changed_and_deleted(api_server: Cluster, namespace: str) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        created = await session.create(config_map(namespace, a="1"))
        assert await session.get(kube.CONFIG_MAPS, "settings", namespace) == created
        patched = await session.patch(kube.CONFIG_MAPS, "settings", namespace, {"data": {"b": "2"}})
        assert patched["data"] == {"a": "1", "b": "2"}
        await session.delete(kube.CONFIG_MAPS, "settings", namespace)
        with pytest.raises(kube.NotFound, match=f"ConfigMap {namespace}/settings"):
            await session.get(kube.CONFIG_MAPS, "settings", namespace)


@asynchronous
async def test_deleting_what_is_gone_is_fine(api_server: Cluster, namespace: str) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        await session.delete(kube.CONFIG_MAPS, "never-was", namespace)


@asynchronous
async def test_a_namesake_made_since_is_not_deleted(api_server: Cluster, namespace: str) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        await session.create(config_map(namespace))
        with pytest.raises(kube.Conflict):
            await session.delete(kube.CONFIG_MAPS, "settings", namespace, uid="of-the-old-one")


@asynchronous
async def test_creating_twice_says_that_it_exists(api_server: Cluster, namespace: str) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        await session.create(config_map(namespace))
        with pytest.raises(kube.AlreadyExists):
            await session.create(config_map(namespace))


@asynchronous
async def test_a_list_longer_than_a_page_is_whole_and_its_items_name_their_kind(
    api_server: Cluster, namespace: str
) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        for number in range(7):
            await session.create(config_map(namespace, f"map-{number}"))
        pages = [page async for page in session.pages(kube.CONFIG_MAPS, namespace, size=3)]
        listed = await session.list(kube.CONFIG_MAPS, namespace)
        assert [len(page.items) for page in pages] == [3, 3, 1]
        assert len(listed.items) == 7
        assert {item["kind"] for item in listed.items} == {"ConfigMap"}


@asynchronous
async def test_what_was_applied_and_is_left_out_is_removed_and_others_fields_stay(
    api_server: Cluster, namespace: str
) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        await session.apply(config_map(namespace, a="1", b="1"), field_manager="first")
        await session.apply(config_map(namespace, other="1"), field_manager="second")
        stored = await session.apply(config_map(namespace, a="2"), field_manager="first")
        assert stored["data"] == {"a": "2", "other": "1"}


@asynchronous
async def test_a_field_of_another_manager_is_a_conflict_unless_forced(api_server: Cluster, namespace: str) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        await session.apply(config_map(namespace, a="1"), field_manager="first")
        with pytest.raises(kube.Conflict, match=r"\.data\.a"):
            await session.apply(config_map(namespace, a="2"), field_manager="second", force=False)
        stored = await session.apply(config_map(namespace, a="2"), field_manager="second")
        assert stored["data"] == {"a": "2"}


@asynchronous
async def test_an_unknown_field_is_invalid(api_server: Cluster, namespace: str) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        with pytest.raises(kube.Invalid, match="not declared in schema"):
            await session.apply({**config_map(namespace), "dat": {}}, field_manager="first")


@asynchronous
async def test_a_status_decided_on_an_old_copy_is_refused(api_server: Cluster, namespace: str) -> None:
    lease = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "budget", "namespace": namespace},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "iris"}}},
    }
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        old = await session.create(lease)
        new = await session.update_status({**old, "status": {**old["status"], "currentHealthy": 3}})
        assert new["status"]["currentHealthy"] == 3
        with pytest.raises(kube.Conflict):
            await session.update_status({**old, "status": {**old["status"], "currentHealthy": 4}})


@asynchronous
async def test_a_kind_outside_the_table_is_found_by_asking_once(api_proxy: Proxy, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "quota", "namespace": namespace},
        "spec": {"hard": {"pods": "3"}},
    }
    async with kube.Session(kube.login(api_proxy.kubeconfig)) as session:
        for _ in range(2):
            await session.apply(quota, field_manager="first")
    assert [line for line in api_proxy.requests if line.endswith("/api/v1")] == ["GET /api/v1"]


@asynchronous
async def test_a_kind_that_is_not_served_says_that_its_crd_is_missing(api_server: Cluster, namespace: str) -> None:
    raw = {"apiVersion": "v1", "kind": "Unicorn", "metadata": {"name": "a", "namespace": namespace}}
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        with pytest.raises(kube.NotFound, match="serves no kind Unicorn"):
            await session.apply(raw, field_manager="first")


@asynchronous
async def test_a_token_that_was_rotated_is_read_again(api_server: Cluster, namespace: str, tmp_path: Path) -> None:
    right = kube.login(api_server.kubeconfig)
    token = tmp_path / "token"
    token.write_text("expired")
    reads: list[str] = []

    def read() -> str:
        reads.append(token.read_text())
        return reads[-1]

    credentials = kube.Credentials(server=right.server, ca=right.ca, read_token=read)
    async with kube.Session(credentials) as session:
        with pytest.raises(kube.Unauthorized):
            await session.list(kube.CONFIG_MAPS, namespace)
        token.write_text(right.read_token() or "")
        await session.list(kube.CONFIG_MAPS, namespace)
        before = len(reads)
        await session.list(kube.CONFIG_MAPS, namespace)
        assert len(reads) == before, "a token that works is not read for each request"


@asynchronous
async def test_no_connection_is_unavailable_and_names_the_object(api_proxy: Proxy, namespace: str) -> None:
    async with kube.Session(kube.login(api_proxy.kubeconfig)) as session:
        api_proxy.fail("drop")
        with pytest.raises(kube.Unavailable, match=f"ConfigMap {namespace}/settings"):
            await session.apply(config_map(namespace), field_manager="first")


@asynchronous
async def test_an_api_servers_certificate_of_somebody_else_is_refused(api_server: Cluster) -> None:
    right = kube.login(api_server.kubeconfig)
    credentials = kube.Credentials(server=right.server, ca=None, read_token=right.read_token)
    async with kube.Session(credentials) as session:
        with pytest.raises(kube.Unavailable, match="certificate"):
            await session.list(kube.NAMESPACES)


@contextlib.contextmanager
def mute_server(cluster: Cluster) -> Iterator[tuple[int, threading.Event]]:
    """Serve one connection that takes a request and never says a word; yield its port and when it was asked."""
    certificates = cluster.layout.certificates
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
    asked, over = threading.Event(), threading.Event()

    def serve() -> None:
        with tls.wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.recv(65536)
            asked.set()
            over.wait(30)

    with socket.create_server((cluster.endpoints.address, 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], asked
        finally:
            over.set()
            thread.join()


@asynchronous
async def test_a_request_that_is_broken_off_leaves_no_connection_behind(api_server: Cluster, namespace: str) -> None:
    def connections() -> int:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(remote.endswith(f":{port:04X}") and state == ESTABLISHED for _, _, remote, state, *_ in rows)

    with mute_server(api_server) as (port, asked):
        credentials = replace(
            kube.login(api_server.kubeconfig), server=f"https://{api_server.endpoints.address}:{port}"
        )
        async with kube.Session(credentials) as session:
            request = asyncio.create_task(session.get(kube.CONFIG_MAPS, "settings", namespace))
            await until(asked.is_set)
            assert connections() == 1
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
        assert connections() == 0
