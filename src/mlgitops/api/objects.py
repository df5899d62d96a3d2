"""One object of ours: from Kubernetes JSON to a value, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mlgitops.api import codec
from mlgitops.api.kinds import API_VERSION, KINDS, Resource, kind_of
from mlgitops.errors import InvalidError, Problem


def parse(raw: Mapping[str, Any]) -> Resource:
    """Read one object of ours from Kubernetes JSON; fields that we do not know are ignored.

    Raises:
        InvalidError: not one of our kinds, or with every missing field and wrong type.
    """
    kind = KINDS.get(str(raw.get("kind")))
    if kind is None:
        raise InvalidError([Problem("", 0, "kind", f"must be one of {', '.join(KINDS)}, not {raw.get('kind')!r}")])
    if raw.get("apiVersion") != API_VERSION:
        raise InvalidError([Problem("", 0, "apiVersion", f"must be {API_VERSION}, not {raw.get('apiVersion')!r}")])
    return codec.decode(kind.resource, raw)


def dump(resource: Resource) -> dict[str, Any]:
    """Return a resource's Kubernetes JSON, without what equals its default."""
    body = cast("dict[str, Any]", codec.encode(resource))
    return {"apiVersion": API_VERSION, "kind": kind_of(resource), **body}
