"""The editors' schemas: made from the CRDs, and of one mind with the validator about structure."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from corpus_cases import Case, cases
from mlgitops import api
from mlgitops.registry import Settings, editor, scaffold
from mlgitops.registry.schema import strict
from mlgitops.registry.structure import Finding, compile_schema

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
WRITTEN = [case for case in cases() if case.raw.get("kind") in api.KINDS and "status" not in case.raw]


def test_the_committed_schemas_are_what_would_be_generated() -> None:
    committed = {f"schemas/{path.name}": path.read_text() for path in (ROOT / "schemas").glob("*.json")}
    assert committed == editor.files(), "run: make generate"


@pytest.mark.parametrize("kind", sorted(api.KINDS))
def test_a_schema_is_one(kind: str) -> None:
    Draft7Validator.check_schema(editor.json_schema(kind))


def by_structure(case: Case) -> list[Finding]:
    found: list[Finding] = []
    compile_schema(strict(case.raw["kind"]))(case.raw, (), found)
    return found


@pytest.mark.parametrize("case", WRITTEN, ids=[case.name for case in WRITTEN])
def test_an_editor_refuses_nothing_that_the_validator_takes(case: Case) -> None:
    errors = [error.message for error in Draft7Validator(editor.json_schema(case.raw["kind"])).iter_errors(case.raw)]
    if not by_structure(case):
        assert errors == []


def test_an_editor_sees_most_mistakes_of_structure() -> None:
    # Not: lists that are maps with a key twice, and calendar days that do not exist.
    wrong = [case for case in WRITTEN if by_structure(case)]
    missed = [case.name for case in wrong if Draft7Validator(editor.json_schema(case.raw["kind"])).is_valid(case.raw)]
    assert len(missed) <= len(wrong) // 10, missed


def test_a_new_registry_names_a_schema_that_is_there_and_fits(tmp_path: Path) -> None:
    scaffold(tmp_path, Settings("u", "s3://models"))
    named = 0
    for path in (tmp_path / "registry").rglob("*.yaml"):
        first = path.read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        found = yaml.safe_load((path.parent / first.partition("=")[2]).read_text())
        assert Draft7Validator(found).is_valid(yaml.safe_load(path.read_text()))
        named += 1
    assert named == 2


def test_schemas_of_an_older_release_are_renewed_and_nothing_else(tmp_path: Path) -> None:
    scaffold(tmp_path, Settings("u", "s3://models"))
    (tmp_path / "schemas/model.json").write_text("{}")
    assert scaffold(tmp_path, Settings("u", "s3://models")) == (tmp_path / "schemas/model.json",)
