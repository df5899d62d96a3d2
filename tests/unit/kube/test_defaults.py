"""What the API server adds to our own kinds is no difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mlgitops import api
from mlgitops.kube import fields


def defaults(schema: Mapping[str, Any], *, whole: bool) -> Iterator[tuple[str, Any]]:
    """Yield the defaults of fields that lie in a list which one manager owns as a whole."""
    for name, child in schema.get("properties", {}).items():
        if whole and "default" in child:
            yield name, child["default"]
        yield from defaults(child, whole=whole)
    if isinstance(items := schema.get("items"), Mapping):
        yield from defaults(items, whole=whole or schema.get("x-kubernetes-list-type", "atomic") == "atomic")


@pytest.mark.parametrize("kind", api.KINDS)
def test_every_default_in_a_list_that_is_owned_as_a_whole_is_known(kind: str) -> None:
    schema = api.schema(kind)["properties"]["spec"]
    assert [found for found in defaults(schema, whole=False) if found not in fields.DEFAULTS] == []
