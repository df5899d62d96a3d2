"""The CRDs' CEL rules, run offline as the API server runs them.

A rule about creation sees ``self`` with defaults filled in; a transition rule also sees
``oldSelf``. A rule that cannot be evaluated refuses, as it does in the API server.
"""

from __future__ import annotations

import copy
import functools
import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, Final

from mlgitops.registry.documents import Path
from mlgitops.registry.structure import Check, Finding

Raw = Mapping[str, Any]

# Where a rule says "self", and the fields that it goes through from there; a call ends the chain.
_SELF: Final = re.compile(r"(?<![\w.'])self\b((?:\.[A-Za-z_]\w*(?![\w(]))*)")
# What an expression raises that cannot be evaluated.
_UNDECIDED: Final = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


def compile_rules(schema: Raw) -> Check | None:
    """Return the check of a schema's rules about creation, None when there are none in it."""
    own = [_rule(rule, schema) for rule in schema.get("x-kubernetes-validations", ()) if "oldSelf" not in rule["rule"]]
    fields = {name: rules for name, child in schema.get("properties", {}).items() if (rules := compile_rules(child))}
    defaults = {name: schema["properties"][name].get("default") for name in fields}
    below = schema.get("items") or schema.get("additionalProperties")
    each = compile_rules(below) if isinstance(below, Mapping) else None
    if not (own or fields or each):
        return None

    def check(value: Any, path: Path, found: list[Finding]) -> None:
        for rule in own:
            rule(value, path, found)
        for name, rules in fields.items():
            item = value.get(name)
            if item is None:
                item = defaults[name]
            if item is not None:
                rules(item, (*path, name), found)
        if each is not None:
            places = enumerate(value) if isinstance(value, list) else value.items()
            for place, item in places:
                if item is not None and place not in fields:
                    each(item, (*path, place), found)

    return check


def transitions(schema: Raw, old: Any, new: Any) -> list[Finding]:
    """Return what a schema's transition rules refuse in the change of one sound value into another."""
    return list(_changes(schema, _unordered(schema, filled(schema, old)), _unordered(schema, filled(schema, new)), ()))


def filled(schema: Raw, value: Any) -> Any:
    """Return a value as the API server's rules see it: without nulls, with defaults."""
    if isinstance(value, dict):
        said = {key: item for key, item in value.items() if item is not None}
        for key, child in schema.get("properties", {}).items():
            if key not in said and "default" in child:
                said[key] = copy.deepcopy(child["default"])
        return {key: filled(_at(schema, key), item) for key, item in said.items()}
    if isinstance(value, list):
        return [filled(schema.get("items", {}), item) for item in value]
    return value


def _unordered(schema: Raw, value: Any) -> Any:
    """Return a value with its sets and keyed lists sorted: for the API server's rules their order is no difference."""
    if isinstance(value, dict):
        return {key: _unordered(_at(schema, key), item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    items = [_unordered(schema.get("items", {}), item) for item in value]
    if schema.get("x-kubernetes-list-type", "atomic") == "atomic":
        return items
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _rule(rule: Raw, schema: Raw) -> Check:
    text = rule["rule"]
    chains = _chains(text)
    # Values that are there can be handed over one by one, which takes a quarter of the time of nested ones.
    apart, fields = _apart(text, chains) if chains and "has(" not in text else ("", {})

    def check(value: Any, path: Path, found: list[Finding]) -> None:
        if apart:
            parts = {name: _field(schema, value, chain) for name, chain in fields.items()}
            holds = None not in parts.values() and _holds(apart, parts)
        else:
            holds = False
        if not holds and not _holds(text, {"self": _part(schema, value, chains)}):
            within, message = _placed(schema, _said(rule, {"self": filled(schema, value)}))
            found.append(((*path, *within), message))

    return check


def _said(rule: Raw, variables: dict[str, Any]) -> str:
    """Return the message of a rule that refuses; as in the API server, one that is computed comes first."""
    if "messageExpression" in rule:
        try:
            return str(_program(rule["messageExpression"]).execute(variables))
        except _UNDECIDED:
            pass
    return str(rule["message"])


def _placed(schema: Raw, message: str) -> Finding:
    """Return a message with the field that it begins with as its place.

    A rule about a field stands at the object around it, where the API server reports it; people look at the field.
    """
    subject, _, said = message.partition(" ")
    path = tuple(subject.split("."))
    for name in path:
        fields = schema.get("properties", {})
        if name not in fields:
            return (), message
        schema = fields[name]
    return path, said


def _apart(rule: str, chains: tuple[Path, ...]) -> tuple[str, dict[str, Path]]:
    """Return a rule with a name for each field that it names, and the fields by those names."""
    names = {chain: f"field_{number}" for number, chain in enumerate(dict.fromkeys(chains))}
    text = _SELF.sub(lambda found: names[tuple(found[1].split(".")[1:])], rule)
    return text, {name: chain for chain, name in names.items()}


def _field(schema: Raw, value: Any, chain: Path) -> Any:
    """Return a field of a value as ``filled``, None when it is not there."""
    for name in chain:
        schema = _at(schema, str(name))
        value = value.get(name)
        if value is None:
            value = schema.get("default")
        if value is None:
            return None
    return value if isinstance(value, str) else filled(schema, value)


def _chains(rule: str) -> tuple[Path, ...]:
    """Return the fields that a rule names; empty when it looks at the whole value."""
    chains = tuple(tuple(chain.split(".")[1:]) for chain in _SELF.findall(rule))
    return chains if chains and all(chains) else ()


def _part(schema: Raw, value: Any, chains: tuple[Path, ...]) -> Any:
    """Return a value as ``filled``, with only what a rule names: handing over all costs more than the rule."""
    if not chains or not isinstance(value, dict):
        return filled(schema, value)
    kept: dict[str, Any] = {}
    for name, further in _branches(chains):
        child = _at(schema, name)
        item = value.get(name)
        if item is None:
            item = child.get("default")
        if item is not None:
            kept[name] = _part(child, item, further)
    return kept


@functools.cache
def _branches(chains: tuple[Path, ...]) -> tuple[tuple[str, tuple[Path, ...]], ...]:
    """Return the first fields of chains, each with what is named below it; nothing when all of it is."""
    below: dict[str, list[Path]] = {}
    for chain in chains:
        below.setdefault(str(chain[0]), []).append(chain[1:])
    return tuple((name, tuple(further) if all(further) else ()) for name, further in below.items())


def _changes(schema: Raw, old: Any, new: Any, path: Path) -> Iterator[Finding]:
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" in rule["rule"] and not _holds(rule["rule"], {"self": new, "oldSelf": old}):
            within, message = _placed(schema, _said(rule, {"self": new, "oldSelf": old}))
            yield (*path, *within), message
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        for key in new:
            if key in old:
                yield from _changes(_at(schema, key), old[key], new[key], (*path, key))


def _at(schema: Raw, key: str) -> Raw:
    """Return the schema of one key of an object."""
    further = schema.get("additionalProperties")
    return schema.get("properties", {}).get(key) or (further if isinstance(further, dict) else {})


def _holds(rule: str, variables: dict[str, Any]) -> bool:
    try:
        return _program(rule).execute(variables) is True
    except _UNDECIDED:
        return False


@functools.cache
def _program(rule: str) -> Any:
    return _extension().compile(rule)


@functools.cache
def _extension() -> ModuleType:
    """Return the compiled part of the package cel.

    The package's ``__init__`` also imports a whole command line (prompt-toolkit, rich),
    which takes longer than to judge a thousand objects.
    """
    package, name = importlib.util.find_spec("cel"), "cel.cel"
    spec = PathFinder.find_spec(name, package.submodule_search_locations) if package else None
    if name in sys.modules or spec is None or spec.loader is None:
        return importlib.import_module("cel")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
