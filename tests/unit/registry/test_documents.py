from __future__ import annotations

import pytest

from mlgitops.errors import InvalidError
from mlgitops.registry import documents


def refusal(data: bytes | str) -> str:
    with pytest.raises(InvalidError) as caught:
        documents.read("a.yaml", data.encode() if isinstance(data, str) else data)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.9", 0.9),
        ("1e3", 1000),
        ("2.0", 2),
        ("1_0.5", 10.5),
        ("08", 8),
        ("010", 8),
        ("0x1F", 31),
        ("-5", -5),
        ("0", 0),
        ("0_", 0),
        ("0o17", 15),
        ("0b_1", 1),
        ("0x_", "0x_"),
        ("0b_", "0b_"),
        ("-0o_", "-0o_"),
        ("1_000", 1000),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("2026-12-01", "2026-12-01"),
        ("1:30", "1:30"),
        ("'3'", "3"),
        ('"yes"', "yes"),
        ("3.11.1", "3.11.1"),
        ("- ", [None]),
        ("|\n  yes\n", "yes\n"),
    ],
)
def test_a_scalar_means_what_it_means_to_kubectl(text: str, value: object) -> None:
    assert documents.read("a.yaml", f"a: {text}".encode() if text != "- " else b"a:\n- ").raw == {"a": value}


def test_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    assert documents.read("a.yaml", b"\xef\xbb\xbfa: 1\r\nb: x\r\n").raw == {"a": 1, "b": "x"}


def test_aliases_stand_for_their_anchor() -> None:
    assert documents.read("a.yaml", b"a: &x [1]\nb: *x\n").raw == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "a.yaml:4: b.c stands twice, first in line 3; keep one"),
        ("a: 1\n---\nb: 1\n", "a.yaml:2 holds more than one document; write one object a file"),
        ("", "a.yaml:1 is empty; write one object, or delete the file"),
        ("# nothing\n", "a.yaml:1 is empty; write one object, or delete the file"),
        ("- a\n", "a.yaml:1 must hold one object as a mapping with apiVersion, kind, metadata and spec"),
        (b"a: ok\nb: \xff\n", "a.yaml:2 is not UTF-8; save it in that encoding"),
        ("a: ok\n".encode("utf-16"), "a.yaml:1 is not UTF-8; save it in that encoding"),
        ("a:\n\tb: 1\n", "a.yaml:2 is not YAML: a tab where only spaces may indent"),
        ("a: x\nb: \x07\n", "a.yaml:2 holds a control character, which YAML does not allow; delete it"),
        (
            "a: !!python/object/apply:os.system [id]\n",
            "a.yaml:1: a has the tag tag:yaml.org,2002:python/object/apply:os.system; write the plain value",
        ),
        ("a: &x {b: *x}\n", "a.yaml:1: a.b alias *x has no finished anchor before it"),
        ("b: {x: 1}\n<<: {c: 1}\n", "a.yaml:2 has a merge key <<; write the fields out"),
        ("a: .inf\n", "a.yaml:1: a .inf is no number that JSON can hold"),
        ("a: 1e999\n", "a.yaml:1: a 1e999 is no number that JSON can hold"),
        (f"a: {'9' * 5000}\n", f"a.yaml:1: a {'9' * 60}… is no number that JSON can hold"),
        ("1: x\n", 'a.yaml:1 has the key 1, which is no text; write "1"'),
        ("? [a]\n: 1\n", "a.yaml:1 has a key that is no text; write a plain word"),
        ("a: " + "[" * 100_000, "a.yaml:1 is nested more than 64 levels deep"),
        ("x" * (2 << 20), "a.yaml is larger than the 1048576 bytes that an object may have"),
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused_with_place_and_cure(data: bytes | str, expected: str) -> None:
    assert refusal(data) == expected


def test_truncated_yaml_names_the_line_where_it_breaks() -> None:
    assert refusal("spec:\n  a: [1, 2\n").startswith("a.yaml:3 is not YAML: did not find expected ',' or ']'")


def test_a_bomb_of_aliases_is_refused_before_it_unfolds() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert "has more than 50000 values" in refusal("\n".join(lines))


def test_a_field_is_found_by_its_line_and_a_missing_one_by_its_parent() -> None:
    document = documents.read("a.yaml", b"spec:\n  steps:\n  - weight: 1\n  - weight: 2\n")
    assert document.line(("spec", "steps", 1, "weight")) == 4
    assert document.line(("spec", "steps", 1, "pause")) == 4
    assert document.line(("spec", "other")) == 1
    assert document.line(()) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "steps", 2, "weight"), "spec.steps[2].weight"),
        (("metadata", "labels", "a.b/c"), 'metadata.labels["a.b/c"]'),
        ((), ""),
    ],
)
def test_a_path_is_written_with_dots(path: documents.Path, text: str) -> None:
    assert documents.dotted(path) == text
