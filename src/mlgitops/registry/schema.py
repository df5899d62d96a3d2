"""One object against its CRD, with the API server's verdict and words for people.

The CRDs are read as they are published: structure and bounds first, then the CEL rules,
which see defaults filled in, as the API server's do. A field that the schema does not name
is an error here, as it is for ``kubectl apply``, which validates strictly.
"""

from __future__ import annotations

import difflib
import functools
from typing import Any, Final

from mlgitops import api
from mlgitops.registry import cel
from mlgitops.registry.structure import Check, Finding, Raw, compile_schema

_LABELS: Final = {"type": "string", "maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"}
# A DNS subdomain, RFC 1123.
_NAME: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
# What a person or a tool may write; the API server fills in the rest.
_METADATA: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 253, "pattern": _NAME},
        "namespace": {"type": "string", "maxLength": 63},
        "labels": {"type": "object", "additionalProperties": _LABELS},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def findings(raw: Raw) -> list[Finding]:
    """Return everything that the API server would refuse in an object, each with its path."""
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in api.KINDS:
        return [(("kind",), _unknown_kind(kind))]
    if raw.get("apiVersion") != api.API_VERSION:
        return [(("apiVersion",), f"must be {api.API_VERSION}, not {raw.get('apiVersion')!r}")]
    structure, rules = _checks(kind)
    found: list[Finding] = []
    structure(raw, (), found)
    # Rules may count on types, so the API server too asks them only about sound objects.
    if not found and rules is not None:
        rules(raw, (), found)
    return found


def transitions(old: Raw, new: Raw) -> list[Finding]:
    """Return what the API server would refuse in the change of a sound object into another of its kind."""
    return cel.transitions(strict(str(new["kind"])), old, new)


@functools.cache
def strict(kind: str) -> dict[str, Any]:
    """Return a kind's schema with the part of metadata that people write."""
    schema = api.schema(kind)
    return {
        **schema,
        "properties": {**schema["properties"], "metadata": _METADATA},
        "required": ["metadata", *schema.get("required", ())],
    }


@functools.cache
def _checks(kind: str) -> tuple[Check, Check | None]:
    schema = strict(kind)
    return compile_schema(schema), cel.compile_rules(schema)


def _unknown_kind(kind: Any) -> str:
    if kind is None:
        return f"is missing; expected one of {', '.join(api.KINDS)}"
    if kind == "List":
        return "'List' is none of ours; write each of its items into a file of its own"
    near = difflib.get_close_matches(str(kind), api.KINDS, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"expected one of {', '.join(api.KINDS)}"
    return f"{kind!r} is none of ours; {hint}"
