"""The structure of an object against its CRD: types, bounds, patterns, unknown fields.

A schema is compiled into closures once, because a registry has thousands of objects of one
kind. Only what structural schemas of our CRDs may hold is known; any other keyword is
refused when a schema is compiled, never ignored. A field that is null is absent, as it is
for the API server.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from mlgitops.errors import InputError
from mlgitops.registry.documents import Path

Raw = Mapping[str, Any]
Finding = tuple[Path, str]
# (value, its path, where what is wrong with it is put)
Check = Callable[[Any, Path, list[Finding]], None]
Bound = Callable[[Any], str | None]
# What is wrong with a value that has nothing below it; its place is only named when there is something to say.
Messages = tuple[str, ...]
Leaf = Callable[[Any], Messages]

_SILENT: Final = {"type", "description", "default", "x-kubernetes-validations"}
_KNOWN: Final = {
    "string": {"enum", "pattern", "format", "minLength", "maxLength"},
    "integer": {"format", "minimum", "maximum"},
    "boolean": set[str](),
    "array": {"items", "minItems", "maxItems", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"},
    "object": {"properties", "required", "additionalProperties", "maxProperties"},
    "": {"x-kubernetes-int-or-string", "anyOf", "pattern", "maxLength"},
}
_BITS: Final = {"int32": 31, "int64": 63}
# Texts of one field whose verdict is remembered, and the characters of the longest of them.
_REMEMBERED: Final = 2048
_LONGEST: Final = 200


def compile_schema(schema: Raw) -> Check:
    """Return the check of a structural schema.

    Raises:
        InputError: it has a keyword that this module does not know.
    """
    leaf = _leaf(schema)
    if leaf is None:
        return _CONTAINERS[_kind(schema)](schema)

    def check(value: Any, path: Path, found: list[Finding]) -> None:
        found += [(path, message) for message in leaf(value)]

    return check


def _leaf(schema: Raw) -> Leaf | None:
    compiler = _LEAVES.get(_kind(schema))
    return compiler(schema) if compiler else None


def _kind(schema: Raw) -> str:
    kind = str(schema.get("type", ""))
    unknown = schema.keys() - _SILENT - _KNOWN.get(kind, set())
    if kind not in _KNOWN or unknown:
        raise InputError(
            f"a schema of type {kind!r} has {', '.join(sorted(unknown)) or 'no check'}; teach structure.py"
        )
    return kind


def _text(schema: Raw) -> Leaf:
    refusals = _refusals(schema)
    remembered = functools.lru_cache(maxsize=_REMEMBERED)(refusals)

    def leaf(value: Any) -> Messages:
        if not isinstance(value, str):
            return (_not_text(value),)
        # Most texts of a registry come again and again.
        return remembered(value) if len(value) <= _LONGEST else refusals(value)

    return leaf


def _refusals(schema: Raw) -> Callable[[str], Messages]:
    bounds: list[Bound] = []
    if "enum" in schema:
        bounds.append(_one_of(schema["enum"]))
    if "pattern" in schema:
        bounds.append(_matching(schema["pattern"], schema.get("description", "")))
    if schema.get("format") == "date-time":
        bounds.append(_time)
    bounds += _length(schema, "minLength", "maxLength", "characters")
    return lambda text: tuple(message for bound in bounds if (message := bound(text)))


def _one_of(choices: list[str]) -> Bound:
    known = frozenset(choices)

    def bound(text: str) -> str | None:
        if text in known:
            return None
        near = difflib.get_close_matches(text, choices, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        return f"must be one of {', '.join(choices)}, not {_short(text)}{hint}"

    return bound


def _matching(pattern: str, about: str) -> Bound:
    # Go's "$" is the end of the text; Python's also stands before a last line feed.
    search = re.compile(pattern.removesuffix("$") + r"\Z").search
    # The first sentence of the description says the same in people's words, mostly with an example.
    told = f": {' '.join(about.split()).partition('. ')[0].removesuffix('.')}" if about else ""
    return lambda text: None if search(text) else f"cannot be {_short(text)}{told}; it must match {pattern}"


def _time(text: str) -> str | None:
    try:
        datetime.fromisoformat(text)  # the form is the pattern's business, the calendar is ours
    except ValueError:
        return f"must be a time such as 2026-12-01T00:00:00Z, not {_short(text)}"
    return None


def _length(schema: Raw, least_word: str, most_word: str, noun: str) -> list[Bound]:
    least, most = schema.get(least_word, 0), schema.get(most_word)

    def bound(value: Collection[Any]) -> str | None:
        count = len(value)
        if count < least:
            return f"must have at least {least} {noun}, not {count}"
        if most is not None and count > most:
            return f"must have at most {most} {noun}, not {count}"
        return None

    return [bound] if least or most is not None else []


def _whole(schema: Raw) -> Leaf:
    least, most = schema.get("minimum"), schema.get("maximum")
    bits = _BITS.get(schema.get("format", ""), 63)

    def leaf(value: Any) -> Messages:
        if not _is_whole(value):
            return (f"must be a whole number, not {_short(value)}",)
        if least is not None and value < least:
            return (f"must be at least {least}, not {value}",)
        if most is not None and value > most:
            return (f"must be at most {most}, not {value}",)
        if not -(1 << bits) <= value < 1 << bits:
            return (f"must fit into {bits + 1} bits, which {_short(value)} does not",)
        return ()

    return leaf


def _is_whole(value: Any) -> bool:
    # bool is an int in Python, not in JSON; 1.0 and 1 are one number there
    return type(value) is int or (type(value) is float and value.is_integer())


def _flag(_schema: Raw) -> Leaf:
    return lambda value: () if isinstance(value, bool) else (f"must be true or false, not {_short(value)}",)


def _number_or_text(schema: Raw) -> Leaf:
    refusals = _refusals(schema)

    def leaf(value: Any) -> Messages:
        if isinstance(value, str):
            return refusals(value)
        return () if _is_whole(value) else (f"must be a whole number or a string, not {_short(value)}",)

    return leaf


def _list(schema: Raw) -> Check:
    # An item that says nothing of itself is what the list is said to be of.
    items = {"description": schema.get("description", "")} | schema["items"]
    leaf, item = _leaf(items), compile_schema(items)
    bounds = _length(schema, "minItems", "maxItems", "items")
    kind = schema.get("x-kubernetes-list-type", "atomic")
    keys = schema.get("x-kubernetes-list-map-keys", ())

    def check(value: Any, path: Path, found: list[Finding]) -> None:
        if not isinstance(value, list):
            found.append((path, f"must be a list, not {_short(value)}"))
            return
        for bound in bounds:
            message = bound(value)
            if message:
                found.append((path, message))
        for index, entry in enumerate(value):
            if leaf is None:
                item(entry, (*path, index), found)
            elif refused := leaf(entry):
                found += [((*path, index), message) for message in refused]
        if kind != "atomic" and len(value) > 1:
            _distinct(value, keys, path, found)

    return check


def _distinct(items: list[Any], keys: Sequence[str], path: Path, found: list[Finding]) -> None:
    seen: list[Any] = []
    for index, item in enumerate(items):
        identity = [item.get(key) for key in keys] if keys and isinstance(item, dict) else item
        if identity in seen:
            named = ", ".join(map(str, identity)) if keys and isinstance(identity, list) else identity
            found.append(((*path, index), f"stands twice in the list: {named}; keep one"))
        seen.append(identity)


def _object(schema: Raw) -> Check:
    properties: Raw = schema.get("properties", {})
    fields = {name: compile_schema(child) for name, child in properties.items()}
    leaves = {name: leaf for name, child in properties.items() if (leaf := _leaf(child))}
    about = {"description": schema.get("description", "")}
    further = compile_schema(about | schema["additionalProperties"]) if "additionalProperties" in schema else None
    required = tuple(schema.get("required", ()))
    most = schema.get("maxProperties")

    def check(value: Any, path: Path, found: list[Finding]) -> None:
        if not isinstance(value, dict):
            found.append((path, f"must be a mapping, not {_short(value)}"))
            return
        for name, item in value.items():
            if item is None:
                continue
            leaf = leaves.get(name)
            if leaf is not None:
                if refused := leaf(item):
                    found += [((*path, name), message) for message in refused]
                continue
            field = fields.get(name, further)
            if field is not None:
                field(item, (*path, name), found)
            else:
                found.append(((*path, name), _unknown(name, fields)))
        for name in required:
            if value.get(name) is None:
                about = properties[name].get("description", "")
                found.append(((*path, name), "is missing" + (f": {about}" if about else "")))
        if most is not None and sum(item is not None for item in value.values()) > most:
            found.append((path, f"must have at most {most} keys, not {len(value)}"))

    return check


def _unknown(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(known)}"
    return f"is not a field; {hint}"


def _not_text(value: Any) -> str:
    if isinstance(value, (int, float)):
        written = str(value).lower() if isinstance(value, bool) else str(value)
        return f'must be a string; put it in quotes, as in "{written}"'
    return f"must be a string, not {_short(value)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


_LEAVES: Final[Mapping[str, Callable[[Raw], Leaf]]] = {
    "string": _text,
    "integer": _whole,
    "boolean": _flag,
    "": _number_or_text,
}
_CONTAINERS: Final[Mapping[str, Callable[[Raw], Check]]] = {"array": _list, "object": _object}
