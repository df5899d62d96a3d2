"""Which fields of an object a change touches, named so that people find them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlgitops.plan import labels

Raw = Mapping[str, Any]

# Written with every step of a roll-out; they say nothing about what a merge changes.
_PROGRESS = frozenset({labels.ACTIVE, labels.TARGET, labels.STEP, labels.STARTED_AT})


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field's value before and after; None where it is absent. ``path`` is dotted, entries of lists by name."""

    path: str
    before: Any
    after: Any


def changes(before: Raw, after: Raw) -> tuple[FieldChange, ...]:
    """Return the fields in which two objects differ, in order of their paths; names and statuses aside."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    paths = sorted(old.keys() | new.keys())
    return tuple(FieldChange(path, old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            if key not in _PROGRESS and (path, key) not in (("", "status"), ("metadata", "name")):
                # A key with dots is one key, as in jsonpath.
                yield from _leaves(item, f"{path}[{key}]" if "." in key else f"{path}.{key}".lstrip("."))
    elif isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{item.get('name', index)}]")
    else:
        yield path, list(value) if isinstance(value, tuple) else value
