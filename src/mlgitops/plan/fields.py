"""Which fields of an object a change touches, named so that people find them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlgitops.plan import labels

Raw = Mapping[str, Any]

# What names a revision, or how far a roll-out is: it follows from the change and is not the change.
_FOLLOWS = frozenset({labels.ACTIVE, labels.TARGET, labels.STEP, labels.STARTED_AT, labels.REVISION, labels.VERSION})


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field's value before and after; None where it is absent. ``path`` is dotted, entries of lists by name."""

    path: str
    before: Any
    after: Any


def changes(before: Raw, after: Raw) -> tuple[FieldChange, ...]:
    """Return the fields in which two objects differ, in order of their paths; names and statuses aside."""
    old, new = (
        {key: _without_name(value) if key == "metadata" else value for key, value in raw.items() if key != "status"}
        for raw in (before, after)
    )
    return tuple(sorted(_changes(old, new, ""), key=lambda change: change.path))


def _without_name(metadata: Raw) -> Raw:
    return {key: value for key, value in metadata.items() if key != "name"}


def _changes(before: Any, after: Any, path: str) -> Iterator[FieldChange]:
    old, new = _entries(before, path), _entries(after, path)
    if old is None or new is None:
        before, after = _told(before), _told(after)
        if before != after:
            yield FieldChange(path, before, after)
        return
    for place in [*old, *(place for place in new if place not in old)]:
        yield from _changes(old.get(place), new.get(place), place)


def _told(value: Any) -> Any:
    """Return a value without what follows from a change; None when that is all there is in it."""
    if isinstance(value, Mapping) and value:
        return {key: item for key, item in value.items() if key not in _FOLLOWS} or None
    return value


def _entries(value: Any, path: str) -> dict[str, Any] | None:
    """Return what lies below a path by its own path, None for a single value."""
    if isinstance(value, Mapping):
        # A key with dots is one key, as in jsonpath.
        places = {key: f"{path}[{key}]" if "." in key else f"{path}.{key}".lstrip(".") for key in value}
        return {places[key]: item for key, item in value.items() if key not in _FOLLOWS}
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
        return {f"{path}[{item.get('name', index)}]": item for index, item in enumerate(value)}
    return None
