"""One object against its CRD, with the API server's verdict and words for people.

The CRDs are read as they are published: structure and bounds by jsonschema with
Kubernetes' own keywords added, then the CEL rules, which see defaults filled in, as the
API server's do. A field that the schema does not name is an error here, as it is for
``kubectl apply``, which validates strictly.
"""

from __future__ import annotations

import copy
import difflib
import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sized
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from mlgitops import api
from mlgitops.registry.documents import Path

if TYPE_CHECKING:
    import cel

Raw = Mapping[str, Any]
Finding = tuple[Path, str]
Errors = Iterator[ValidationError]

_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
# What a person or a tool may write; the API server fills in the rest.
_METADATA: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 253},
        "namespace": {"type": "string", "maxLength": 63},
        "labels": _TEXTS,
        "annotations": _TEXTS,
    },
}
_WORDS: Final = {
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
}


def findings(raw: Raw) -> list[Finding]:
    """Return everything that the API server would refuse in an object, each with its path."""
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in api.KINDS:
        return [(("kind",), _unknown_kind(kind))]
    if raw.get("apiVersion") != api.API_VERSION:
        return [(("apiVersion",), f"must be {api.API_VERSION}, not {raw.get('apiVersion')!r}")]
    schema = _strict(kind)
    pruned = _without_nulls(schema, raw)
    found = _run(_structure(kind), pruned)
    # Rules may count on types, so the API server too asks them only about sound objects.
    return found or _run(_rules(kind), _defaulted(schema, pruned))


def transitions(old: Raw, new: Raw) -> list[Finding]:
    """Return what the API server would refuse in the change of a sound object into another of its kind."""
    schema = _strict(str(new["kind"]))
    before, after = (_defaulted(schema, _without_nulls(schema, raw)) for raw in (old, new))
    return list(_changes(schema, before, after, ()))


def _unknown_kind(kind: Any) -> str:
    near = difflib.get_close_matches(str(kind), api.KINDS, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"expected one of {', '.join(api.KINDS)}"
    return f"{kind!r} is none of ours; {hint}" if kind is not None else f"is missing; {hint}"


def _run(validator: Draft202012Validator, raw: Raw) -> list[Finding]:
    return [(tuple(error.absolute_path), error.message) for error in validator.iter_errors(raw)]


@functools.cache
def _strict(kind: str) -> dict[str, Any]:
    schema = copy.deepcopy(api.schema(kind))
    schema["properties"]["metadata"] = _METADATA
    schema["required"] = ["metadata", *schema.get("required", ())]
    _close(schema)
    return schema


def _close(schema: dict[str, Any]) -> None:
    if "properties" in schema:
        schema["additionalProperties"] = False
    for child in _children(schema):
        _close(child)


def _children(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from schema.get("properties", {}).values()
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield schema[keyword]


def _at(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the schema of one key of an object."""
    further = schema.get("additionalProperties")
    return schema.get("properties", {}).get(key) or (further if isinstance(further, dict) else {})


def _without_nulls(schema: Mapping[str, Any], value: Any) -> Any:
    """Return a value as the API server sees it: a field that is null is a field that is absent."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(_at(schema, key), item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(schema.get("items", {}), item) for item in value]
    return value


def _defaulted(schema: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, Mapping):
        named = {key: child for key, child in schema.get("properties", {}).items() if "default" in child}
        filled = {**{key: copy.deepcopy(child["default"]) for key, child in named.items()}, **value}
        return {key: _defaulted(_at(schema, key), item) for key, item in filled.items()}
    if isinstance(value, list):
        return [_defaulted(schema.get("items", {}), item) for item in value]
    return value


# Structure. Each function is a keyword of jsonschema: (validator, keyword's value, instance, schema).


def _type(validator: Any, wanted: str, instance: Any, _schema: Raw) -> Errors:
    if validator.is_type(instance, wanted):
        return
    if wanted == "string" and isinstance(instance, (int, float)):
        written = str(instance).lower() if isinstance(instance, bool) else str(instance)
        yield ValidationError(f'must be a string; put it in quotes, as in "{written}"')
    else:
        yield ValidationError(f"must be {_WORDS[wanted]}, not {_short(instance)}")


def _required(_validator: Any, names: list[str], instance: Any, schema: Raw) -> Errors:
    for name in names if isinstance(instance, Mapping) else ():
        if name not in instance:
            about = schema["properties"][name].get("description", "")
            yield ValidationError("is missing" + (f": {about}" if about else ""), path=(name,))


def _additional(validator: Any, further: Any, instance: Any, schema: Raw) -> Errors:
    if not isinstance(instance, Mapping):
        return
    known = schema.get("properties", {})
    for name in instance:
        if name in known:
            continue
        if isinstance(further, dict):
            yield from validator.descend(instance[name], further, path=name)
        else:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(known)}"
            yield ValidationError(f"is not a field; {hint}", path=(name,))


def _enum(_validator: Any, choices: list[Any], instance: Any, _schema: Raw) -> Errors:
    if instance not in choices:
        near = difflib.get_close_matches(str(instance), [str(choice) for choice in choices], n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        yield ValidationError(f"must be one of {', '.join(map(str, choices))}, not {_short(instance)}{hint}")


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Raw) -> Errors:
    # Go's "$" is the end of the text; Python's also stands before a last line feed.
    if isinstance(instance, str) and not re.search(pattern.removesuffix("$") + r"\Z", instance):
        yield ValidationError(f"must match {pattern}, which {_short(instance)} does not")


def _number(word: str, fails: Callable[[Any, Any], bool]) -> Any:
    def keyword(_validator: Any, bound: float, instance: Any, _schema: Raw) -> Errors:
        if isinstance(instance, (int, float)) and not isinstance(instance, bool) and fails(instance, bound):
            yield ValidationError(f"must be {word} {bound}, not {instance}")

    return keyword


def _size(of: type, word: str, noun: str, fails: Callable[[Any, Any], bool]) -> Any:
    def keyword(_validator: Any, bound: int, instance: Any, _schema: Raw) -> Errors:
        if isinstance(instance, of) and fails(len(cast("Sized", instance)), bound):
            yield ValidationError(f"must have {word} {bound} {noun}, not {len(cast('Sized', instance))}")

    return keyword


def _format(_validator: Any, name: str, instance: Any, _schema: Raw) -> Errors:
    if name == "date-time" and isinstance(instance, str) and not _is_time(instance):
        yield ValidationError(f"must be a time such as 2026-12-01T00:00:00Z, not {_short(instance)}")
    bits = {"int32": 31, "int64": 63}.get(name)
    if bits and isinstance(instance, int) and not -(1 << bits) <= instance < 1 << bits:
        yield ValidationError(f"must fit into {bits + 1} bits, which {_short(instance)} does not")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)  # the form is the pattern's business, the calendar is ours
    except ValueError:
        return False
    return True


def _list_type(_validator: Any, kind: str, instance: Any, schema: Raw) -> Errors:
    if not isinstance(instance, list) or kind == "atomic":
        return
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen: list[Any] = []
    for index, item in enumerate(instance):
        identity = [item.get(key) for key in keys] if kind == "map" and isinstance(item, Mapping) else item
        if identity in seen:
            named = ", ".join(map(str, identity)) if kind == "map" else identity
            yield ValidationError(f"stands twice in the list: {named}; keep one", path=(index,))
        seen.append(identity)


def _any_of(validator: Any, choices: list[Raw], instance: Any, _schema: Raw) -> Errors:
    if not any(validator.evolve(schema=choice).is_valid(instance) for choice in choices):
        words = " or ".join(_WORDS[choice["type"]] for choice in choices)
        yield ValidationError(f"must be {words}, not {_short(instance)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


_Structure = extend(
    Draft202012Validator,
    {
        "type": _type,
        "required": _required,
        "additionalProperties": _additional,
        "enum": _enum,
        "pattern": _pattern,
        "format": _format,
        "anyOf": _any_of,
        "x-kubernetes-list-type": _list_type,
        "minimum": _number("at least", operator.lt),
        "maximum": _number("at most", operator.gt),
        "minLength": _size(str, "at least", "characters", operator.lt),
        "maxLength": _size(str, "at most", "characters", operator.gt),
        "minItems": _size(list, "at least", "items", operator.lt),
        "maxItems": _size(list, "at most", "items", operator.gt),
        "maxProperties": _size(dict, "at most", "keys", operator.gt),
    },
)  # type: ignore[no-untyped-call]


# Rules.


def _rule(_validator: Any, rules: list[Raw], instance: Any, _schema: Raw) -> Errors:
    for rule in rules:
        if "oldSelf" not in rule["rule"] and not _holds(rule["rule"], {"self": instance}):
            about_name = "self.metadata.name" in rule["rule"]
            yield ValidationError(rule["message"], path=("metadata", "name") if about_name else ())


def _holds(rule: str, variables: dict[str, Any]) -> bool:
    try:
        return _program(rule).execute(variables) is True
    except (ValueError, TypeError, RuntimeError):
        # A rule that cannot be evaluated refuses, as it does in the API server.
        return False


@functools.cache
def _program(rule: str) -> cel.Program:
    # Its command-line parts come along with it: not for those who only read a tree's names.
    import cel

    return cel.compile(rule)


_Rules = extend(Draft202012Validator, {"x-kubernetes-validations": _rule})  # type: ignore[no-untyped-call]
_WALKED: Final = {"properties", "items", "additionalProperties", "x-kubernetes-validations"}


def _changes(schema: Mapping[str, Any], old: Any, new: Any, path: Path) -> Iterator[Finding]:
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" in rule["rule"] and not _holds(rule["rule"], {"self": new, "oldSelf": old}):
            yield path, rule["message"]
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        for key in new:
            if key in old:
                yield from _changes(_at(schema, key), old[key], new[key], (*path, key))


def _only_rules(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for keyword in _WALKED & schema.keys():
        value = schema[keyword]
        if keyword == "properties":
            kept[keyword] = {name: _only_rules(child) for name, child in value.items()}
        else:
            kept[keyword] = _only_rules(value) if keyword != "x-kubernetes-validations" and value else value
    return {keyword: value for keyword, value in kept.items() if value is not False}


@functools.cache
def _structure(kind: str) -> Draft202012Validator:
    return cast("Draft202012Validator", _Structure(_strict(kind)))


@functools.cache
def _rules(kind: str) -> Draft202012Validator:
    return cast("Draft202012Validator", _Rules(_only_rules(_strict(kind))))
