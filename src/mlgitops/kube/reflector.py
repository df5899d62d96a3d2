"""A local copy of one collection that is always becoming true again.

List in chunks, then watch; on any failure back off and go on. A relist compares with
the cache and emits what changed meanwhile, deletions included, so a subscriber sees
every object's last state however long the API server was away. An API that is not
installed is an empty collection that is asked for again.

A watch that carries neither change nor bookmark is judged dead, and then the cache is
listed again rather than trusted: a new connection could be as silent as the old one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypedDict

from mlgitops.errors import OutsideError
from mlgitops.kube.errors import NotFound, Silent, Unavailable
from mlgitops.kube.resources import Key, Raw, Resource, key_of, version_of
from mlgitops.kube.session import Session

logger = logging.getLogger(__name__)

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 10.0


@dataclass(frozen=True, slots=True)
class Change:
    """One object's change: ``old`` is None when added, ``new`` is None when deleted."""

    resource: Resource
    key: Key
    old: Raw | None
    new: Raw | None

    @property
    def type(self) -> Literal["added", "modified", "deleted"]:
        """The word for it."""
        if self.new is None:
            return "deleted"
        return "modified" if self.old else "added"

    @property
    def latest(self) -> Raw:
        """The object as it is, or as it last was."""
        found = self.new or self.old
        assert found is not None
        return found


Subscriber = Callable[[Change], None]


class _Selectors(TypedDict):
    label_selector: str | None
    field_selector: str | None


class Cache(Mapping[Key, Raw]):
    """What a reflector knows, by ``(namespace, name)``. Objects are shared: never change one."""

    def __init__(self) -> None:
        self._objects: dict[Key, Raw] = {}
        self._by_namespace: dict[str, dict[Key, Raw]] = {}

    def __getitem__(self, key: Key) -> Raw:
        return self._objects[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def namespace(self, namespace: str) -> Mapping[Key, Raw]:
        """Return the objects of one namespace."""
        return self._by_namespace.get(namespace, {})

    def put(self, key: Key, raw: Raw) -> None:
        """Hold an object; only its reflector does this."""
        self._objects[key] = raw
        self._by_namespace.setdefault(key[0], {})[key] = raw

    def drop(self, key: Key) -> None:
        """Forget an object; only its reflector does this."""
        del self._objects[key]
        del self._by_namespace[key[0]][key]


class Reflector:
    """Keeps ``cache`` equal to a collection; use it as ``async with Reflector(...) as reflector``.

    Args:
        session: the connection.
        resource: the kind.
        namespace: one namespace, or None for all.
        label_selector: only objects with these labels.
        field_selector: only objects with these fields.
        managers: field managers whose ``managedFields`` are kept (``kube.differs`` reads
            them); those of everybody else, half of an object's size, are dropped.
        silence: seconds without any byte until a watch is judged dead.
    """

    def __init__(
        self,
        session: Session,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        managers: Collection[str] = (),
        silence: float = 90.0,
    ) -> None:
        self.resource = resource
        self.namespace = namespace
        self.cache = Cache()
        self.resource_version = ""
        self.absent = False
        self.epoch = 0
        self._session = session
        self._selectors = _Selectors(label_selector=label_selector, field_selector=field_selector)
        self._managers = frozenset(managers)
        self._silence = silence
        self._subscribers: list[Subscriber] = []
        self._synced = asyncio.Event()
        self._moved = asyncio.Condition()
        self._relist = asyncio.Event()
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start to list and watch in the background."""
        self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop; the cache stays as it is."""
        await self.stop()

    def start(self) -> None:
        """Start to list and watch in the background; the session must stay open."""
        self._task = asyncio.create_task(self._run(), name=f"reflector {self.resource.plural}")

    async def stop(self) -> None:
        """Stop listing and watching; the cache stays as it is."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def synced(self) -> bool:
        """True from the first complete list on (an absent API is a complete, empty list)."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Wait for the first complete list."""
        await self._synced.wait()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call a function on every change from now on; returns what ends it.

        It is called in the event loop, after the cache has changed, and must not block.
        """
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def relist(self) -> None:
        """Ask for a new list now, because somebody knows that the watch missed something."""
        self._relist.set()

    def reached(self, resource_version: str) -> bool:
        """Tell whether the cache holds all that happened up to a resourceVersion of this resource.

        Resource versions of one resource are numbers that grow (comparable by contract
        since Kubernetes 1.35, and in etcd always).
        """
        return bool(self.resource_version) and int(self.resource_version) >= int(resource_version)

    async def wait_reached(self, resource_version: str) -> None:
        """Wait until the cache holds all that happened up to a resourceVersion."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.reached(resource_version))

    async def _run(self) -> None:
        listed = False
        while True:
            try:
                if not listed or self._relist.is_set():
                    self._relist.clear()
                    listed = await self._list()
                if listed:
                    await self._watch_until_relist()
                    self._failures = 0
            except OutsideError as error:
                # A connection that broke can be taken up where it ended; everything else is listed again.
                listed = listed and isinstance(error, Unavailable) and not isinstance(error, Silent)
                listed = listed and self._failures < 3
                await self._back_off(error)
            except Exception as error:  # a garbled answer must not end the cache either
                listed = False
                await self._back_off(error, exc_info=True)

    async def _back_off(self, error: Exception, *, exc_info: bool = False) -> None:
        longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        # Once, when it is no longer a hiccup; an absent API is a state, not a failure.
        log = logger.warning if self._failures == 3 and not self.absent else logger.debug
        log("%s; trying again in at most %.1f s", error, longest, exc_info=exc_info)
        await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311 - nothing secret

    async def _list(self) -> bool:
        """List everything and emit what differs; False when the API is not installed."""
        found: dict[Key, Raw] = {}
        version = ""
        try:
            async for page in self._session.pages(self.resource, self.namespace, **self._selectors):
                found.update((key_of(item), item) for item in page.items)
                version = page.resource_version
        except NotFound as error:
            await self._confirm_absence(error)
            self.absent = True
            await self._replace({}, self.resource_version)
            await self._back_off(error)
            return False
        self.absent = False
        if self.resource_version and int(version) < int(self.resource_version):
            # The history began again: etcd was restored or replaced, old versions mean nothing.
            self.epoch += 1
        await self._replace(found, version)
        return True

    async def _confirm_absence(self, error: NotFound) -> None:
        """Return when discovery too says that the resource is not served, else raise.

        A 404 alone may be an API server that is still loading its CRDs; emptying the
        cache for that would look as if somebody had deleted every object.
        """
        with contextlib.suppress(NotFound):
            served = await self._session.request("GET", self.resource.root, what=f"API {self.resource.api_version}")
            if any(entry["name"] == self.resource.plural for entry in served["resources"]):
                raise Unavailable(error.what, "answered 404 although discovery lists it") from error

    async def _replace(self, found: Mapping[Key, Raw], version: str) -> None:
        for key in [key for key in self.cache if key not in found]:
            self._emit(key, None)
        for key, raw in found.items():
            old = self.cache.get(key)
            if old is None or version_of(old) != version_of(raw) or old["metadata"]["uid"] != raw["metadata"]["uid"]:
                self._emit(key, raw)
        await self._advance(version)
        self._synced.set()

    async def _watch_until_relist(self) -> None:
        watching = asyncio.ensure_future(self._watch())
        asked = asyncio.ensure_future(self._relist.wait())
        try:
            await asyncio.wait((watching, asked), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            for task in (watching, asked):
                task.cancel()
            await asyncio.gather(watching, asked, return_exceptions=True)

    async def _watch(self) -> None:
        stream = self._session.watch(
            self.resource,
            self.namespace,
            resource_version=self.resource_version,
            silence=self._silence,
            **self._selectors,
        )
        started = asyncio.get_running_loop().time()
        told_something = False
        async with contextlib.aclosing(stream):
            async for type_, raw in stream:
                told_something = True
                self._failures = 0
                if type_ == "DELETED":
                    if key_of(raw) in self.cache:
                        self._emit(key_of(raw), None)
                elif type_ != "BOOKMARK":
                    self._emit(key_of(raw), raw)
                await self._advance(version_of(raw))
        if not told_something and asyncio.get_running_loop().time() - started < 1:
            raise Unavailable(self.resource.label(self.namespace), "the watch ended as soon as it began")

    def _emit(self, key: Key, raw: Raw | None) -> None:
        old = self.cache.get(key)
        if raw is None:
            self.cache.drop(key)
        else:
            self._trim(raw["metadata"])
            self.cache.put(key, raw)
        change = Change(self.resource, key, old, raw)
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(change)
            except Exception:  # one subscriber's mistake must not stop the cache for all
                logger.exception("a subscriber of %s failed on %s", self.resource.plural, key)

    def _trim(self, metadata: dict[str, Any]) -> None:
        managed = [entry for entry in metadata.pop("managedFields", ()) if entry.get("manager") in self._managers]
        if managed:
            metadata["managedFields"] = managed

    async def _advance(self, version: str) -> None:
        self.resource_version = version
        async with self._moved:
            self._moved.notify_all()
