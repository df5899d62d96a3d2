"""How a schema and its rules are compiled: nothing in a CRD is ever passed over in silence."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mlgitops.errors import InputError
from mlgitops.registry import cel
from mlgitops.registry.structure import Finding, compile_schema

OBJECT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": "integer", "default": 3},
        "box": {"type": "object", "default": {}, "properties": {"open": {"type": "boolean", "default": True}}},
    },
}


def findings(rule: str, value: dict[str, Any]) -> list[Finding]:
    check = cel.compile_rules({**OBJECT, "x-kubernetes-validations": [{"rule": rule, "message": "no"}]})
    assert check is not None
    found: list[Finding] = []
    check(value, (), found)
    return found


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "not": {"enum": ["a"]}},
        {"type": "number"},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}},
        {"type": "integer", "multipleOf": 2},
    ],
)
def test_a_keyword_that_nobody_checks_is_refused_when_the_schema_is_compiled(schema: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="teach structure"):
        compile_schema(schema)


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        ("self.size == 3", {}, True),
        ("self.size == 3", {"size": None}, True),
        ("self.size == 3", {"size": 4, "name": "x"}, False),
        ("self.box.open", {}, True),
        ("self.box.open", {"box": {"open": False}}, False),
        ("has(self.name) || self.size < 9", {}, True),
        ("has(self.name)", {"name": None}, False),
        ("self.name.startsWith('a') && self.name.size() == 2", {"name": "ab"}, True),
        ("self == {'name': 'a', 'size': 3, 'box': {'open': true}}", {"name": "a"}, True),
        ("['a'].exists(self_name, self_name == self.name)", {"name": "a"}, True),
        # What cannot be evaluated refuses.
        ("self.name == 'x'", {}, False),
    ],
)
def test_a_rule_sees_defaults_and_no_nulls_and_whatever_it_names(rule: str, value: dict[str, Any], holds: bool) -> None:
    assert (findings(rule, value) == []) is holds


@pytest.mark.parametrize(
    ("message", "place", "said"),
    [
        ("box.open must not be", ("box", "open"), "must not be"),
        ("name is too short", ("name",), "is too short"),
        ("must be a box", (), "must be a box"),
        ("box.lid must be", (), "box.lid must be"),
    ],
)
def test_a_message_that_begins_with_a_field_is_told_at_that_field(
    message: str, place: tuple[str, ...], said: str
) -> None:
    check = cel.compile_rules({**OBJECT, "x-kubernetes-validations": [{"rule": "false", "message": message}]})
    found: list[Finding] = []
    assert check is not None
    check({}, ("spec",), found)
    assert found == [(("spec", *place), said)]


@pytest.mark.parametrize(("expression", "said"), [("'got ' + self.name", "got x"), ("self.lid", "no"), ("'a' +", "no")])
def test_a_computed_message_comes_first_and_the_fixed_one_where_it_cannot_be_computed(
    expression: str, said: str
) -> None:
    rule = {"rule": "false", "message": "no", "messageExpression": expression}
    check = cel.compile_rules({**OBJECT, "x-kubernetes-validations": [rule]})
    found: list[Finding] = []
    assert check is not None
    check({"name": "x"}, (), found)
    assert found == [((), said)]


def test_the_command_line_of_the_rules_package_is_not_loaded() -> None:
    program = (
        "import sys; from mlgitops.registry import cel;"
        "assert cel._holds('1 < 2', {}) and not cel._holds('1 > 2', {});"
        "assert 'prompt_toolkit' not in sys.modules, 'loaded';"
        "import cel as package; assert package.evaluate('1 + 1') == 2"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
