"""Which path does what: V2, MLflow's scoring, health, metrics; errors as JSON and without traces."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, Final

import msgspec
from aiohttp import web

from mlgitops.errors import InputError, MlgitopsError
from mlgitops.serving import engine, metrics, scoring, v2
from mlgitops.serving.settings import Settings

_JSON: Final = "application/json"
_encode = msgspec.json.Encoder().encode

Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]


class HttpError(Exception):
    """An answer that is not 200: its status and the words for the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class App:
    """Answers requests for one model; ``draining`` turns readiness off and asks callers to reconnect elsewhere."""

    def __init__(self, settings: Settings, engine: engine.Engine, counted: metrics.Metrics) -> None:
        self.draining = False
        self.in_flight = 0
        self.last_request = time.monotonic()
        self._settings = settings
        self._engine = engine
        self._metrics = counted
        self._inference = 0
        model = f"/v2/models/{settings.model}"
        self._gets: dict[str, Callable[[], web.Response]] = {
            "/v2": self._server,
            "/v2/health/live": lambda: _json({"live": True}),
            "/v2/health/ready": self._ready,
            "/ping": self._ready,
            "/health": self._ready,
            "/version": lambda: web.Response(text=version("mlgitops")),
        }
        self._posts: dict[str, Handler] = {"/invocations": self._invocations}
        for base in (model, f"{model}/versions/{settings.version}"):
            self._gets[base] = self._model
            self._gets[f"{base}/ready"] = self._ready
            self._posts[f"{base}/infer"] = self._infer

    @property
    def ready(self) -> bool:
        """Whether exactly the wanted digest is verified, loaded and meant to get requests."""
        return self._engine.loaded.is_set() and not self.draining

    async def serve(self, request: web.BaseRequest) -> web.Response:
        """Answer a request on the serving port."""
        self.in_flight += 1
        self.last_request = time.monotonic()
        try:
            response = await self._answer(request)
        finally:
            self.in_flight -= 1
            self.last_request = time.monotonic()
        response.headers["X-Mlgitops-Version"] = self._settings.version
        if self.draining:
            response.force_close()
        return response

    async def serve_metrics(self, request: web.BaseRequest) -> web.Response:
        """Answer a request on the metrics port."""
        if request.path != "/metrics":
            return _error(404, "there is only /metrics here")
        text = self._metrics.text(in_flight=self._inference, loaded=self._engine.loaded.is_set())
        return web.Response(body=text, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = request.path.rstrip("/") or "/"
        if path in self._posts:
            if request.method != "POST":
                return _error(405, "expected POST", Allow="POST")
            return await self._count(self._posts[path], request)
        if path in self._gets:
            if request.method not in ("GET", "HEAD"):
                return _error(405, "expected GET", Allow="GET")
            return self._gets[path]()
        return _error(404, f"there is nothing here; this is {self._settings.model} version {self._settings.version}")

    async def _count(self, handler: Handler, request: web.BaseRequest) -> web.Response:
        started = time.perf_counter()
        self._inference += 1
        response = _error(500, "the server failed")
        try:
            response = await self._translate(handler, request)
        except ConnectionError:
            response = _error(400, "the caller went away")
        finally:
            self._inference -= 1
            self._metrics.observe(response.status, time.perf_counter() - started)
        return response

    async def _translate(self, handler: Handler, request: web.BaseRequest) -> web.Response:
        """Turn what went wrong into a status and one sentence that repeats nothing of the request."""
        try:
            return await handler(request)
        except HttpError as error:
            return _error(error.status, str(error))
        except InputError as error:
            return _error(400, str(error))
        except engine.NotReadyError as error:
            return _error(503, str(error), **{"Retry-After": "1"})
        except engine.LateError as error:
            return _error(504, str(error))
        except MlgitopsError as error:
            return _error(500, str(error))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return _error(500, "the server failed; its log says more")

    def _server(self) -> web.Response:
        return _json({"name": "mlgitops", "version": version("mlgitops"), "extensions": ["binary_tensor_data"]})

    def _ready(self) -> web.Response:
        return _json({"ready": self.ready}, 200 if self.ready else 503)

    def _model(self) -> web.Response:
        if not self._engine.format:
            return _error(503, "the model is still being loaded")
        return _json(
            {
                "name": self._settings.model,
                "versions": [self._settings.version],
                "platform": f"mlgitops_{self._engine.format}",
                **self._engine.signature.to_json(),
            }
        )

    async def _infer(self, request: web.BaseRequest) -> web.Response:
        body = await self._body(request)
        header_length = request.headers.get(v2.HEADER_LENGTH)
        asked = v2.read(body, header_length, self._engine.signature, self._settings.max_body)
        outputs = await self._engine.infer(asked.inputs, asked.outputs)
        head = {
            "model_name": self._settings.model,
            "model_version": self._settings.version,
            "id": asked.id or _request_id(request),
        }
        answer, length = v2.write(asked, outputs, head)
        if length is None:
            return web.Response(body=answer, content_type=_JSON)
        headers = {v2.HEADER_LENGTH: str(length), "Content-Type": "application/octet-stream"}
        return web.Response(body=answer, headers=headers)

    async def _invocations(self, request: web.BaseRequest) -> web.Response:
        readers = {_JSON: scoring.read_json, "text/csv": scoring.read_csv}
        if request.content_type not in readers:
            raise HttpError(415, f"expected one of the content types {', '.join(readers)}")
        body = await self._body(request)
        signature = self._engine.signature
        inputs = readers[request.content_type](body, signature, self._settings.max_body)
        wanted = scoring.wanted(signature)
        answer = scoring.write(await self._engine.infer(inputs, wanted), wanted)
        return web.Response(body=answer, content_type=_JSON, headers={"X-Request-Id": _request_id(request)})

    async def _body(self, request: web.BaseRequest) -> bytes:
        """Return a request's body, read no further than the limit, once the model's signature is known."""
        if not self._engine.format:
            raise engine.NotReadyError("the model is still being loaded")
        limit = self._settings.max_body
        too_long = HttpError(413, f"the body is longer than {limit} bytes")
        if (request.content_length or 0) > limit:
            raise too_long
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > limit:
                raise too_long
        return bytes(body)


def _request_id(request: web.BaseRequest) -> str:
    return request.headers.get("X-Request-Id") or str(uuid.uuid4())


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type=_JSON)


def _error(status: int, message: str, **headers: str) -> web.Response:
    return web.Response(body=_encode({"error": message}), status=status, content_type=_JSON, headers=headers)
