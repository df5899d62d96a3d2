"""What the gateway knows of the cluster, kept by watches; and the statuses it writes in return."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from mlgitops import kube
from mlgitops.local.bootstrap import CONTROLLER
from mlgitops.local.gateway import attachment, statuses
from mlgitops.local.gateway.backends import Backend, Target, targets
from mlgitops.local.gateway.routing import Rule, Table

logger = logging.getLogger(__name__)
_AGAIN = 0.2  # seconds until statuses that could not be written are tried again


class State:
    """Routes and pods, always current; use it as ``async with State(session, address) as state``.

    Entering waits for the first complete lists, so that the first answer is a true one.
    """

    def __init__(self, session: kube.Session, address: str) -> None:
        self._session = session
        self._address = address
        self._classes = kube.Reflector(session, kube.GATEWAY_CLASSES)
        self._gateways = kube.Reflector(session, kube.GATEWAYS)
        self._routes = kube.Reflector(session, kube.HTTP_ROUTES)
        self._services = kube.Reflector(session, kube.SERVICES)
        self._pods = kube.Reflector(session, kube.PODS)
        self._table: Table | None = None
        self._targets: dict[Backend, tuple[Target, ...]] = {}
        self._judge_again = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin to watch and to write statuses."""
        reflectors = (self._classes, self._gateways, self._routes, self._services, self._pods)
        for reflector in reflectors:
            reflector.subscribe(self._on_change)
            await self._stack.enter_async_context(reflector)
        await asyncio.gather(*(reflector.wait_synced() for reflector in reflectors))
        writer = asyncio.create_task(self._write_statuses(), name="gateway statuses")
        self._stack.push_async_callback(_cancelled, writer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching and writing."""
        await self._stack.aclose()

    def find(
        self, host: str, path: str, method: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Rule | None:
        """Return the rule for a request, None when no route wants it."""
        if self._table is None:
            ours = self._our_gateways()
            self._table = Table.of(route for route in self._routes.cache.values() if _attached(route, ours))
        return self._table.find(host, path, method, headers, query)

    def targets(self, backend: Backend) -> tuple[Target, ...]:
        """Return a backend's pods that may be given requests now."""
        found = self._targets.get(backend)
        if found is None:
            service = self._services.cache.get((backend.namespace, backend.service))
            pods = self._pods.cache.namespace(backend.namespace).values()
            found = self._targets[backend] = targets(service, backend.port, pods) if service else ()
        return found

    def _on_change(self, change: kube.Change) -> None:
        """Forget what a change makes untrue; it is computed again when it is asked for."""
        if change.resource in (kube.PODS, kube.SERVICES):
            namespace = change.key[0]
            for backend in [one for one in self._targets if one.namespace == namespace]:
                del self._targets[backend]
        if change.resource in (kube.HTTP_ROUTES, kube.GATEWAYS, kube.GATEWAY_CLASSES):
            self._table = None
        if change.resource != kube.PODS:
            self._judge_again.set()

    def _our_gateways(self) -> attachment.Objects:
        return attachment.our_gateways(self._gateways.cache, self._classes.cache)

    async def _write_statuses(self) -> None:
        while True:
            await self._judge_again.wait()
            self._judge_again.clear()
            try:
                await self._write_all(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
            except kube.KubeError as error:
                # A conflict is the cache being a moment behind.
                log = logger.debug if isinstance(error, kube.Conflict) else logger.warning
                log("%s; trying again in %.1f s", error, _AGAIN)
                asyncio.get_running_loop().call_later(_AGAIN, self._judge_again.set)

    async def _write_all(self, now: str) -> None:
        """Write every status that differs from what the cache says is stored."""
        gateways = self._our_gateways()
        for raw in self._classes.cache.values():
            if raw["spec"]["controllerName"] == CONTROLLER:
                await self._write(kube.GATEWAY_CLASSES, raw, {"conditions": statuses.class_conditions(raw, now)})
        for raw in self._routes.cache.values():
            parents = statuses.route_parents(raw, gateways, self._services.cache, now)
            if parents or raw.get("status"):
                await self._write(kube.HTTP_ROUTES, raw, {"parents": parents})
        for key, raw in gateways.items():
            counts = Counter(
                reference.get("sectionName")
                for route in self._routes.cache.values()
                for reference, gateway in attachment.parents(route, {key: raw})
                if attachment.accepted(route, reference, gateway).holds
            )
            await self._write(kube.GATEWAYS, raw, statuses.gateway_status(raw, counts, self._address, now))

    async def _write(self, resource: kube.Resource, raw: kube.Raw, status: kube.Raw) -> None:
        if all(raw.get("status", {}).get(field) == value for field, value in status.items()):
            return
        metadata = raw["metadata"]
        # With the version that was read: the list of parents is shared with other controllers.
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": status}
        with contextlib.suppress(kube.NotFound):
            await self._session.patch(resource, metadata["name"], metadata.get("namespace"), body, subresource="status")


def _attached(route: kube.Raw, gateways: attachment.Objects) -> bool:
    pairs = attachment.parents(route, gateways)
    return any(attachment.accepted(route, reference, gateway).holds for reference, gateway in pairs)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
