"""Strategies for objects of our kinds, made from their schemas."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import strategies as st

from mlgitops import api
from mlgitops.registry import schema


@functools.cache
def _patterns(pattern: str, most: int) -> st.SearchStrategy[str]:
    return st.from_regex(pattern.removesuffix("$") + r"\Z").filter(lambda text: len(text) <= most)


def made(node: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for values whose structure a schema takes."""
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if node.get("format") == "date-time":
        return st.just("2026-12-01T00:00:00Z")
    match node.get("type"):
        case "string" if "pattern" in node:
            return _patterns(node["pattern"], node.get("maxLength", 100))
        case "string":
            letters = st.characters(min_codepoint=32, max_codepoint=126)
            return st.text(letters, min_size=node.get("minLength", 0), max_size=min(8, node.get("maxLength", 8)))
        case "integer":
            return st.integers(node.get("minimum", -(1 << 31)), node.get("maximum", (1 << 31) - 1))
        case "boolean":
            return st.booleans()
        case "array":
            keys = node.get("x-kubernetes-list-map-keys", ())
            kind = node.get("x-kubernetes-list-type")
            unique = (lambda item: tuple(item.get(key) for key in keys)) if kind == "map" else repr
            least, most = node.get("minItems", 0), min(node["maxItems"], 2)
            return st.lists(made(node["items"]), min_size=least, max_size=most, unique_by=unique)
        case "object" if "additionalProperties" in node:
            return st.dictionaries(st.sampled_from(["a", "b.c/d"]), made(node["additionalProperties"]), max_size=2)
        case "object":
            fields = {name: made(child) for name, child in node.get("properties", {}).items()}
            needed = {name: fields.pop(name) for name in node.get("required", ())}
            return st.fixed_dictionaries(needed, optional=fields)
        case _:
            return st.integers(0, 9)


def objects(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for objects of a kind whose structure is right; rules may refuse them."""
    properties = schema.strict(kind)["properties"]
    return st.fixed_dictionaries(
        {
            "apiVersion": st.just(api.API_VERSION),
            "kind": st.just(kind),
            "metadata": st.fixed_dictionaries({"name": st.sampled_from(["a", "a.1", "b-c"])}),
            "spec": made(properties["spec"]),
        }
    )
