"""The operator is killed (SIGKILL) between decision, status write and child apply, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from cluster.stand import Stand, standing
from cluster.waiting import PATIENCE, asynchronous, until
from mlgitops.api.deployment import RolloutSpec, RolloutStep
from mlgitops.local.cluster import Cluster

QUICK = RolloutSpec(steps=(RolloutStep(10, "1s"), RolloutStep(50, "0s")), keep_previous="1s")


@contextlib.asynccontextmanager
async def process(cluster: Cluster, namespace: str, crash_at: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the operator as a process of its own that dies at a named place."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "MLGITOPS_CRASH_AT": crash_at}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    arguments = ("-m", "mlgitops.operator", f"--namespace={namespace}", "--log-level=ERROR")
    running = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def live_until_killed(stand: Stand, cluster: Cluster, crash_at: str) -> None:
    async with process(cluster, stand.namespace, crash_at) as operator:
        async with asyncio.timeout(PATIENCE):
            assert await operator.wait() == -signal.SIGKILL


async def check_the_end(stand: Stand, number: int, history: list[str]) -> None:
    """A deployment that was interrupted ends exactly as one that was not."""
    await stand.until_served(number)
    status = (await stand.deployment()).status
    assert [entry.version for entry in status.history] == history
    assert status.rollout is None
    assert await stand.serves() == {str(number): 100}


@pytest.mark.parametrize("place", ["after-status", "after-child"])
@asynchronous
async def test_a_first_rollout_survives_a_kill(api_server: Cluster, namespace: str, place: str) -> None:
    async with standing(api_server, namespace) as stand:
        await stand.commit(rollout=QUICK)
        await live_until_killed(stand, api_server, place)
        async with process(api_server, namespace):
            await check_the_end(stand, 1, ["1"])


@pytest.mark.parametrize(
    "place", ["before-status:2", "after-status:2", "before-child:4", "after-child:5", "before-delete", "after-delete:2"]
)
@asynchronous
async def test_a_canary_survives_a_kill_at_each_kind_of_place(api_server: Cluster, namespace: str, place: str) -> None:
    async with standing(api_server, namespace) as stand:
        await stand.commit(rollout=QUICK)
        async with process(api_server, namespace):
            await check_the_end(stand, 1, ["1"])
        await stand.promote(2)
        await live_until_killed(stand, api_server, place)
        started = (await stand.deployment()).status.rollout
        async with process(api_server, namespace):
            await check_the_end(stand, 2, ["2", "1"])
        assert started is None or started.started_at <= (await stand.deployment()).status.history[0].at


@asynchronous
async def test_an_operator_that_dies_after_every_single_child_still_ends_a_canary(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand:
        await stand.commit(rollout=QUICK)
        async with process(api_server, namespace):
            await check_the_end(stand, 1, ["1"])
        await stand.promote(2)
        lives = 0
        served: dict[str, int] = {}
        while served != {"2": 100}:
            await live_until_killed(stand, api_server, "after-child")
            lives += 1
            served = await stand.serves()
            assert sum(served.values()) == 100
        assert lives >= 6, "each life applied one child only"
        async with process(api_server, namespace):
            await check_the_end(stand, 2, ["2", "1"])

            async def alone() -> bool:
                return await stand.sizes() == {"2": 2}

            await until(alone, "only the version that serves keeps its pods")
