"""Move a request to a ready pod and its answer back.

A request fails only when it must. A pod that refuses the connection costs nothing: the
next one is tried. A kept connection that turns out to be closed before a byte of the
answer came is tried again too, as Go's net/http does: the server closed it while it was
idle. Whatever may have been worked on is not sent twice, unless its method is idempotent.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Protocol

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from mlgitops.local.gateway.backends import Backend, Target
from mlgitops.local.gateway.routing import HeaderEdit, Rule

_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect")
)
_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"))
# A body up to this size is kept until the answer comes, so that it can be sent again.
_KEPT_BODY = 1 << 20
_TRIES = 4
_CONNECT = 2.0  # seconds; pods are on this machine
_KEEP_ALIVE = 30.0  # seconds that an idle connection to a pod is kept
# What a client would have normalised away; behind a rewrite it could leave its prefix.
_DOTS = re.compile(r"(^|/)(\.|%2e){1,2}(/|$)", re.IGNORECASE)


class Routes(Protocol):
    """What the proxy asks for each request."""

    def find(
        self, host: str, path: str, method: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Rule | None:
        """Return the rule for a request."""

    def targets(self, backend: Backend) -> tuple[Target, ...]:
        """Return a backend's ready pods."""


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """The gateway answers by itself: a status and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Body:
    """A request's body: all of it when it is small, else what came first and the rest of the stream."""

    start: bytes
    rest: aiohttp.StreamReader | None
    begun: bool = False

    @property
    def can_be_sent(self) -> bool:
        """Whether the whole body is still there."""
        return self.rest is None or not self.begun

    def data(self) -> bytes | AsyncIterator[bytes] | None:
        """Return what aiohttp sends."""
        return self._stream(self.rest) if self.rest is not None else self.start or None

    async def _stream(self, rest: aiohttp.StreamReader) -> AsyncIterator[bytes]:
        self.begun = True
        yield self.start
        async for chunk in rest.iter_any():
            yield chunk


class Proxy:
    """Answers every request of one listening socket; use it as an aiohttp low-level handler."""

    def __init__(self, routes: Routes, choose: Callable[[], float] = random.random) -> None:
        self._routes = routes
        self._choose = choose
        self._busy: Counter[Target] = Counter()
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool of connections to pods."""
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
            trace_configs=[trace],
        )

    async def stop(self) -> None:
        """Close the connections to pods."""
        if self._http is not None:
            await self._http.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            rule, path = self._rule(request)
            try:
                async with asyncio.timeout(rule.timeout):
                    return await self._forward(request, rule, path, await _body(request))
            except TimeoutError:
                raise Refusal(504, f"no answer within {rule.timeout} s (HTTPRoute {rule.route})") from None
        except Refusal as refusal:
            return web.json_response({"error": str(refusal)}, status=refusal.status)

    def _rule(self, request: web.BaseRequest) -> tuple[Rule, str]:
        target = request.path_qs if request.raw_path.startswith(("http://", "https://")) else request.raw_path
        path, mark, query = target.partition("?")
        if _DOTS.search(path):
            raise Refusal(400, "the path has dot segments")
        host = request.headers.get(hdrs.HOST, "").rpartition(":")[0] or request.headers.get(hdrs.HOST, "")
        parameters = request.query if mark else {}
        rule = self._routes.find(host.lower(), path, request.method, request.headers, parameters)
        if rule is None:
            raise Refusal(404, f"no HTTPRoute for {host}{path}")
        return rule, rule.rewritten(path) + mark + query

    async def _forward(self, request: web.BaseRequest, rule: Rule, path: str, body: Body) -> web.StreamResponse:
        backend = self._backend(rule)
        headers = _request_headers(request, rule)
        tried: set[Target] = set()
        for _ in range(_TRIES):
            target = self._target(backend, tried)
            attempt = SimpleNamespace(reused=False)
            self._busy[target] += 1
            try:
                return await self._send(
                    request,
                    rule,
                    URL(f"http://{target.address}:{target.port}{path}", encoded=True),
                    headers,
                    body,
                    attempt,
                )
            except aiohttp.ClientConnectorError:
                tried.add(target)
            except (aiohttp.ClientConnectionError, ConnectionError) as error:
                if not attempt.reused and request.method not in _IDEMPOTENT:
                    raise Refusal(502, f"{backend} closed the connection without an answer") from error
            except aiohttp.ClientError as error:
                raise Refusal(502, f"{backend} answered what is not HTTP") from error
            finally:
                self._busy[target] -= 1
                if not self._busy[target]:
                    del self._busy[target]
            if not body.can_be_sent:
                raise Refusal(502, f"{backend} closed the connection while the body was sent")
        raise Refusal(503, f"{backend} did not take the request in {_TRIES} tries")

    def _backend(self, rule: Rule) -> Backend:
        """Choose a backend by the weights of its rule; one without ready pods keeps its share, and answers 503."""
        left = self._choose() * sum(weight for _, weight in rule.backends)
        for backend, weight in rule.backends:
            left -= weight
            if left < 0:
                return backend
        raise Refusal(500, f"HTTPRoute {rule.route} gives no backend any weight")

    def _target(self, backend: Backend, tried: set[Target]) -> Target:
        """Choose the ready pod with the fewest requests under way."""
        ready = [target for target in self._routes.targets(backend) if target not in tried]
        if not ready:
            raise Refusal(503, f"no pod of {backend} is ready")
        return min(ready, key=lambda target: (self._busy[target], self._choose()))

    async def _send(
        self,
        request: web.BaseRequest,
        rule: Rule,
        url: URL,
        headers: CIMultiDict[str],
        body: Body,
        attempt: SimpleNamespace,
    ) -> web.StreamResponse:
        assert self._http is not None, "start comes first"
        async with self._http.request(
            request.method,
            url,
            headers=headers,
            data=body.data(),
            allow_redirects=False,
            trace_request_ctx=attempt,
        ) as answer:
            return await _relay(request, rule, answer)


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.reused = True


async def _body(request: web.BaseRequest) -> Body:
    """Read a body's first megabyte; a longer one is streamed."""
    if not request.can_read_body:
        return Body(b"", None)
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    pieces, size = [], 0
    async for chunk in request.content.iter_any():
        pieces.append(chunk)
        size += len(chunk)
        if size > _KEPT_BODY:
            return Body(b"".join(pieces), request.content)
    return Body(b"".join(pieces), None)


async def _relay(request: web.BaseRequest, rule: Rule, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Send an answer on as it comes."""
    headers = _end_to_end(answer.headers)
    for edit in rule.response_edits:
        _edit(headers, edit)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (aiohttp.ClientError, ConnectionError):
        # Half an answer must not look like a whole one: cut the connection.
        if request.transport is not None:
            request.transport.abort()
    return response


def _request_headers(request: web.BaseRequest, rule: Rule) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    came_by = headers.get("x-forwarded-for")
    client = request.remote or "unknown"
    headers["x-forwarded-for"] = f"{came_by}, {client}" if came_by else client
    headers["x-forwarded-host"] = request.headers.get(hdrs.HOST, "")
    headers["x-forwarded-proto"] = request.scheme
    if rule.rewrite and rule.rewrite.get("hostname"):
        headers["host"] = rule.rewrite["hostname"]
    for edit in rule.request_edits:
        _edit(headers, edit)
    return headers


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers that are meant for the other end (RFC 9110, section 7.6.1).

    Their names in lower case, as HTTP/2 has them: aiohttp drops the first of two that
    differ in case only.
    """
    named = headers.get(hdrs.CONNECTION, "")
    dropped = _HOP_BY_HOP | {name.strip().lower() for name in named.split(",")} if named else _HOP_BY_HOP
    lower = ((name.lower(), value) for name, value in headers.items())
    return CIMultiDict((name, value) for name, value in lower if name not in dropped)


def _edit(headers: CIMultiDict[str], edit: HeaderEdit) -> None:
    for name, value in edit.set:
        headers[name.lower()] = value
    for name, value in edit.add:
        headers.add(name.lower(), value)
    for name in edit.remove:
        headers.popall(name, None)
