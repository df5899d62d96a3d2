"""JSON Schemas for editors, derived from the CRDs: completion, hover texts and mistakes while typing.

They say what the structure says. CEL rules and rules between objects are for
``mlgitops validate``; an editor never refuses what that takes.
"""

from __future__ import annotations

import json
from typing import Any, Final

from mlgitops import api
from mlgitops.registry import schema
from mlgitops.registry.structure import Raw

FOLDER: Final = "schemas"
_DRAFT: Final = "http://json-schema.org/draft-07/schema#"  # what editors' YAML servers know best
# An object's status is the operator's; nobody writes it.
_NOT_WRITTEN: Final = "status"


def path(kind: str) -> str:
    """Return where a kind's schema lies in a registry repo."""
    return f"{FOLDER}/{kind.lower()}.json"


def files() -> dict[str, str]:
    """Return every kind's schema as a file, by its path."""
    return {path(kind): json.dumps(json_schema(kind), indent=1) + "\n" for kind in api.KINDS}


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of a kind as people write it."""
    strict = schema.strict(kind)
    fields = {name: child for name, child in strict["properties"].items() if name != _NOT_WRITTEN}
    body = _translated({**strict, "properties": fields})
    body["properties"] |= {
        "apiVersion": {"const": api.API_VERSION, "description": "The version of this schema."},
        "kind": {"const": kind, "description": "The kind of this object."},
    }
    return {"$schema": _DRAFT, "title": kind, **body, "required": ["apiVersion", "kind", *body["required"]]}


def _translated(node: Raw) -> dict[str, Any]:
    found = {name: value for name, value in node.items() if not name.startswith("x-kubernetes-")}
    if found.get("format") in ("int32", "int64"):
        del found["format"]
    if "properties" in found:
        found["properties"] = {name: _translated(child) for name, child in found["properties"].items()}
        found["additionalProperties"] = False
    for keyword in ("items", "additionalProperties"):
        if isinstance(found.get(keyword), dict):
            found[keyword] = _translated(found[keyword])
    if node.get("x-kubernetes-list-type") == "set":
        found["uniqueItems"] = True
    return found
