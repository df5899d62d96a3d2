"""A proxy in front of the API server that fails on request.

It ends TLS with the API server's own certificate and runs in a thread of its own, so
that tests, child processes and other event loops can all talk to it. Every fault has a
pattern, searched in ``METHOD /path?query``; without faults it changes nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
from aiohttp import web

from mlgitops.local.cluster import Cluster

WATCHES = r"^GET .*[?&]watch=(1|true)"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "content-length", "host"}


@dataclasses.dataclass(slots=True)
class Fault:
    """What happens to the next ``times`` requests that match; for ever when ``times`` is None.

    ``hits`` counts how often it did. ``kind``: ``answer`` a Status with ``status`` instead
    of forwarding; ``drop`` the connection before forwarding; ``lose`` the answer after
    forwarding, as a network does that fails at the worst moment; ``hang`` without an
    answer; ``delay`` by ``seconds``, then forward.
    """

    kind: str
    pattern: str
    times: int | None = None
    status: int = 500
    seconds: float = 0.0
    hits: int = 0


class Proxy:
    """The proxy's controls; ``kubeconfig`` logs in through it."""

    def __init__(self, cluster: Cluster, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.requests: list[str] = []
        self._cluster = cluster
        self._faults: list[Fault] = []
        self._silent: list[str] = []
        self._streams: set[_Stream] = set()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="api proxy", daemon=True)
        self._listening = threading.Event()

    def fail(
        self, kind: str, pattern: str = "", *, times: int | None = None, status: int = 500, seconds: float = 0.0
    ) -> Fault:
        """Add a fault; the oldest that matches wins."""
        fault = Fault(kind, pattern, times, status, seconds)
        self._faults.append(fault)
        return fault

    def silence(self, pattern: str = WATCHES, *, new_too: bool = False) -> None:
        """Let open streams say nothing more, though their connections stay; ``new_too``: those to come as well."""
        for stream in tuple(self._streams):
            stream.silent = stream.silent or bool(re.search(pattern, stream.line))
        if new_too:
            self._silent.append(pattern)

    def disconnect(self, pattern: str = "") -> None:
        """Cut the connections of open streams."""
        for stream in tuple(self._streams):
            if re.search(pattern, stream.line):
                self._loop.call_soon_threadsafe(stream.cut)

    def heal(self) -> None:
        """Take all faults back; streams that were silent are cut, for they have missed something."""
        self._faults.clear()
        self._silent.clear()
        for stream in tuple(self._streams):
            if stream.silent:
                self._loop.call_soon_threadsafe(stream.cut)

    @contextmanager
    def serving(self) -> Iterator[Proxy]:
        """Serve for the length of a block."""
        self._thread.start()
        assert self._listening.wait(10), "the proxy did not start"
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)
            assert not self._thread.is_alive(), "the proxy did not stop"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        certificates = self._cluster.layout.certificates
        upstream = ssl.create_default_context(cafile=str(certificates / "apiserver.crt"))
        ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ours.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
        ends = self._cluster.endpoints
        connector = aiohttp.TCPConnector(ssl=upstream, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._http:
            server = await self._loop.create_server(web.Server(self._handle), ends.address, 0, ssl=ours)
            port = server.sockets[0].getsockname()[1]
            own = json.loads(self._cluster.kubeconfig.read_text())
            own["clusters"][0]["cluster"]["server"] = f"https://{ends.address}:{port}"
            self.kubeconfig.write_text(json.dumps(own))
            self._listening.set()
            await self._stopping.wait()
            server.close()
            for stream in tuple(self._streams):
                stream.cut()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        line = f"{request.method} {request.path_qs}"
        self.requests.append(line)
        stream = _Stream(line, request, silent=any(re.search(pattern, line) for pattern in self._silent))
        self._streams.add(stream)
        try:
            return await self._treat(request, stream, self._take(line))
        finally:
            self._streams.discard(stream)

    def _take(self, line: str) -> Fault | None:
        for fault in self._faults:
            if re.search(fault.pattern, line) and (fault.times is None or fault.hits < fault.times):
                fault.hits += 1
                return fault
        return None

    async def _treat(self, request: web.BaseRequest, stream: _Stream, fault: Fault | None) -> web.StreamResponse:
        kind = fault.kind if fault else ""
        if fault and kind == "answer":
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.status}
            return web.json_response(status | {"message": "injected by the test"}, status=fault.status)
        if fault and kind == "delay":
            await asyncio.sleep(fault.seconds)
        if kind == "hang":
            await stream.was_cut.wait()
        if kind in ("drop", "hang"):
            stream.cut()
            return web.Response()
        return await self._forward(request, stream, lose=kind == "lose")

    async def _forward(self, request: web.BaseRequest, stream: _Stream, *, lose: bool) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"{self._cluster.endpoints.api_url}{request.path_qs}"
        body = await request.read()
        limits = aiohttp.ClientTimeout(total=None)
        try:
            async with self._http.request(
                request.method, url, headers=headers, data=body or None, timeout=limits
            ) as answer:
                if lose:
                    await answer.read()
                    stream.cut()
                    return web.Response()
                return await _relay(request, stream, answer)
        except aiohttp.ClientError:
            stream.cut()  # what the API server's own death looks like
            return web.Response()


class _Stream:
    """One request and its answer, as long as that lasts."""

    def __init__(self, line: str, request: web.BaseRequest, *, silent: bool) -> None:
        self.line = line
        self.silent = silent
        self.was_cut = asyncio.Event()
        self._transport = request.transport

    def cut(self) -> None:
        """Cut the connection to the client, without a goodbye."""
        self.was_cut.set()
        if self._transport is not None:
            self._transport.abort()


async def _relay(request: web.BaseRequest, stream: _Stream, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
    response = web.StreamResponse(status=answer.status, headers=kept)
    with suppress(ConnectionError):
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            if not stream.silent:
                await response.write(chunk)
        if stream.silent:  # the far end is gone; a dead network would not say so
            await stream.was_cut.wait()
        await response.write_eof()
    return response
