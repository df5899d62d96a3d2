from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from mlgitops import api
from mlgitops.cli.main import VERBS


def test_the_committed_reference_is_what_would_be_generated(reference: ModuleType) -> None:
    made = reference.pages()
    there = {path.relative_to(reference.FOLDER).as_posix(): path for path in reference.FOLDER.rglob("*.md")}
    assert sorted(there) == sorted(made), "run: make generate"
    stale = [name for name, text in made.items() if there[name].read_text("utf-8") != text]
    assert not stale, "run: make generate"


def test_every_verb_and_every_kind_has_its_place(reference: ModuleType) -> None:
    made = reference.pages()
    for verb in VERBS:
        assert f"\n## mlgitops {verb}" in made["cli.md"]
    for crd in api.crds():
        kind = crd["spec"]["names"]["kind"]
        assert f"crds/{kind.lower()}.md" in made["crds.md"]
        assert made[f"crds/{kind.lower()}.md"].splitlines()[2] == f"# {kind}"


def _leaves(schema: dict[str, Any], path: str) -> list[str]:
    inner, suffix = (schema["items"], "[]") if schema.get("type") == "array" else (schema, "")
    found = inner.get("properties", {})
    return [path, *(leaf for name, child in found.items() for leaf in _leaves(child, f"{path}{suffix}.{name}"))]


@pytest.mark.parametrize("kind", [crd["spec"]["names"]["kind"] for crd in api.crds()])
def test_every_field_of_a_kind_has_a_row_with_a_meaning(reference: ModuleType, kind: str) -> None:
    rows = dict(
        line.split("` ", 1) if "` **" in line else line.split("`", 2)[1:]
        for line in reference.pages()[f"crds/{kind.lower()}.md"].splitlines()
        if line.startswith("| `")
    )
    rows = {name.removeprefix("| `"): rest for name, rest in rows.items()}
    for part in ("spec", "status"):
        schema = api.schema(kind)["properties"].get(part)
        for path in _leaves(schema, part)[1:] if schema else ():
            assert path in rows
            assert rows[path].rstrip(" |").split("|")[-1].strip(), f"{path} of {kind} says nothing"


def test_an_option_that_must_be_given_says_so(reference: ModuleType) -> None:
    page = reference.pages()["cli.md"]
    assert "| `--reason REASON` **required** |" in page
    assert "| `--lift-hold` |" in page
