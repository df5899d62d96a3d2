"""The HTTPS endpoint that the API server asks for ``kubectl logs``; what it cannot do answers 501.

It asks nobody who they are: whoever runs programs on this machine can read containers' logs.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from mlgitops.errors import InputError, NotFoundError
from mlgitops.local.node import output
from mlgitops.local.node.output import Output, Wish

# Finds the output of a container by namespace, pod and container, of its present process or of
# the one before. Raises NotFoundError when there is none, InputError when there is none yet.
Finder = Callable[[str, str, str, bool], Output]


class Kubelet:
    """Serves containers' logs."""

    def __init__(self, find: Finder, hint: str) -> None:
        self._find = find
        self._hint = hint
        self._runner: web.AppRunner | None = None

    async def start(self, address: str, tls: ssl.SSLContext) -> int:
        """Listen on a free port of an address and return the port."""
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        for path in ("exec", "attach", "portForward", "run"):
            app.router.add_route("*", f"/{path}/{{rest:.*}}", self._unable)
        # Nobody waits for a follower of logs when the node ends.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, address, 0, ssl_context=tls)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Stop to listen."""
        if self._runner:
            await self._runner.cleanup()

    async def _unable(self, _: web.Request) -> web.Response:
        return web.Response(status=501, text=f"the process node has neither exec nor port-forward; {self._hint}\n")

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        where = request.match_info
        previous = request.query.get("previous") == "true"
        try:
            found = self._find(where["namespace"], where["pod"], where["container"], previous)
        except NotFoundError as error:
            return web.Response(status=404, text=f"{error}\n")
        except InputError as error:
            return web.Response(status=400, text=f"{error}\n")
        wish = _wish(request)
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        if wish.follow:
            async for data in output.follow(found.path, wish, found.over):
                await answer.write(data)
        else:
            data, _ = output.read(found.path, wish)
            await answer.write(data)
        await answer.write_eof()
        return answer


def _wish(request: web.Request) -> Wish:
    query = request.query
    since = None
    if "sinceSeconds" in query:
        since = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
    elif "sinceTime" in query:
        since = datetime.fromisoformat(query["sinceTime"])
    return Wish(
        tail=int(query["tailLines"]) if "tailLines" in query else None,
        since=since,
        timestamps=query.get("timestamps") == "true",
        limit=int(query["limitBytes"]) if "limitBytes" in query else None,
        follow=query.get("follow") == "true",
    )
