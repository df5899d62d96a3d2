"""An application that never stops asking for predictions."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

import aiohttp

from mlgitops.errors import OutsideError

CLIENTS = 4
PAUSE = 0.01  # seconds between two requests of one client: a steady load that leaves the machine its breath
TIMEOUT = aiohttp.ClientTimeout(total=10)


class Traffic:
    """Sends one request after the other from a few clients, and counts the answers.

    Args:
        url: where to post.
        body: the JSON body of every request.

    Use it as a context manager; ``versions`` counts answers by the model version
    that gave them, ``failures`` holds what went wrong, a line each.
    """

    def __init__(self, url: str, body: dict[str, Any]) -> None:
        self.url = url
        self.body = body
        self.versions: Counter[str] = Counter()
        self.failures: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._load()), name="traffic", daemon=True)

    @property
    def requests(self) -> int:
        """How many requests were answered or failed so far."""
        return self.versions.total() + len(self.failures)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=30)

    def wait_until(self, reached: Callable[[Traffic], bool], *, what: str, timeout: float) -> None:
        """Let the load run until a condition holds.

        Raises:
            OutsideError: it did not hold within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not reached(self):
            if time.monotonic() > deadline:
                raise OutsideError(
                    f"{what} did not happen within {timeout:.0f} s; answers so far: {dict(self.versions)}"
                )
            time.sleep(0.02)

    async def _load(self) -> None:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            await asyncio.gather(*(self._client(session) for _ in range(CLIENTS)))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while not self._over.is_set():
            try:
                await self._ask(session)
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            await asyncio.sleep(PAUSE)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        async with session.post(self.url, json=self.body) as response:
            if response.status != 200:
                self.failures.append(f"{response.status}: {(await response.text())[:200]}")
                return
            answer = await response.json()
            self.versions[str(answer["model_version"])] += 1


async def _first_answer(url: str, body: dict[str, Any], seconds: float) -> dict[str, Any]:
    last = "no answer yet"
    deadline = time.monotonic() + seconds
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        while time.monotonic() < deadline:
            try:
                async with session.post(url, json=body) as response:
                    if response.status == 200:
                        answer: dict[str, Any] = await response.json()
                        return answer
                    last = f"{response.status}: {(await response.text())[:200]}"
            except (aiohttp.ClientError, TimeoutError) as error:
                last = f"{type(error).__name__}: {error}"
            await asyncio.sleep(0.02)
    raise OutsideError(f"{url} gave no prediction within {seconds:.0f} s; last: {last}")


def first_answer(url: str, body: dict[str, Any], *, timeout: float = 60) -> dict[str, Any]:
    """Ask until the first prediction comes, and return it.

    Raises:
        OutsideError: none came within ``timeout`` seconds; the message says what came instead.
    """
    return asyncio.run(_first_answer(url, body, timeout))
