"""The quick reader of usual documents never differs from the careful one, whatever the text is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlgitops.errors import InvalidError
from mlgitops.registry import documents, plain

# Pieces of which YAML is made, the troublesome ones among them.
SCALARS = ["1", "0x1f", "0x_", "0o_", "-0b_1", "1e3", ".inf", "010", "yes", "null", "~", '"x"', "'y'", "é"]
MARKS = ["a: ", "b: ", "- ", "? ", ": ", "{", "}", "[", "]", ", ", "\n", "  ", "\t", "|\n", "#c\n"]
RARE = ["&n ", "*n", "<<: ", "!!str ", "---\n", "...\n", "\ufeff"]
PIECES = st.sampled_from([*SCALARS, *MARKS, *RARE])

# Whole lines, as a writer of blocks puts them together, rightly or not.
INDENTS = st.sampled_from(["", "", "  ", "  ", "    ", "      ", " "])
KEYS = st.sampled_from(["a:", "b:", "c:", "d.e/f:", "on:", "- a:", "- b:", "- a:", "-", "- -", "a: b:", '"q":', "1:"])
PLAIN = ["", "", "x", "a b", "a: b", "a:b", "a #b", "-1", "- x", "007", "1_0", "s3://m/x", "null", "<<", "...", "---"]
NESTED = ["[-1, 3]", "[]", "{}", '["a", b]', "[.inf]", "[a:b]", "[1,]", "{a: 1}", "[a b]", "|", "&n x", "*n", "!!str x"]
QUOTED = ['"x: y"', "'it''s'", '"a\\nb"', "'#'", '"é"', '"', "\t", "x # said", "9" * 400]
VALUES = st.sampled_from([*SCALARS, *PLAIN, *NESTED, *QUOTED])
LINES = st.builds(lambda indent, key, value: f"{indent}{key} {value}".rstrip(" "), INDENTS, KEYS, VALUES)
BLOCKS = st.lists(LINES | st.sampled_from(["", "# said", "  # said", "- x", "- 1", "  - [a]", "---"]), max_size=9)


@given((st.lists(PIECES, max_size=14).map("".join)) | BLOCKS.map("\n".join))
def test_the_quick_reader_agrees_or_leaves_it_to_the_careful_one(text: str) -> None:
    quick = plain.read(text)
    if quick is None:
        return
    assert repr(quick) == repr(documents._Reader("a.yaml").read(text))


@given(st.lists(PIECES, max_size=14).map("".join) | st.binary(max_size=40).map(lambda data: data.decode("latin-1")))
def test_any_text_is_an_object_or_a_problem_with_its_place(text: str) -> None:
    try:
        assert isinstance(documents.read("a.yaml", text.encode()).raw, dict)
    except InvalidError as error:
        assert all(problem.file == "a.yaml" for problem in error.problems)
