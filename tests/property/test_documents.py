"""The quick reader of usual documents never differs from the careful one, whatever the text is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlgitops.errors import InvalidError
from mlgitops.registry import documents

# Pieces of which YAML is made, the troublesome ones among them.
SCALARS = ["1", "0x1f", "1e3", ".inf", "010", "yes", "null", "~", '"x"', "'y'", "é"]
MARKS = ["a: ", "b: ", "- ", "? ", ": ", "{", "}", "[", "]", ", ", "\n", "  ", "\t", "|\n", "#c\n"]
RARE = ["&n ", "*n", "<<: ", "!!str ", "---\n", "...\n", "\ufeff"]
PIECES = st.sampled_from([*SCALARS, *MARKS, *RARE])


@given(st.lists(PIECES, max_size=14).map("".join))
def test_the_quick_reader_agrees_or_leaves_it_to_the_careful_one(text: str) -> None:
    quick = documents._plainly(text)
    if quick is None:
        return
    assert repr(quick) == repr(documents._Reader("a.yaml").read(text))


@given(st.lists(PIECES, max_size=14).map("".join) | st.binary(max_size=40).map(lambda data: data.decode("latin-1")))
def test_any_text_is_an_object_or_a_problem_with_its_place(text: str) -> None:
    try:
        assert isinstance(documents.read("a.yaml", text.encode()).raw, dict)
    except InvalidError as error:
        assert all(problem.file == "a.yaml" for problem in error.problems)
