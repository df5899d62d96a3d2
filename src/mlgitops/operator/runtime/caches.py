"""The reflectors of an operator, one a resource, and indexes over them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlgitops.kube import Cache, Change, Key, Raw, Reflector, Resource, Session


@dataclass(frozen=True, slots=True)
class Index:
    """A way to find objects of a resource by something other than their name.

    ``values`` gives the values under which an object is found, such as the
    ``(namespace, stage)`` that a deployment follows. Define it once, at module level.
    """

    resource: Resource
    values: Callable[[Raw], Iterable[Hashable]]


class Caches:
    """One reflector for each resource that a controller reads.

    Args:
        session: the connection that lists and watches.
        namespace: one namespace, or None for all.
        managers: field managers whose ``managedFields`` the caches keep.
        selectors: label selectors of resources of which only some objects matter.
        silence: seconds without any byte until a watch is judged dead.
    """

    def __init__(
        self,
        session: Session,
        *,
        namespace: str | None = None,
        managers: Collection[str] = (),
        selectors: Mapping[Resource, str] | None = None,
        silence: float = 90.0,
    ) -> None:
        self._session = session
        self._namespace = namespace
        self._managers = managers
        self._selectors = selectors or {}
        self._silence = silence
        self._reflectors: dict[Resource, Reflector] = {}
        self._indexes: dict[Index, dict[Hashable, set[Key]]] = {}

    def add(self, resource: Resource) -> Reflector:
        """Return the resource's reflector, made on first use; nothing is listed before ``start``."""
        if resource not in self._reflectors:
            namespace = self._namespace if resource.namespaced else None
            self._reflectors[resource] = Reflector(
                self._session,
                resource,
                namespace,
                label_selector=self._selectors.get(resource),
                managers=self._managers,
                silence=self._silence,
            )
        return self._reflectors[resource]

    def add_index(self, index: Index) -> None:
        """Keep an index from now on; call it before ``start``."""
        if index not in self._indexes:
            entries: dict[Hashable, set[Key]] = {}
            self._indexes[index] = entries
            self.add(index.resource).subscribe(lambda change: _reindex(index, entries, change))

    async def start(self) -> None:
        """Start every reflector and wait until each has its first list."""
        for reflector in self._reflectors.values():
            reflector.start()
        await asyncio.gather(*(reflector.wait_synced() for reflector in self._reflectors.values()))

    async def stop(self) -> None:
        """Stop every reflector."""
        await asyncio.gather(*(reflector.stop() for reflector in self._reflectors.values()))

    @property
    def synced(self) -> bool:
        """True when every reflector has had its first list."""
        return all(reflector.synced for reflector in self._reflectors.values())

    def reflector(self, resource: Resource) -> Reflector | None:
        """Return a resource's reflector, None when no controller reads the resource."""
        return self._reflectors.get(resource)

    def cache(self, resource: Resource) -> Cache:
        """Return what is known of a resource; it must be declared by a controller (KeyError)."""
        return self._reflectors[resource].cache

    def get(self, resource: Resource, key: Key) -> Raw | None:
        """Return one object as last seen, None when there is none. Never change it."""
        return self.cache(resource).get(key)

    def lookup(self, index: Index, value: Hashable) -> tuple[Raw, ...]:
        """Return the objects that an index lists under a value, in order of their keys."""
        cache = self.cache(index.resource)
        return tuple(cache[key] for key in sorted(self._indexes[index].get(value, ())))


def _reindex(index: Index, entries: dict[Hashable, set[Key]], change: Change) -> None:
    old: set[Any] = set(index.values(change.old)) if change.old else set()
    new: set[Any] = set(index.values(change.new)) if change.new else set()
    for value in old - new:
        entries[value].discard(change.key)
        if not entries[value]:
            del entries[value]
    for value in new - old:
        entries.setdefault(value, set()).add(change.key)
