"""``/healthz`` and ``/readyz`` for a kubelet."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable

from aiohttp import web


@contextlib.asynccontextmanager
async def serving(port: int, *, alive: Callable[[], bool], ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Answer probes with 200 or 503 for the length of a block; port 0 serves nothing.

    It listens on ``MLGITOPS_BIND`` (a process node's address for the pod), else everywhere.
    """
    if not port:
        yield
        return

    def judge(holds: Callable[[], bool]) -> Callable[[web.BaseRequest], web.Response]:
        return lambda _: web.Response(text="ok\n") if holds() else web.Response(status=503, text="not yet\n")

    checks = {"/healthz": judge(alive), "/readyz": judge(ready)}

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        check = checks.get(request.path)
        return check(request) if check else web.Response(status=404, text="try /healthz or /readyz\n")

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    try:
        # A pod must be reached by the kubelet, so all addresses are the right default.
        await web.TCPSite(runner, os.environ.get("MLGITOPS_BIND", "0.0.0.0"), port).start()  # noqa: S104
        yield
    finally:
        await runner.cleanup()
