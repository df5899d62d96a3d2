"""The published CRDs: structural rules of our own, and that the classes say the same as they."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union

import pytest

from mlgitops import api
from mlgitops.api import codec, schemas
from mlgitops.registry.structure import compile_schema

Schema = Mapping[str, Any]
KINDS = sorted(api.KINDS)


def nodes(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(keyword), dict):
            yield from nodes(schema[keyword], path + mark)


def fields(kind: str) -> list[tuple[str, Schema]]:
    return [
        (path, schema)
        for part in ("spec", "status")
        if part in api.schema(kind)["properties"]
        for path, schema in nodes(api.schema(kind)["properties"][part], part)
    ]


def crd(kind: str) -> Schema:
    return next(found for found in api.crds() if found["spec"]["names"]["kind"] == kind)


def test_every_kind_has_a_crd_and_every_crd_a_kind() -> None:
    assert sorted(found["spec"]["names"]["kind"] for found in api.crds()) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_crd_agrees_with_the_table_of_kinds(kind: str) -> None:
    spec = crd(kind)["spec"]
    names = spec["names"]
    assert (names["plural"], spec["group"], spec["scope"]) == (api.KINDS[kind].plural, api.GROUP, "Namespaced")
    assert crd(kind)["metadata"]["name"] == f"{names['plural']}.{api.GROUP}"
    assert names["categories"] == ["mlgitops"]
    assert names["shortNames"]
    assert [version["name"] for version in spec["versions"]] == [api.VERSION]


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_reconciled_has_a_status_and_it_starts_as_unseen(kind: str) -> None:
    version = crd(kind)["spec"]["versions"][0]
    status = api.schema(kind)["properties"].get("status")
    reconciled = api.KINDS[kind].reconciled
    assert ("status" in version.get("subresources", {})) is reconciled
    assert (status is not None and status["default"] == {"observedGeneration": -1}) is reconciled


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_column_is_the_age_and_reconciled_kinds_show_ready_and_reason(kind: str) -> None:
    columns = [column["name"] for column in crd(kind)["spec"]["versions"][0]["additionalPrinterColumns"]]
    assert columns[-1] == "Age"
    assert ({"Ready", "Reason"} <= set(columns)) is api.KINDS[kind].reconciled


def test_a_deployment_can_be_scaled() -> None:
    assert crd("ModelDeployment")["spec"]["versions"][0]["subresources"]["scale"] == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind: str) -> None:
    described = [path for path, schema in fields(kind) if path.endswith(("]", "}")) or schema.get("description")]
    assert described == [path for path, _ in fields(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_default_is_told_to_the_reader(kind: str) -> None:
    silent = [
        path
        for path, schema in fields(kind)
        if "default" in schema and not isinstance(schema["default"], dict) and "Default is" not in schema["description"]
    ]
    assert silent == []


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_bounded(kind: str) -> None:
    unbounded = [
        path
        for path, schema in fields(kind)
        for bound in {
            "string": () if "enum" in schema or schema.get("format") == "date-time" else ("maxLength",),
            "array": ("maxItems", "x-kubernetes-list-type"),
            # a status' numbers are the operator's own
            "integer": ("minimum", "maximum") if path.startswith("spec") else (),
            "object": ("maxProperties",) if "additionalProperties" in schema else (),
        }.get(schema.get("type", ""), ())
        if bound not in schema
    ]
    assert unbounded == []


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_no_floats(kind: str) -> None:
    assert [path for path, schema in fields(kind) if schema.get("type") == "number"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_lists_whose_pairs_are_compared_are_short(kind: str) -> None:
    # beyond 128 items a comparison of all pairs exceeds CEL's cost budget
    immutable = kind in ("ModelVersion", "ServingRuntime")
    long = [
        path
        for path, schema in fields(kind)
        if schema.get("x-kubernetes-list-type") in ("set", "map") and schema["maxItems"] > 128 and immutable
    ]
    assert long == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_says_what_is_expected(kind: str) -> None:
    rules = [rule for _, schema in nodes(api.schema(kind), "") for rule in schema.get("x-kubernetes-validations", ())]
    assert all(rule["message"] for rule in rules)


@pytest.mark.parametrize("kind", KINDS)
def test_the_message_of_a_rule_reads_on_from_a_fields_name(kind: str) -> None:
    said = [
        (schema, rule["message"])
        for _, schema in nodes(api.schema(kind), "")
        for rule in schema.get("x-kubernetes-validations", ())
    ]
    for schema, message in said:
        first, second = message.split()[:2]
        verb = second if first in schema.get("properties", ()) or first == "metadata.name" else first
        assert verb in ("must", "may", "is", "need", "needs"), message


# Macros and functions of CEL's standard library. What Kubernetes adds to it cannot be run offline.
STANDARD = {"has", "all", "exists", "exists_one", "map", "filter", "size", "contains", "startsWith", "endsWith"}
STANDARD |= {"matches", "int", "double", "string", "bool", "type", "timestamp", "duration"}


@pytest.mark.parametrize("kind", KINDS)
def test_rules_call_standard_functions_only(kind: str) -> None:
    rules = [rule for _, schema in nodes(api.schema(kind), "") for rule in schema.get("x-kubernetes-validations", ())]
    without_texts = (re.sub(r"'[^']*'", "''", rule["rule"]) for rule in rules)
    called = {name for text in without_texts for name in re.findall(r"([A-Za-z_]\w*)\(", text)}
    assert called - STANDARD == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_keyword_of_a_schema_is_one_that_the_validator_judges(kind: str) -> None:
    compile_schema(
        api.schema(kind) | {"properties": {**api.schema(kind)["properties"], "metadata": {"type": "object"}}}
    )


def test_a_crd_stays_below_256_kilobytes() -> None:
    assert [path.name for path in schemas.folder().glob("*.yaml") if path.stat().st_size > 256 * 1024] == []


# The classes. A hint is compared with the schema of the field that it stands for.


def differences(cls: type, schema: Schema, path: str) -> Iterator[str]:
    hints, properties = typing.get_type_hints(cls), schema["properties"]
    named = {codec.camel(field.name): field for field in dataclasses.fields(cls)}
    yield from (f"{path}.{name} is in one of class and CRD only" for name in named.keys() ^ properties.keys())
    for name in named.keys() & properties.keys():
        field, child, where = named[name], properties[name], f"{path}.{name}"
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if (name in schema.get("required", ())) is has_default:
            yield f"{where}: required in one of class and CRD only"
        if "default" in child and not isinstance(child["default"], dict):
            factory = field.default_factory
            default = field.default if factory is dataclasses.MISSING else factory()
            if codec.encode(default) != child["default"]:
                yield f"{where}: default {default!r} in the class, {child['default']!r} in the CRD"
        yield from hint_differences(hints[field.name], child, where)


def hint_differences(hint: Any, schema: Schema, where: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        present = [argument for argument in arguments if argument is not type(None)]
        if schema.get("x-kubernetes-int-or-string"):
            return
        assert len(present) == 1, where
        yield from hint_differences(present[0], schema, where)
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield from differences(hint, schema, where)
    elif origin is tuple:
        yield from hint_differences(arguments[0], schema["items"], f"{where}[]")
    elif origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        yield from hint_differences(arguments[1], schema["additionalProperties"], f"{where}{{}}")
    elif origin is Literal:
        if list(arguments) != schema["enum"]:
            yield f"{where}: {arguments} in the class, {schema['enum']} in the CRD"
    elif {"string": str, "integer": int, "boolean": bool}.get(schema["type"]) is not hint:
        yield f"{where}: {hint} in the class, {schema['type']} in the CRD"


@pytest.mark.parametrize("kind", KINDS)
def test_the_classes_have_the_fields_types_choices_and_defaults_of_the_crd(kind: str) -> None:
    hints = typing.get_type_hints(api.KINDS[kind].resource)
    schema = api.schema(kind)["properties"]
    found = [
        problem
        for part in ("spec", "status")
        if part in hints or part in schema
        for problem in differences(hints[part], schema[part], part)
    ]
    assert found == []


@pytest.mark.parametrize("kind", sorted(kind for kind, row in api.KINDS.items() if row.reconciled))
def test_the_default_of_an_object_in_the_crd_is_the_default_of_its_class(kind: str) -> None:
    resource = api.KINDS[kind].resource
    status = next(field for field in dataclasses.fields(resource) if field.name == "status")
    assert status.default_factory is not dataclasses.MISSING
    assert (
        codec.decode(typing.get_type_hints(resource)["status"], {"observedGeneration": -1}) == status.default_factory()
    )
