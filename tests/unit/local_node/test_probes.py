"""Probes and hooks ask a container as a kubelet does; asked are servers that really listen."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from cluster.waiting import asynchronous, until
from mlgitops.errors import InputError
from mlgitops.local.node.probes import Target, succeeds, watch

ADDRESS = "127.0.0.1"


class Server:
    """Answers each path with the status that it names, and what is asked of it is kept."""

    def __init__(self) -> None:
        self.port = 0
        self.healthy = True
        self.asked: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        wanted = request.path.removeprefix("/")
        if wanted == "slow":
            await asyncio.sleep(30)
        if wanted == "moved":
            raise web.HTTPFound("/500")
        if wanted == "health":
            return web.Response(status=200 if self.healthy else 503)
        return web.Response(status=int(wanted or 200))


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, Target]]:
    server, app = Server(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, 0).start()
    server.port = runner.addresses[0][1]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        yield server, Target(ADDRESS, {"http": server.port}, http, execute)
    await runner.cleanup()


async def execute(command: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(*command)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def http_get(path: str, port: str | int = "http", **more: Any) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port, **more}}


@asynchronous
async def test_answers_from_200_to_399_are_good_and_a_redirect_is_not_followed() -> None:
    async with serving() as (server, target):
        for path, good in [("/200", True), ("/204", True), ("/moved", True), ("/400", False), ("/503", False)]:
            assert await succeeds(http_get(path), target, 5) is good
        assert [request.path for request in server.asked] == ["/200", "/204", "/moved", "/400", "/503"]


@asynchronous
async def test_a_path_needs_no_slash_and_a_port_may_be_a_number() -> None:
    async with serving() as (server, target):
        assert await succeeds(http_get("204", port=server.port), target, 5)
        assert await succeeds({"httpGet": {"port": str(server.port)}}, target, 5)
        assert [request.path for request in server.asked] == ["/204", "/"]


@asynchronous
async def test_headers_are_sent() -> None:
    async with serving() as (server, target):
        await succeeds(http_get("/", httpHeaders=[{"name": "X-Probe", "value": "yes"}]), target, 5)
        assert server.asked[0].headers["X-Probe"] == "yes"


@asynchronous
async def test_who_does_not_answer_in_time_or_does_not_listen_is_not_well() -> None:
    async with serving() as (_, target):
        assert not await succeeds(http_get("/slow"), target, 0.05)
        assert await succeeds({"tcpSocket": {"port": "http"}}, target, 5)
        with socket.socket() as bound:  # taken by somebody who does not listen
            bound.bind((ADDRESS, 0))
            deaf = bound.getsockname()[1]
            assert not await succeeds({"tcpSocket": {"port": deaf}}, target, 5)
            assert not await succeeds(http_get("/", port=deaf), target, 5)


@asynchronous
async def test_a_commands_exit_code_is_the_answer_and_one_that_hangs_is_ended() -> None:
    async with serving() as (_, target):
        assert await succeeds({"exec": {"command": ["true"]}}, target, 5)
        assert not await succeeds({"exec": {"command": ["false"]}}, target, 5)
        assert not await succeeds({"exec": {"command": ["sleep", "30"]}}, target, 0.05)
        assert not await succeeds({"exec": {"command": ["/no/such/program"]}}, target, 5)


@asynchronous
async def test_a_pause_goes_well_unless_it_is_longer_than_there_is_time() -> None:
    async with serving() as (_, target):
        assert await succeeds({"sleep": {"seconds": 0}}, target, 5)
        assert not await succeeds({"sleep": {"seconds": 30}}, target, 0.05)


@asynchronous
async def test_what_the_node_cannot_ask_is_refused_by_name() -> None:
    async with serving() as (_, target):
        with pytest.raises(InputError, match="no handler grpc; it has httpGet, tcpSocket, exec and sleep"):
            await succeeds({"grpc": {"port": 1}}, target, 5)
        with pytest.raises(InputError, match="no port 'metrics'; it has: http"):
            await succeeds(http_get("/", port="metrics"), target, 5)


@contextlib.asynccontextmanager
async def watching(probe: dict[str, Any], target: Target) -> AsyncIterator[list[bool]]:
    verdicts: list[bool] = []
    task = asyncio.create_task(watch(probe, target, verdicts.append))
    yield verdicts
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@asynchronous
async def test_a_verdict_is_told_once_each_time_that_it_changes() -> None:
    async with serving() as (server, target):
        probe = {**http_get("/health"), "periodSeconds": 0.02, "failureThreshold": 2}
        async with watching(probe, target) as verdicts:
            await until(lambda: verdicts == [True])
            server.healthy = False
            await until(lambda: verdicts == [True, False])
            server.healthy = True
            await until(lambda: verdicts == [True, False, True])


@asynchronous
async def test_one_failure_below_the_threshold_changes_nothing() -> None:
    async with serving() as (server, target):
        probe = {**http_get("/health"), "periodSeconds": 0.02, "failureThreshold": 1000}
        async with watching(probe, target) as verdicts:
            await until(lambda: verdicts == [True])
            server.healthy, before = False, len(server.asked)
            await until(lambda: len(server.asked) > before + 5)
            assert verdicts == [True]


@asynchronous
async def test_so_many_successes_in_a_row_are_needed_as_the_probe_says() -> None:
    async with serving() as (server, target):
        probe = {**http_get("/health"), "periodSeconds": 0.02, "successThreshold": 4}
        async with watching(probe, target) as verdicts:
            await until(lambda: verdicts == [True])
            assert len(server.asked) >= 4


@asynchronous
async def test_a_server_that_starts_is_found_well_before_its_period_is_over() -> None:
    async with serving() as (server, target):
        server.healthy = False
        probe = {**http_get("/health"), "periodSeconds": 60}
        async with watching(probe, target) as verdicts:
            await until(lambda: len(server.asked) > 2)
            assert verdicts == []  # a failure counts once a period, though it is asked more often
            server.healthy = True
            await until(lambda: verdicts == [True])
