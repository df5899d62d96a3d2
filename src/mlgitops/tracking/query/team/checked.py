"""Records from elsewhere: what was read has the types that it claims, and no path that leaves it."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Union

from mlgitops.tracking import places
from mlgitops.tracking.records import RunRecord


def checked(record: RunRecord) -> RunRecord:
    """Return a record without what leads out of its folder.

    Raises:
        ValueError: it is no record: an id is none, or a value is of another type than it should be.
    """
    if not places.is_run_id(str(record.id)) or not _is_a(record, RunRecord):
        raise ValueError("a record has values of the wrong type")
    return replace(
        record,
        models=tuple(model for model in record.models if _is_inside(model.path)),
        media=tuple(media for media in record.media if _is_inside(media.path)),
    )


def _is_inside(path: str) -> bool:
    parsed = PurePosixPath(path)
    return bool(path) and not parsed.is_absolute() and ".." not in parsed.parts


def _is_a(value: object, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, Union):
        return any(_is_a(value, argument) for argument in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_a(item, arguments[0]) for item in value)
    if origin is Mapping:
        pairs = value.items() if isinstance(value, dict) else [(None, None)]
        return all(_is_a(key, arguments[0]) and _is_a(item, arguments[1]) for key, item in pairs)
    if is_dataclass(hint):
        return isinstance(value, typing.cast("type", hint)) and all(
            _is_a(getattr(value, name), of_field) for name, of_field in _hints(typing.cast("type", hint))
        )
    if hint in (int, float):
        return type(value) is hint  # a boolean is no number, and no number of steps has a fraction
    return isinstance(value, Path if hint is Path else hint)


@cache
def _hints(cls: type) -> tuple[tuple[str, Any], ...]:
    found = typing.get_type_hints(cls)
    return tuple((field.name, found[field.name]) for field in fields(cls))
