"""The gateway's proxy moves bytes faithfully and fails a request only when it must."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mlgitops.local.gateway.backends import Backend, Target
from mlgitops.local.gateway.proxy import Proxy
from mlgitops.local.gateway.routing import Rule, Table

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Routes:
    """One route for all paths below /iris to the Service iris; the test says which pods are ready."""

    def __init__(self, **rule: Any) -> None:
        rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
        full = {
            "matches": [{"path": {"type": "PathPrefix", "value": "/iris"}}],
            "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
            "backendRefs": [{"name": "iris", "port": 80}],
        } | rule
        self.table = Table.of([{"metadata": {"namespace": "shop", "name": "r"}, "spec": {"rules": [full]}}])
        self.pods: dict[str, list[Target]] = {}

    def find(
        self, host: str, path: str, method: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Rule | None:
        return self.table.find(host, path, method, headers, query)

    def targets(self, backend: Backend) -> tuple[Target, ...]:
        return tuple(self.pods.get(backend.service, ()))


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Target]:
    runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Target(*runner.addresses[0][:2])
    await runner.cleanup()


@contextlib.asynccontextmanager
async def raw(on_request: Callable[[asyncio.StreamWriter, int], None]) -> AsyncIterator[Target]:
    """A server that answers as the test says, at the level of bytes; the number counts a connection's requests."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            count = 0
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        await reader.readexactly(int(line.split(b":")[1]))
                count += 1
                on_request(writer, count)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield Target(*server.sockets[0].getsockname()[:2])


@contextlib.asynccontextmanager
async def gateway(routes: Routes, **settings: Any) -> AsyncIterator[aiohttp.ClientSession]:
    proxy = Proxy(routes, **settings)
    await proxy.start()
    async with serving(proxy.handle) as here, aiohttp.ClientSession(f"http://{here.address}:{here.port}") as client:
        yield client
    await proxy.stop()


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    body = await request.read()
    headers = {
        name: request.headers.get(name) for name in ("Host", "X-Forwarded-For", "X-Forwarded-Host", "Connection")
    }
    return web.json_response({"target": request.raw_path, "size": len(body), "headers": headers})


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


def test_a_request_arrives_with_its_prefix_stripped_and_its_host_kept() -> None:
    async def test() -> None:
        routes = Routes()
        async with serving(echo) as pod, gateway(routes) as client:
            routes.pods["iris"] = [pod]
            async with client.post(
                "/iris/v2/a%2Fb?x=1&y=%20", data=b"123", headers={"Host": "iris.example.com"}
            ) as answer:
                seen = await answer.json()
        assert (answer.status, seen["target"], seen["size"]) == (200, "/v2/a%2Fb?x=1&y=%20", 3)
        assert seen["headers"]["Host"] == seen["headers"]["X-Forwarded-Host"] == "iris.example.com"
        assert seen["headers"]["X-Forwarded-For"] == "127.0.0.1"

    run(test)


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_bodies_of_any_size_go_both_ways_unchanged(size: int) -> None:
    async def mirror(request: web.BaseRequest) -> web.StreamResponse:
        # Not read(): that stops at a megabyte.
        return web.Response(body=b"".join([chunk async for chunk in request.content.iter_any()]))

    async def test() -> None:
        routes = Routes()
        sent = bytes(range(256)) * (size // 256)
        async with serving(mirror) as pod, gateway(routes) as client:
            routes.pods["iris"] = [pod]
            async with client.put("/iris", data=io.BytesIO(sent), expect100=size > 10) as answer:
                assert (answer.status, await answer.read() == sent) == (200, True)

    run(test)


def test_a_head_request_gets_headers_only() -> None:
    async def test() -> None:
        routes = Routes()
        async with serving(echo) as pod, gateway(routes) as client:
            routes.pods["iris"] = [pod]
            for _ in range(2):  # twice: a wrong length would spoil the kept connection
                async with client.head("/iris") as answer:
                    assert (answer.status, await answer.read()) == (200, b"")
                    assert answer.content_type == "application/json"

    run(test)


def test_a_pod_that_refuses_the_connection_costs_no_request() -> None:
    async def test() -> None:
        routes = Routes()
        async with serving(echo) as gone:
            pass
        async with serving(echo) as pod, gateway(routes) as client:
            routes.pods["iris"] = [gone, pod]
            for _ in range(50):
                async with client.post("/iris", data=b"x") as answer:
                    assert answer.status == 200

    run(test)


def test_a_kept_connection_that_the_pod_closed_costs_no_request() -> None:
    def answer_once(writer: asyncio.StreamWriter, count: int) -> None:
        if count == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        else:  # as a server does that timed the connection out in this very moment
            writer.close()

    async def test() -> None:
        routes = Routes()
        async with raw(answer_once) as pod, gateway(routes) as client:
            routes.pods["iris"] = [pod]
            for _ in range(20):
                async with client.post("/iris", data=b"x") as answer:
                    assert (answer.status, await answer.read()) == (200, b"ok")

    run(test)


@pytest.mark.parametrize(("method", "requests"), [("POST", 1), ("GET", 4)])
def test_what_may_have_been_worked_on_is_sent_again_only_when_that_is_harmless(method: str, requests: int) -> None:
    async def test() -> None:
        seen = []

        def close(writer: asyncio.StreamWriter, count: int) -> None:
            seen.append(count)
            writer.close()

        routes = Routes()
        async with raw(close) as pod, gateway(routes) as client:
            routes.pods["iris"] = [pod]
            async with client.request(method, "/iris") as answer:
                assert answer.status in (502, 503)
        # aiohttp's own client sends idempotent requests once more by itself.
        assert len(seen) == 1 if requests == 1 else len(seen) >= requests

    run(test)


def test_half_an_answer_does_not_look_like_a_whole_one() -> None:
    def half(writer: asyncio.StreamWriter, count: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        writer.close()

    async def test() -> None:
        routes = Routes()
        async with raw(half) as pod, gateway(routes) as client:
            routes.pods["iris"] = [pod]
            with pytest.raises(aiohttp.ClientError):
                async with client.get("/iris") as answer:
                    await answer.read()

    run(test)


def test_weights_divide_the_requests() -> None:
    async def test() -> None:
        answers = Counter[str]()
        references = [{"name": "stable", "port": 80, "weight": 90}, {"name": "canary", "port": 80, "weight": 10}]
        routes = Routes(backendRefs=references)
        # Every hundredth part once: the share is then exact.
        parts = iter([part / 100 for part in range(100) for _ in range(2)])
        steps = iter(range(10_000))
        choose = lambda: next(parts) if next(steps) is not None else 0.0  # noqa: E731

        def named(name: str) -> Handler:
            async def answer(request: web.BaseRequest) -> web.StreamResponse:
                return web.Response(text=name)

            return answer

        async with serving(named("stable")) as stable, serving(named("canary")) as canary:
            routes.pods = {"stable": [stable], "canary": [canary]}
            async with gateway(routes, choose=choose) as client:
                for _ in range(100):
                    async with client.get("/iris") as answer:
                        answers[await answer.text()] += 1
        assert answers == {"stable": 90, "canary": 10}

    run(test)


@pytest.mark.parametrize(
    ("path", "rule", "status", "words"),
    [
        ("/iris", {}, 503, "no pod of Service shop/iris port 80 is ready"),
        ("/rose", {}, 404, "no HTTPRoute for"),
        ("/iris/%2e%2E/secret", {}, 400, "dot segments"),
        ("/iris", {"backendRefs": [{"name": "iris", "port": 80, "weight": 0}]}, 500, "gives no backend any weight"),
    ],
)
def test_what_the_gateway_answers_by_itself_is_json_and_says_why(
    path: str, rule: dict[str, Any], status: int, words: str
) -> None:
    async def test() -> None:
        from yarl import URL

        async with gateway(Routes(**rule)) as client:
            url = URL(str(client._base_url).rstrip("/") + path, encoded=True)
            async with aiohttp.ClientSession() as plain, plain.get(url) as answer:
                assert answer.status == status
                assert words in (await answer.json())["error"]

    run(test)


def test_a_rule_s_timeout_ends_the_wait() -> None:
    async def never(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    async def test() -> None:
        routes = Routes(timeouts={"request": "50ms"})
        async with serving(never) as pod, gateway(routes) as client:
            routes.pods["iris"] = [pod]
            async with client.get("/iris") as answer:
                assert answer.status == 504
                assert "0.05 s" in (await answer.json())["error"]

    run(test)


def test_header_filters_change_what_they_name() -> None:
    async def headers(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(list(map(list, request.headers.items())), headers={"X-Inner": "1", "X-Kept": "1"})

    async def test() -> None:
        change = {"set": [{"name": "x-a", "value": "new"}], "add": [{"name": "x-b", "value": "2"}], "remove": ["x-c"]}
        filters = [
            {"type": "RequestHeaderModifier", "requestHeaderModifier": change},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["X-Inner"]}},
        ]
        routes = Routes(filters=filters)
        async with serving(headers) as pod, gateway(routes) as client:
            routes.pods["iris"] = [pod]
            async with client.get("/iris", headers={"X-A": "old", "X-B": "1", "X-C": "1"}) as answer:
                sent = [tuple(one) for one in await answer.json()]
        values = {name: [value for key, value in sent if key.lower() == name] for name in ("x-a", "x-b", "x-c")}
        assert values == {"x-a": ["new"], "x-b": ["1", "2"], "x-c": []}
        assert ("X-Inner" in answer.headers, "X-Kept" in answer.headers) == (False, True)

    run(test)
