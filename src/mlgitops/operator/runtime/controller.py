"""How a reconciler plugs in: say what you reconcile, what you look at, and how.

    async def reconcile(key: Key, context: Context) -> Result:
        raw = context.get(STAGES, key)
        if raw is None:
            return Result()                            # deleted; children go by their owner
        followers = context.lookup(BY_STAGE, key)      # caches only, never a GET
        await context.write_status({**raw, "status": decided(raw, followers, context.now())})
        await context.apply(child)                     # nothing is sent when nothing differs
        return Result(after=30)

    STAGES = Controller(
        resource=MODEL_STAGES,
        reconcile=reconcile,
        watches=(Watch(MODEL_DEPLOYMENTS, lambda raw, caches: [stage_key(raw)]),),
        reads=(MODEL_VERSIONS,),
        indexes=(BY_STAGE,),
    )

The runtime lists and watches every resource that is named here, queues the key of each
object of ``resource`` that changed and of each that a ``Watch`` names for another
object, and calls ``reconcile`` with one key at a time. A reconciler gets a key and reads
the caches; it never learns which event woke it, so it must be right from any state.
After it returns, its key rests until the caches hold what it wrote (``writes``). How it
may end stands in ``outcomes``. Objects out of a cache are shared: copy before changing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from mlgitops import kube
from mlgitops.kube import Cache, Key, Raw, Resource, Session
from mlgitops.operator.runtime.caches import Caches, Index
from mlgitops.operator.runtime.clock import Clock
from mlgitops.operator.runtime.crashes import crash_point
from mlgitops.operator.runtime.outcomes import Result
from mlgitops.operator.runtime.schedule import Priority
from mlgitops.operator.runtime.writes import Writes

logger = logging.getLogger(__name__)

EventType = Literal["Normal", "Warning"]
# Posts a Kubernetes Event about an object: (object, type, reason, message).
Recorder = Callable[[Raw, EventType, str, str], None]


@dataclass(frozen=True, slots=True)
class Watch:
    """Changes of another resource that concern a controller's keys.

    ``keys`` gets the object that changed (on a change both its old and its new form, so
    that the key it pointed to before is told too) and the caches.
    """

    resource: Resource
    keys: Callable[[Raw, Caches], Iterable[Key]]
    priority: Priority = Priority.CHILD


@dataclass(frozen=True, slots=True)
class Controller:
    """One kind and how it is reconciled; see the module's docstring."""

    resource: Resource
    reconcile: Callable[[Key, Context], Awaitable[Result]]
    watches: tuple[Watch, ...] = ()
    reads: tuple[Resource, ...] = ()
    indexes: tuple[Index, ...] = ()

    @property
    def resources(self) -> frozenset[Resource]:
        """Every resource whose cache it needs."""
        watched = {watch.resource for watch in self.watches}
        return frozenset({self.resource, *watched, *self.reads, *(index.resource for index in self.indexes)})


def owned_by(resource: Resource) -> Callable[[Raw, Caches], Iterable[Key]]:
    """Return a ``Watch.keys`` that names the controlling owner of a child."""

    def keys(raw: Raw, _: Caches) -> Iterable[Key]:
        metadata = raw["metadata"]
        for owner in metadata.get("ownerReferences", ()):
            if owner.get("controller") and (owner["apiVersion"], owner["kind"]) == (
                resource.api_version,
                resource.kind,
            ):
                yield metadata.get("namespace", ""), owner["name"]

    return keys


@dataclass(slots=True)
class Context:
    """What a reconcile may use: caches to read, and writes that the runtime remembers."""

    session: Session
    caches: Caches
    clock: Clock
    field_manager: str
    record: Recorder
    writes: Writes = field(default_factory=Writes)

    def now(self) -> datetime:
        """Return the moment, in UTC."""
        return self.clock()

    def get(self, resource: Resource, key: Key) -> Raw | None:
        """Return one object as last seen, None when there is none. Never change it."""
        return self.caches.get(resource, key)

    def cache(self, resource: Resource) -> Cache:
        """Return all that is known of a declared resource."""
        return self.caches.cache(resource)

    def lookup(self, index: Index, value: Hashable) -> tuple[Raw, ...]:
        """Return the objects that a declared index lists under a value."""
        return self.caches.lookup(index, value)

    async def write_status(self, raw: Raw) -> Raw:
        """Write an object's status when it differs from the cache's; returns the object as stored.

        ``raw`` carries the resourceVersion that was read, so that a decision on an old
        copy is refused (``Conflict``) and the key comes again, its children untouched.
        """
        resource = await self.session.resolve(raw["apiVersion"], raw["kind"])
        live = self.get(resource, kube.key_of(raw))
        if live is not None and live.get("status") == raw.get("status"):
            return live
        crash_point("before-status")
        stored = await self.session.update_status(raw)
        self._note(resource, stored)
        crash_point("after-status")
        return stored

    async def apply(self, raw: Raw, *, field_manager: str | None = None, force: bool = True) -> Raw:
        """Apply a child server-side when a field that we own differs; returns it as stored."""
        manager = field_manager or self.field_manager
        resource = await self.session.resolve(raw["apiVersion"], raw["kind"])
        live = self._seen(resource, kube.key_of(raw))
        if live is not None and not kube.differs(raw, live, manager):
            return live
        crash_point("before-child")
        stored = await self.session.apply(raw, field_manager=manager, force=force)
        self._note(resource, stored)
        crash_point("after-child")
        return stored

    async def delete(self, raw: Raw) -> None:
        """Delete this very object (by its uid); one that is already gone is fine."""
        resource = await self.session.resolve(raw["apiVersion"], raw["kind"])
        namespace, name = kube.key_of(raw)
        crash_point("before-delete")
        await self.session.delete(resource, name, namespace or None, uid=raw["metadata"].get("uid"))
        crash_point("after-delete")

    def event(self, raw: Mapping[str, Any], reason: str, message: str, type: EventType = "Normal") -> None:  # noqa: A002 - the API's word
        """Post a Kubernetes Event about an object; it is a courtesy and may be lost."""
        self.record(dict(raw), type, reason, message)

    def _seen(self, resource: Resource, key: Key) -> Raw | None:
        reflector = self.caches.reflector(resource)
        return reflector.cache.get(key) if reflector else None

    def _note(self, resource: Resource, stored: Raw) -> None:
        reflector = self.caches.reflector(resource)
        if reflector:
            self.writes.note(reflector, stored)
