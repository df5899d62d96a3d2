"""``python -m mlgitops.local.gateway --kubeconfig FILE --address ADDRESS --port PORT``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from aiohttp import web

from mlgitops import kube
from mlgitops.local.gateway.proxy import Proxy
from mlgitops.local.gateway.state import State


async def serve(kubeconfig: Path, address: str, port: int) -> None:
    """Route requests until told to stop."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with kube.Session(kube.login(kubeconfig)) as session, State(session, address) as state:
        proxy = Proxy(state)
        await proxy.start()
        # access_log: a line for each request would cost more than moving it.
        runner = web.ServerRunner(
            web.Server(proxy.handle, access_log=None, keepalive_timeout=75.0), shutdown_timeout=1.0
        )
        await runner.setup()
        # Nothing listens before the first complete lists are there: an early 404 would be a lie.
        await web.TCPSite(runner, address, port, backlog=1024).start()
        await stopping.wait()
        await runner.cleanup()
        await proxy.stop()


def main() -> None:
    """Run the gateway of one local cluster."""
    parser = argparse.ArgumentParser(prog="python -m mlgitops.local.gateway", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    asyncio.run(serve(chosen.kubeconfig, chosen.address, chosen.port))


if __name__ == "__main__":
    main()
