"""One connection pool to one API server: read, write, watch.

Objects go in and come out as Kubernetes JSON. Every failure is a ``KubeError`` that
names the object. Nothing is retried here but a request whose token had been rotated;
who calls knows what waiting costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp

from mlgitops.kube.connector import Connector
from mlgitops.kube.credentials import Credentials
from mlgitops.kube.errors import NotFound, Unauthorized, from_response, from_status, translated
from mlgitops.kube.resources import TABLE, Raw, Resource

PatchType = Literal["merge", "json", "strategic"]
_PATCH = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
# Bound tokens are renewed at 80 % of their life, so a minute is never too late.
_TOKEN_SECONDS = 60.0
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)


@dataclass(frozen=True, slots=True)
class Listing:
    """A collection at one moment: its objects and the resourceVersion to watch from."""

    items: tuple[Raw, ...]
    resource_version: str


class Session:
    """Talks to one API server; use it as ``async with Session(credentials) as session``.

    Args:
        credentials: from ``kube.login()``.
        user_agent: how the API server's audit log names us.
        connections: at most so many at once, watches included.
    """

    def __init__(self, credentials: Credentials, *, user_agent: str = "mlgitops", connections: int = 128) -> None:
        self.credentials = credentials
        self._headers = {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}
        self._connections = connections
        self._http: aiohttp.ClientSession | None = None
        self._token: str | None = None
        self._token_read_at = float("-inf")
        self._resources = dict(TABLE)

    async def __aenter__(self) -> Self:
        """Open the pool; the first connection is made by the first request."""
        tls = self.credentials.ssl_context() if self.credentials.server.startswith("https:") else True
        self._http = aiohttp.ClientSession(
            connector=Connector(ssl=tls, limit=self._connections), headers=self._headers, timeout=_TIMEOUT
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection, watches and requests that were broken off included."""
        if self._http:
            await self._http.close()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Raw:
        """Return one object. Raises ``NotFound`` when it is not there."""
        return await self.request("GET", resource.path(namespace, name), what=resource.label(namespace, name))

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        size: int = 500,
    ) -> AsyncIterator[Listing]:
        """Yield a collection in pages of one consistent list.

        Raises:
            Gone: the list took longer than the API server keeps old versions; start again.
        """
        params = _params(labelSelector=label_selector, fieldSelector=field_selector, limit=size)
        what = resource.label(namespace)
        while True:
            page = await self.request("GET", resource.path(namespace), what=what, params=params)
            items = page.get("items") or ()
            for item in items:
                # The items of a list leave out what all of them share.
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
            yield Listing(tuple(items), page["metadata"].get("resourceVersion", ""))
            token = page["metadata"].get("continue")
            if not token:
                return
            params = {**params, "continue": token}

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Listing:
        """Return a whole collection: of one namespace, or of all when ``namespace`` is None."""
        items: list[Raw] = []
        version = ""
        pages = self.pages(resource, namespace, label_selector=label_selector, field_selector=field_selector)
        async for page in pages:
            items += page.items
            version = page.resource_version
        return Listing(tuple(items), version)

    async def create(self, raw: Raw) -> Raw:
        """Create an object and return it as stored. Raises ``AlreadyExists``."""
        resource, namespace, name = await self._place(raw)
        name = name or f"{raw['metadata'].get('generateName', '')}*"
        return await self.request("POST", resource.path(namespace), what=resource.label(namespace, name), body=raw)

    async def create_subresource(
        self, resource: Resource, name: str, namespace: str | None, subresource: str, body: Raw
    ) -> Raw:
        """Post to an object's subresource: a pod's ``binding`` or ``eviction``, a service account's ``token``."""
        what = f"{resource.label(namespace, name)} ({subresource})"
        return await self.request("POST", resource.path(namespace, name, subresource), what=what, body=body)

    async def apply(
        self, raw: Raw, *, field_manager: str, force: bool = True, subresource: str | None = None, dry_run: bool = False
    ) -> Raw:
        """Apply an object server-side and return it as stored.

        The object holds exactly the fields that ``field_manager`` wants to own; what it
        owned before and leaves out now is removed.

        Raises:
            Conflict: another manager owns one of the fields and ``force`` is False.
            Invalid: the object does not fit its schema.
        """
        resource, namespace, name = await self._place(raw)
        return await self.request(
            "PATCH",
            resource.path(namespace, name, subresource),
            what=resource.label(namespace, name),
            params=_params(fieldManager=field_manager, force=force, dryRun="All" if dry_run else None),
            body=raw,
            content_type="application/apply-patch+yaml",
        )

    async def update(self, raw: Raw, *, subresource: str | None = None) -> Raw:
        """Replace an object. Raises ``Conflict`` when its resourceVersion is no longer the stored one."""
        resource, namespace, name = await self._place(raw)
        return await self.request(
            "PUT", resource.path(namespace, name, subresource), what=resource.label(namespace, name), body=raw
        )

    async def update_status(self, raw: Raw) -> Raw:
        """Replace an object's status; the rest of ``raw`` but name and resourceVersion is ignored."""
        return await self.update(raw, subresource="status")

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        body: Any,
        *,
        type: PatchType = "merge",  # noqa: A002 - kubectl's word
        subresource: str | None = None,
    ) -> Raw:
        """Change some fields of an object and return it as stored."""
        return await self.request(
            "PATCH",
            resource.path(namespace, name, subresource),
            what=resource.label(namespace, name),
            body=body,
            content_type=_PATCH[type],
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: str = "Background",
    ) -> None:
        """Delete an object; one that is already gone is fine.

        Args:
            resource: its kind.
            name: its name.
            namespace: its namespace, None for a cluster-wide object.
            uid: delete only this very object, not a namesake made since.
            resource_version: delete only when it has not changed since.
            grace_seconds: seconds until a pod is killed, 0 to remove it at once.
            propagation: what happens to owned objects: Background, Foreground or Orphan.

        Raises:
            Conflict: ``uid`` or ``resource_version`` is not the stored one.
        """
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "gracePeriodSeconds": grace_seconds,
            "preconditions": {field: value for field, value in preconditions.items() if value},
        }
        with contextlib.suppress(NotFound):
            await self.request(
                "DELETE", resource.path(namespace, name), what=resource.label(namespace, name), body=body
            )

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        silence: float = 90.0,
    ) -> AsyncGenerator[tuple[str, Raw]]:
        """Yield ``(type, object)`` of every change after a resourceVersion, bookmarks included.

        Ends when the API server ends the stream (every few minutes); watch again from the
        last resourceVersion seen.

        Args:
            resource: the kind to watch.
            namespace: one namespace, or None for all.
            resource_version: from ``list`` or the last event.
            label_selector: only objects with these labels.
            field_selector: only objects with these fields.
            silence: seconds without any byte until ``Silent`` is raised; an API server
                sends a bookmark about once a minute.

        Raises:
            Gone: the resourceVersion is too old; list again.
        """
        params = _params(
            watch=True,
            allowWatchBookmarks=True,
            resourceVersion=resource_version,
            # Spread, so that many watches do not end in the same moment.
            timeoutSeconds=random.randint(240, 360),  # noqa: S311 - nothing secret
            labelSelector=label_selector,
            fieldSelector=field_selector,
        )
        what = resource.label(namespace)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=silence)
        async with self._open("GET", resource.path(namespace), what=what, params=params, limits=limits) as response:
            connection = response.connection
            try:
                async for line in _lines(response.content):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise from_status(what, event["object"])
                    yield event["type"], event["object"]
            finally:
                # Left in the middle, the connection is of no further use, and TLS's goodbye
                # would wait for an answer that a dead peer never gives.
                if connection and connection.transport and not response.content.at_eof():
                    connection.transport.abort()

    async def resolve(self, api_version: str, kind: str) -> Resource:
        """Return where a kind is served, by the table or by asking the API server once.

        Raises:
            NotFound: the API server serves no such kind.
        """
        found = self._resources.get((api_version, kind))
        if found:
            return found
        group, _, version = api_version.rpartition("/")
        what = f"API {api_version}"
        root = Resource(group, version, "", kind).root
        for entry in (await self.request("GET", root, what=what))["resources"]:
            if "/" not in entry["name"]:
                resource = Resource(group, version, entry["name"], entry["kind"], entry["namespaced"])
                self._resources[api_version, entry["kind"]] = resource
        if (api_version, kind) not in self._resources:
            raise NotFound(what, f"serves no kind {kind}; install its CRD", status=404, reason="NotFound")
        return self._resources[api_version, kind]

    async def request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Raw:
        """Send one request and return its JSON answer; ``what`` names the object in errors."""
        async with self._open(method, path, what=what, params=params, body=body, content_type=content_type) as response:
            answer: Raw = json.loads(await response.read())
            return answer

    @contextlib.asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        *,
        what: str,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        limits: aiohttp.ClientTimeout = _TIMEOUT,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._http is None:
            raise RuntimeError("a Session is used inside `async with`")
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        for attempt in (1, 2):
            headers = await self._authorization(what, fresh=attempt == 2)
            if data is not None:
                headers["Content-Type"] = content_type
            with translated(what):
                async with self._http.request(
                    method,
                    self.credentials.server + path,
                    params=params,
                    data=data,
                    headers=headers,
                    timeout=limits,
                    server_hostname=self.credentials.server_name,
                ) as response:
                    if response.status < 400:
                        yield response
                        return
                    error = await from_response(what, response)
            if attempt == 2 or not isinstance(error, Unauthorized):
                raise error

    async def _authorization(self, what: str, *, fresh: bool) -> dict[str, str]:
        if fresh or time.monotonic() - self._token_read_at > _TOKEN_SECONDS:
            with translated(f"token for {what}"):
                self._token = await asyncio.to_thread(self.credentials.read_token)
            self._token_read_at = time.monotonic()
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    async def _place(self, raw: Raw) -> tuple[Resource, str | None, str]:
        resource = await self.resolve(raw["apiVersion"], raw["kind"])
        metadata = raw["metadata"]
        namespace = metadata.get("namespace") or self.credentials.namespace
        return resource, namespace if resource.namespaced else None, metadata.get("name", "")


def _params(**values: str | int | bool | None) -> dict[str, str]:
    named = {name: value for name, value in values.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in named.items()}


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield whole lines of any length; the reader's own readline stops at 128 KiB."""
    rest = bytearray()
    async for chunk in stream.iter_any():
        rest += chunk
        if b"\n" in chunk:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield bytes(line)
