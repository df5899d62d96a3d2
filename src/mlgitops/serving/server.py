"""The container ``server``: ``python -m mlgitops.serving.server``.

Reads what ``settings`` lists. The worker is started before anything else is imported,
so that its imports and ours go on side by side. SIGTERM turns readiness off, finishes
what was accepted, and ends with 0.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Final

from mlgitops.serving import settings as told
from mlgitops.serving.process import WorkerProcess

if TYPE_CHECKING:
    from aiohttp import web

    from mlgitops.serving.app import App
    from mlgitops.serving.settings import Settings

# Seconds without a request after which a drained server believes that no caller has it in mind.
_QUIET: Final = 0.5
_LOOK_EVERY: Final = 0.02


async def serve(settings: Settings, worker: WorkerProcess) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises:
        LoadError: the package cannot be loaded.
        OSError: a port is taken.
    """
    from mlgitops.serving.app import App
    from mlgitops.serving.engine import Engine
    from mlgitops.serving.metrics import Metrics

    counted = Metrics(settings)
    engine = Engine(settings, worker, counted.count_restart)
    app = App(settings, engine, counted)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    running = asyncio.create_task(engine.run())
    runners = [await _listen(app.serve, settings.bind, settings.port)]
    runners.append(await _listen(app.serve_metrics, settings.bind, settings.metrics_port))
    addresses = [runner.addresses[0] for runner in runners]
    _say(
        f"{settings.model} version {settings.version} on {_url(addresses[0])}, metrics on {_url(addresses[1])}/metrics"
    )
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await _drain(app, settings.drain)
    finally:
        asked.cancel()
        for runner in runners:
            await runner.cleanup()
        running.cancel()
        await asyncio.wait({running})
    if not running.cancelled():
        running.result()


async def _listen(handler: object, host: str, port: int) -> web.ServerRunner:
    from aiohttp import web

    # Bodies are limited where they are read; lines and headers by the parser's own defaults.
    server = web.Server(handler, access_log=None)  # type: ignore[arg-type]
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=512).start()
    return runner


async def _drain(app: App, longest: float) -> None:
    """Wait until no request is being answered and none has come for a while, ``longest`` seconds at most."""
    app.draining = True
    app.last_request = deadline = time.monotonic()
    deadline += longest
    while time.monotonic() < deadline:
        if app.in_flight == 0 and time.monotonic() - app.last_request > _QUIET:
            return
        await asyncio.sleep(_LOOK_EVERY)
    _say(f"{app.in_flight} requests were not finished within {longest:g} s")


def _url(address: tuple[object, ...]) -> str:
    host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
    return f"http://{host}:{address[1]}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Serve what the environment says and return the exit code."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    worker = WorkerProcess.start()
    from mlgitops.errors import MlgitopsError
    from mlgitops.serving import termination

    try:
        asyncio.run(serve(told.read(), worker))
    except (MlgitopsError, OSError) as error:
        worker.end()
        termination.write({"reason": "LoadFailed", "message": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
