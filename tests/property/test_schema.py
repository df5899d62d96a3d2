"""Objects made from the schemas: taken by the validator, kept by our writer, and one unknown field is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlgitops import api, registry
from mlgitops.registry import documents, schema
from mlgitops.registry.structure import Finding, compile_schema
from worlds.objects import objects

pytestmark = pytest.mark.slow

FEW = settings(max_examples=20, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("kind", sorted(api.KINDS))
@FEW
@given(data=st.data())
def test_what_the_schema_describes_the_validator_takes_and_our_writer_keeps(kind: str, data: st.DataObject) -> None:
    raw = data.draw(objects(kind))
    found: list[Finding] = []
    compile_schema(schema.strict(kind))(raw, (), found)
    assert found == []
    written = registry.write(api.parse(raw))
    again = documents.read("a.yaml", written).raw
    assert registry.write(api.parse(again)) == written
    assert api.parse(again) == api.parse(raw)
    # A default that was written out may be left out, so the verdict is the same.
    assert schema.findings(again) == schema.findings(raw)


@pytest.mark.parametrize("kind", sorted(api.KINDS))
@FEW
@given(data=st.data())
def test_one_unknown_field_anywhere_is_found_where_it_is(kind: str, data: st.DataObject) -> None:
    raw = data.draw(objects(kind))
    places = list(_mappings(raw["spec"], ("spec",), schema.strict(kind)["properties"]["spec"]))
    path, mapping = data.draw(st.sampled_from(places))
    mapping["unheardOf"] = 1
    assert (*path, "unheardOf") in [where for where, _ in schema.findings(raw)]


def _mappings(value: Any, path: documents.Path, node: dict[str, Any]) -> Any:
    if isinstance(value, dict) and "properties" in node:
        yield path, value
        for key, item in value.items():
            yield from _mappings(item, (*path, key), node["properties"][key])
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mappings(item, (*path, index), node["items"])
