"""The gate that keeps YAML valid from release to release: what it stops, and what it lets through."""

from __future__ import annotations

import copy
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlgitops import api

TOOL = Path(__file__).parents[3] / "tools" / "compatibility.py"
_spec = importlib.util.spec_from_file_location("compatibility", TOOL)
assert _spec is not None
assert _spec.loader is not None
compatibility = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(compatibility)

OLD: dict[str, Any] = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": "string", "maxLength": 10, "pattern": "^a", "default": "a"},
        "b": {"type": "string", "enum": ["x", "y"]},
        "c": {"type": "array", "maxItems": 4, "items": {"type": "integer", "minimum": 1}},
        "d": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the schema with one keyword of one node changed, removed by None."""
    found = copy.deepcopy(OLD)
    node, keys = found, path.split("/")
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    if value is None:
        del node[keys[-1]]
    return found


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("properties/b", None, "spec.b: is gone"),
        ("required", ["a", "b"], "spec: now needs b"),
        ("properties/a/maxLength", 9, "spec.a: maxLength was 10 and is 9"),
        ("properties/a/minLength", 1, "spec.a: minLength was None and is 1"),
        ("properties/a/pattern", "^ab", "spec.a: pattern was '^a' and is '^ab'"),
        ("properties/a/default", "b", "spec.a: default was 'a' and is 'b'"),
        ("properties/a/default", None, "spec.a: default was 'a' and is None"),
        ("properties/a/enum", ["a"], "spec.a: takes only some values now"),
        ("properties/b/enum", ["x"], "spec.b: no longer takes y"),
        ("properties/c/items/minimum", 2, "spec.c[]: minimum was 1 and is 2"),
        ("properties/c/items/type", "string", "spec.c[]: type was 'integer' and is 'string'"),
        ("properties/c/x-kubernetes-list-type", "set", "spec.c: x-kubernetes-list-type was None and is 'set'"),
        ("properties/d/additionalProperties", None, "spec.d{}: is gone"),
        ("x-kubernetes-validations", [{"rule": "self.a != ''", "message": "no"}], "spec: a new rule: no"),
    ],
)
def test_a_removal_or_a_tightening_is_named(path: str, value: Any, expected: str) -> None:
    assert list(compatibility.breaks(OLD, changed(path, value), "spec")) == [expected]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/e", {"type": "string", "maxLength": 1}),
        ("required", []),
        ("properties/a/maxLength", 11),
        ("properties/a/pattern", None),
        ("properties/a/description", "Another one."),
        ("properties/b/enum", ["x", "y", "z"]),
        ("properties/c/items/minimum", 0),
    ],
)
def test_what_takes_more_breaks_nobody(path: str, value: Any) -> None:
    assert list(compatibility.breaks(OLD, changed(path, value), "spec")) == []


def test_a_kind_or_a_version_that_goes_is_named() -> None:
    now = {crd["metadata"]["name"]: crd for crd in api.crds()}
    assert list(compatibility.between(now, now)) == []
    name, crd = next(iter(now.items()))
    assert list(compatibility.between(now, {key: value for key, value in now.items() if key != name})) == [
        f"{name}: is gone"
    ]
    hidden = copy.deepcopy(crd)
    hidden["spec"]["versions"][0]["served"] = False
    (problem,) = compatibility.between(now, {**now, name: hidden})
    assert problem.endswith("is no longer served")


def test_the_crds_keep_what_the_last_release_promised() -> None:
    done = subprocess.run([sys.executable, str(TOOL)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    if "there is no tag" in done.stdout:
        pytest.skip(done.stdout.strip())
