"""Kubernetes JSON to frozen dataclasses and back, by looking at the classes.

A field ``size_bytes`` is ``sizeBytes`` in JSON. Reading ignores fields that the
class does not have (an API server may be newer than we are; the registry's
validator refuses them in git). Writing leaves out what equals its default, which is
also the API server's default, so that a document says only what somebody decided.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar, Union

from mlgitops.errors import InvalidError, Problem

T = TypeVar("T")
Report = Callable[[str, str], None]
Decoder = Callable[[Any, str, Report], Any]


def camel(name: str) -> str:
    """Return a Python field's name as Kubernetes spells it."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def decode(cls: type[T], raw: Any) -> T:
    """Read one value of a dataclass from JSON.

    Raises:
        InvalidError: with every missing field and wrong type.
    """
    problems: list[Problem] = []
    value = _decoder(typing.cast("Any", cls))(
        raw, "", lambda field, message: problems.append(Problem("", 0, field, message))
    )
    if problems:
        raise InvalidError(problems)
    return typing.cast("T", value)


def encode(value: Any) -> Any:
    """Return a value's JSON, without what equals its default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: encode(item) for name, item in _said(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    return value


def _said(value: Any) -> Iterator[tuple[str, Any]]:
    for name, json_name, default in _fields(typing.cast("Any", type(value))):
        item = getattr(value, name)
        if default is dataclasses.MISSING or item != default:
            yield json_name, item


@functools.cache
def _fields(cls: type) -> tuple[tuple[str, str, Any], ...]:
    def default_of(field: dataclasses.Field[Any]) -> Any:
        factory = field.default_factory
        return field.default if factory is dataclasses.MISSING else factory()

    return tuple((field.name, camel(field.name), default_of(field)) for field in dataclasses.fields(cls))


@functools.cache
def _decoder(hint: Any) -> Decoder:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda raw, _where, _report: raw
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object(hint)
    if origin is tuple:
        return _list(_decoder(arguments[0]))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return _map(_decoder(arguments[1]))
    if origin is Literal:
        return _choice(arguments)
    if origin in (Union, types.UnionType):
        present = tuple(argument for argument in arguments if argument is not type(None))
        inner = _decoder(present[0]) if len(present) == 1 else _scalar(present)
        return lambda raw, where, report: None if raw is None else inner(raw, where, report)
    return _scalar((hint,))


def _scalars(hint: Any) -> tuple[type, ...]:
    """Return the types whose values a hint takes as they are; most fields have one, and need no path for a message."""
    present = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    scalars = tuple(kind for kind in present if kind is not type(None))
    return scalars if all(kind in _WORDS for kind in scalars) else ()


_WORDS = {str: "a string", int: "a whole number", bool: "true or false"}


def _scalar(allowed: tuple[type, ...]) -> Decoder:
    expected = " or ".join(_WORDS[kind] for kind in allowed)

    def read(raw: Any, where: str, report: Report) -> Any:
        # bool is an int in Python, not in JSON
        if type(raw) not in allowed:
            report(where, f"must be {expected}, not {raw!r:.80}")
        return raw

    return read


def _choice(choices: tuple[Any, ...]) -> Decoder:
    def read(raw: Any, where: str, report: Report) -> Any:
        if raw not in choices:
            report(where, f"must be one of {', '.join(str(choice) for choice in choices if choice)}, not {raw!r:.80}")
        return raw

    return read


def _list(item: Decoder) -> Decoder:
    def read(raw: Any, where: str, report: Report) -> Any:
        if not isinstance(raw, (list, tuple)):
            report(where, f"must be a list, not {raw!r:.80}")
            return ()
        return tuple(item(value, f"{where}[{index}]", report) for index, value in enumerate(raw))

    return read


def _map(item: Decoder) -> Decoder:
    def read(raw: Any, where: str, report: Report) -> Any:
        if not isinstance(raw, Mapping):
            report(where, f"must be a mapping, not {raw!r:.80}")
            return {}
        # A null is no value, for the API server too.
        return {key: item(value, f"{where}.{key}", report) for key, value in raw.items() if value is not None}

    return read


def _object(cls: type) -> Decoder:
    hints = typing.get_type_hints(cls)
    fields = tuple(
        (name, json_name, _scalars(hints[name]), _decoder(hints[name]), default is dataclasses.MISSING)
        for name, json_name, default in _fields(cls)
    )

    def read(raw: Any, where: str, report: Report) -> Any:
        if not isinstance(raw, dict):
            report(where, f"must be a mapping, not {raw!r:.80}")
            return None
        values = {}
        for name, json_name, plain, decoder, required in fields:
            item = raw.get(json_name)
            if type(item) in plain:
                values[name] = item
            elif item is not None:
                values[name] = decoder(item, f"{where}.{json_name}" if where else json_name, report)
            elif required:
                report(f"{where}.{json_name}" if where else json_name, "is missing")
                values[name] = None
        return cls(**values)

    return read
