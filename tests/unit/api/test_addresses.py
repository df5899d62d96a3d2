from __future__ import annotations

import pytest

from mlgitops.api.addresses import Address, ModelAddress, PathAddress, RunAddress, parse
from mlgitops.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("iris", ModelAddress("iris")),
        ("iris:3", ModelAddress("iris", version="3")),
        ("iris@production", ModelAddress("iris", stage="production")),
        ("runs:/01KA", RunAddress("01KA")),
        ("runs:/01KA/model", RunAddress("01KA", "model")),
        ("models:/iris", ModelAddress("iris")),
        ("models:/iris/latest", ModelAddress("iris")),
        ("models:/iris/3", ModelAddress("iris", version="3")),
        ("models:/iris/Production", ModelAddress("iris", stage="production")),
        ("models:/iris@production", ModelAddress("iris", stage="production")),
        ("./iris", PathAddress("./iris")),
        (".", PathAddress(".")),
        ("a/b:3", PathAddress("a/b:3")),
        ("/tmp/model", PathAddress("/tmp/model")),
    ],
)
def test_every_form_names_one_thing(text: str, expected: Address) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["iris:3", "iris@production", "iris", "runs:/x/y", "runs:/x", "./p"])
def test_an_address_prints_as_it_was_written(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "Iris", "iris:", "iris:x", "iris:0", "iris@", "iris@A", "runs:/", "models:/", "a:1@b"]
)
def test_what_has_no_form_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        parse(text)
