"""Asynchronous tests with a deadline, and waiting for what becomes true."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")

# Seconds. Only what is broken waits so long; a machine that others use too is no failure.
PATIENCE = 60.0
LONGEST = 170.0


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own, for a little less than the time that pytest gives it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(LONGEST):
                await test(*args, **kwargs)

        asyncio.run(limited())

    return run


async def until(holds: Callable[[], Any], what: str = "", *, seconds: float = PATIENCE) -> Any:
    """Wait until a function returns something true, and return that."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = holds()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s: {what or holds}"
        await asyncio.sleep(0.02)
