from __future__ import annotations

import pytest

from mlgitops.api import names
from mlgitops.errors import InputError


@pytest.mark.parametrize("text", ["a", "iris", "iris-2", "a" * 40])
def test_a_name_is_lower_case_letters_digits_and_dashes(text: str) -> None:
    assert names.is_name(text)


@pytest.mark.parametrize("text", ["", "Iris", "2iris", "iris-", "iris.v", "a" * 41, "iris\n", "ï"])
def test_anything_else_is_no_name(text: str) -> None:
    assert not names.is_name(text)


@pytest.mark.parametrize(
    ("text", "valid"), [("1", True), ("999999999", True), ("0", False), ("01", False), ("1\n", False)]
)
def test_a_version_is_a_whole_number_from_one(text: str, valid: bool) -> None:
    assert names.is_version(text) is valid


def test_the_name_of_a_version_comes_apart_again() -> None:
    assert names.split(names.model_version("iris", 3)) == ("iris", "3")


@pytest.mark.parametrize("text", ["iris", "iris.", ".3"])
def test_a_name_without_two_parts_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not <model>"):
        names.split(text)
