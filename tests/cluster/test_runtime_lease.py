from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cluster.proxy import Proxy
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.local.cluster import Cluster
from mlgitops.operator.runtime import Lease, LeaseLost


class Hand:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lease(session: kube.Session, namespace: str, identity: str, time: Callable[[], float] | None = None) -> Lease:
    return Lease(session, "operator", namespace, identity, duration=10, period=0.02, time=time)


@asynchronous
async def test_one_of_two_holds_the_lease_and_the_other_follows_when_it_is_given_back(
    api_server: Cluster, namespace: str
) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        first, second = (lease(session, namespace, name) for name in ("first", "second"))
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await first.release()
        await asyncio.wait_for(waiting, 5)
        stored = await session.get(kube.LEASES, "operator", namespace)
        assert stored["spec"]["holderIdentity"] == "second"
        assert stored["spec"]["leaseTransitions"] == 1


@asynchronous
async def test_a_holder_that_died_is_followed_after_the_leases_duration_by_the_observers_clock(
    api_server: Cluster, namespace: str
) -> None:
    clock = Hand()
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        await lease(session, namespace, "died").acquire()
        waiting = asyncio.create_task(lease(session, namespace, "follower", clock).acquire())
        await asyncio.sleep(0.1)
        clock.now = 9.9
        await asyncio.sleep(0.1)
        assert not waiting.done()
        clock.now = 10.1
        await asyncio.wait_for(waiting, 5)


@asynchronous
async def test_a_holder_that_was_replaced_notices(api_server: Cluster, namespace: str) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        holder = lease(session, namespace, "holder")
        await holder.acquire()
        keeping = asyncio.create_task(holder.keep())
        spec = {"spec": {"holderIdentity": "usurper", "renewTime": "2026-01-01T00:00:00.000000Z"}}
        await session.patch(kube.LEASES, "operator", namespace, spec)
        with pytest.raises(LeaseLost, match=f"lease {namespace}/operator is no longer held by holder"):
            await asyncio.wait_for(keeping, 5)


@asynchronous
async def test_a_holder_that_cannot_renew_in_time_stops_before_others_may_start(
    api_proxy: Proxy, namespace: str
) -> None:
    clock = Hand()
    async with kube.Session(kube.login(api_proxy.kubeconfig)) as session:
        holder = lease(session, namespace, "holder", clock)
        await holder.acquire()
        keeping = asyncio.create_task(holder.keep())
        fault = api_proxy.fail("drop")
        await until(lambda: fault.hits > 2)
        assert not keeping.done(), "an hiccup is no reason to stop"
        clock.now = 9.99
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(keeping, 5)
