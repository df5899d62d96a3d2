"""Kubernetes Events: what happened, for ``kubectl describe``; a courtesy that may be lost."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Self

from mlgitops.kube import KubeError, Raw, Session
from mlgitops.operator.runtime.controller import EventType

logger = logging.getLogger(__name__)

_REMEMBERED = 4096
_REPEAT_SECONDS = 600.0


class Events:
    """Posts Events in the background; the same one about the same object once in ten minutes.

    Use it as ``async with Events(session) as events`` inside the session's own block: on
    leaving it waits a second for what is under way.
    """

    def __init__(self, session: Session, *, component: str = "mlgitops-operator") -> None:
        self._session = session
        self._component = component
        self._posted: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._posting: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Nothing to prepare."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Let the last Events go out, then give up on them."""
        if self._posting:
            _, late = await asyncio.wait(self._posting, timeout=1)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def record(self, raw: Raw, type_: EventType, reason: str, message: str) -> None:
        """Post one Event about an object."""
        metadata = raw["metadata"]
        what = (metadata.get("uid", metadata["name"]), reason, message)
        now = asyncio.get_running_loop().time()
        if now - self._posted.get(what, float("-inf")) < _REPEAT_SECONDS:
            return
        self._posted[what] = now
        self._posted.move_to_end(what)
        if len(self._posted) > _REMEMBERED:
            self._posted.popitem(last=False)
        task = asyncio.create_task(self._post(self._event(raw, type_, reason, message)))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    def _event(self, raw: Raw, type_: EventType, reason: str, message: str) -> Raw:
        metadata = raw["metadata"]
        moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        namespace = metadata.get("namespace") or "default"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name'][:200]}.", "namespace": namespace},
            "involvedObject": {
                "apiVersion": raw["apiVersion"],
                "kind": raw["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata.get("uid", ""),
            },
            "type": type_,
            "reason": reason,
            # The API refuses more than 1024 characters.
            "message": message[:1000],
            "source": {"component": self._component},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }

    async def _post(self, event: Raw) -> None:
        try:
            await self._session.create(event)
        except KubeError as error:
            logger.debug("event lost: %s", error)
