"""A pool whose end is the end of every connection it ever made."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler


class Connector(aiohttp.TCPConnector):
    """Keeps sight of the connections of requests that were broken off.

    aiohttp takes such a connection out of its pool and starts TLS's goodbye, but waits
    for its end nowhere. An event loop that ends meanwhile leaves the socket open.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._made: WeakKeyDictionary[ResponseHandler, asyncio.Transport] = WeakKeyDictionary()

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        """Return a connection for a request, a new one or one of the pool."""
        connection = await super().connect(*arguments, **options)
        if connection.transport is not None and connection.protocol is not None:
            self._made[connection.protocol] = connection.transport
        return connection

    async def close(self, **options: Any) -> None:
        """Close every connection at once and wait until all of them are closed.

        Without TLS's goodbye: it would wait for an answer that a dead peer never gives, and
        says nothing that HTTP's own lengths have not said.
        """
        left = [protocol.closed for protocol in self._made]
        for transport in tuple(self._made.values()):
            transport.abort()
        await super().close(**options)
        await asyncio.gather(*filter(None, left), return_exceptions=True)
