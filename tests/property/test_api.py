"""For any value: what is written is read back as the same value, by codec, writer and editor."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlgitops import api, registry
from mlgitops.api import Metadata, Resource, addresses, conditions
from mlgitops.api.model import Hold
from mlgitops.registry import documents

# What YAML cannot hold as text is no text of an object: surrogates and control characters.
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff\u2028\u2029"),
    min_size=1,
    max_size=12,
)
# The objects are large; what can go wrong with one text shows in few of them.
FEW = settings(max_examples=15)


@functools.cache
def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of a type hint as the kinds use them."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Metadata:
        return st.builds(Metadata, TEXT, labels=st.dictionaries(TEXT, TEXT, max_size=2))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        fields = {field.name: values(hints[field.name]) for field in dataclasses.fields(hint)}
        return st.builds(hint, **fields)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*(st.none() if argument is type(None) else values(argument) for argument in arguments))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return st.dictionaries(TEXT, values(arguments[1]), max_size=2)
    return {str: TEXT, int: st.integers(-(2**40), 2**40), bool: st.booleans()}[hint]


@pytest.mark.parametrize("kind", sorted(api.KINDS))
@FEW
@given(data=st.data())
def test_any_object_survives_dump_and_parse(kind: str, data: st.DataObject) -> None:
    resource = data.draw(values(api.KINDS[kind].resource))
    assert api.parse(api.dump(resource)) == resource


@pytest.mark.parametrize("kind", sorted(api.KINDS))
@FEW
@given(data=st.data())
def test_any_object_survives_the_way_through_git(kind: str, data: st.DataObject) -> None:
    resource: Resource = data.draw(values(api.KINDS[kind].resource))
    written = registry.write(resource)
    read = api.parse(documents.read("a.yaml", written).raw)
    assert (read.metadata, read.spec) == (resource.metadata, resource.spec)
    assert registry.write(read) == written


@given(reason=TEXT, version=st.integers(1, 999_999_999).map(str), comment=TEXT)
def test_a_promotion_changes_one_line_whatever_else_is_there(reason: str, version: str, comment: str) -> None:
    before = (
        f"# {comment}\nkind: ModelStage\nspec:\n  hold: {{reason: {json.dumps(reason, ensure_ascii=False)}}}\n"
        f'  version: "0"  # {comment}\n  stage: production # {comment}\n'
    ).encode()
    after = registry.edit.set_version(before, version)
    old, new = before.split(b"\n"), after.split(b"\n")
    assert [index for index, line in enumerate(new) if line != old[index]] == [4]
    assert len(old) == len(new)
    assert documents.read("a.yaml", after).raw["spec"]["version"] == version


@given(reason=st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_any_reason_of_a_hold_is_only_a_reason(reason: str) -> None:
    stage = b'kind: ModelStage\nspec:\n  version: "3"\n'
    after = yaml.safe_load(registry.edit.set_hold(stage, Hold(reason)))
    assert after == {"kind": "ModelStage", "spec": {"version": "3", "hold": {"reason": reason}}}


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_problem(data: bytes) -> None:
    tree = registry.read_files({"registry/policies/a.yaml": data})
    assert len(tree.entries) + len(tree.problems) >= 1
    registry.validate(tree)


@given(text=st.text(max_size=30))
def test_an_address_that_is_read_prints_as_something_that_reads_the_same(text: str) -> None:
    try:
        address = addresses.parse(text)
    except addresses.InputError:
        return
    assert addresses.parse(str(address)) == address


@given(
    st.lists(st.tuples(st.sampled_from(["Ready", "Stalled", "Available"]), st.booleans(), TEXT), max_size=6),
)
def test_conditions_have_one_of_a_type_and_times_that_follow_their_status(steps: list[tuple[str, bool, str]]) -> None:
    held: conditions.Conditions = ()
    changed: dict[str, tuple[bool, str]] = {}
    for number, (kind, status, reason) in enumerate(steps):
        held = conditions.put(held, conditions.make(kind, status, reason), now := f"t{number}")
        if kind not in changed or changed[kind][0] != status:
            changed[kind] = (status, now)
    assert {one.type: (one.status == "True", one.last_transition_time) for one in held} == changed
