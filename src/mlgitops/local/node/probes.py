"""Startup, readiness and liveness: asks a container how it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from mlgitops.errors import InputError
from mlgitops.local.node.variables import Raw

# While a container starts it is asked this often, whatever its period is: nobody waits for a
# second that a period has left when the server answers already. A command is a process each.
_EAGER, _EAGER_COMMAND = 0.1, 1.0  # seconds

Execute = Callable[[list[str]], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a container is asked: its pod's address, its ports by name, and how a command is run in it."""

    address: str
    ports: dict[str, int]
    http: aiohttp.ClientSession
    execute: Execute

    def port(self, wanted: str | int) -> int:
        """Return a port by its number or name.

        Raises:
            InputError: the container names no such port.
        """
        if isinstance(wanted, int) or wanted.isdigit():
            return int(wanted)
        if wanted not in self.ports:
            raise InputError(f"the container has no port {wanted!r}; it has: {', '.join(self.ports) or 'none'}")
        return self.ports[wanted]


async def succeeds(handler: Raw, target: Target, timeout: float) -> bool:  # noqa: ASYNC109 - Kubernetes' own word
    """Run a probe's or hook's handler once; answer whether it went well.

    Raises:
        InputError: the process node has no such kind of handler.
    """
    try:
        async with asyncio.timeout(timeout):
            if "httpGet" in handler:
                return await _http(handler["httpGet"], target)
            if "tcpSocket" in handler:
                return await _tcp(handler["tcpSocket"], target)
            if "exec" in handler:
                return await target.execute(handler["exec"]["command"]) == 0
            if "sleep" in handler:
                await asyncio.sleep(handler["sleep"]["seconds"])
                return True
    except (TimeoutError, OSError, aiohttp.ClientError):
        return False
    raise InputError(f"the process node has no handler {', '.join(handler)}; it has httpGet, tcpSocket, exec and sleep")


async def _http(spec: Raw, target: Target) -> bool:
    host, port = spec.get("host") or target.address, target.port(spec["port"])
    url = f"{spec.get('scheme', 'HTTP').lower()}://{host}:{port}/{spec.get('path', '/').removeprefix('/')}"
    headers = {header["name"]: header["value"] for header in spec.get("httpHeaders", ())}
    async with target.http.get(url, headers=headers, allow_redirects=False, ssl=False) as answer:
        return 200 <= answer.status < 400


async def _tcp(spec: Raw, target: Target) -> bool:
    _, writer = await asyncio.open_connection(spec.get("host") or target.address, target.port(spec["port"]))
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def watch(probe: Raw, target: Target, report: Callable[[bool], None]) -> None:
    """Probe for ever; report each change of the verdict, success after the threshold, failure after its own.

    Until the first success a failure counts once a period only, though the container is asked more often.
    """
    period, timeout = float(probe.get("periodSeconds") or 10), float(probe.get("timeoutSeconds") or 1)
    thresholds = {True: int(probe.get("successThreshold") or 1), False: int(probe.get("failureThreshold") or 3)}
    await asyncio.sleep(float(probe.get("initialDelaySeconds") or 0))
    clock = asyncio.get_running_loop().time
    eager = min(_EAGER_COMMAND if "exec" in probe else _EAGER, period)
    verdict: bool | None = None
    in_a_row = {True: 0, False: 0}
    counted_at = clock()
    while True:
        good = await succeeds(probe, target, timeout)
        in_a_row[not good] = 0
        if good or verdict or clock() - counted_at >= period:
            in_a_row[good] += 1
            counted_at = clock()
        if verdict is not good and in_a_row[good] >= thresholds[good]:
            verdict = good
            report(good)
        await asyncio.sleep(period if verdict else eager)
