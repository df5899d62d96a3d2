"""An image stands for a command by an explicit table, and nothing outside it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlgitops.errors import InputError, NotFoundError
from mlgitops.local.node.programs import ImageTable


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "images.json"
    entry = {"python": "/opt/one/bin/python", "env": {"DEPTH": 3}, "entrypoint": ["python", "-m", "app"]}
    path.write_text(json.dumps({"example.com/app:1": entry, "example.com/bare:2": {"python": "/opt/two/bin/python"}}))
    return path


def test_an_image_of_the_table_is_found_with_all_that_it_says(table: Path) -> None:
    program = ImageTable.load(table).find("example.com/app:1")
    assert program.python == Path("/opt/one/bin/python")
    assert program.variables == {"DEPTH": "3"}
    assert program.entrypoint == ("python", "-m", "app")


def test_an_unknown_image_is_refused_with_the_table_and_what_it_holds(table: Path) -> None:
    with pytest.raises(NotFoundError) as refusal:
        ImageTable.load(table).find("example.com/app:2")
    for part in ("example.com/app:2", str(table), "example.com/app:1, example.com/bare:2"):
        assert part in str(refusal.value)


@pytest.mark.parametrize("image", ["", "two words", "-x", "app@sha256:12"])
def test_what_no_image_can_be_called_is_told_apart_from_an_unknown_one(table: Path, image: str) -> None:
    with pytest.raises(InputError, match="is no name of an image") as refusal:
        ImageTable.load(table).find(image)
    assert not isinstance(refusal.value, NotFoundError)


@pytest.mark.parametrize("text", ["[]", "{", '{"x": {}}', '{"x": []}'])
def test_a_broken_table_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "images.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"images\.json is not a table of images"):
        ImageTable.load(path)
