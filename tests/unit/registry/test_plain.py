"""What the quick reader takes; that it never differs from the careful one is a property test's."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlgitops import api
from mlgitops.registry import canonical, documents, plain

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "repo-layout" / "registry").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_our_tools_write_is_read_quickly(path: Path) -> None:
    raw = documents.read(path.name, path.read_bytes()).raw
    written = canonical.write(api.parse(raw)).decode()
    assert plain.read(written) == documents.read("a.yaml", written.encode()).raw


def test_a_list_may_stand_as_deep_as_its_key_and_comments_anywhere() -> None:
    text = "---\n# said\na:\n- b: 1\n\n  c: [x, -1]\n  # said\n- d\ne:\n  - f:\n      g: 'h'\n"
    assert plain.read(text) == {"a": [{"b": 1, "c": ["x", -1]}, "d"], "e": [{"f": {"g": "h"}}]}


def test_documents_share_nothing_though_their_lines_are_remembered() -> None:
    one, other = plain.read("shape: [1, 2]"), plain.read("shape: [1, 2]")
    assert one is not None
    assert other is not None
    one["shape"].append(3)
    assert other == {"shape": [1, 2]}


@pytest.mark.parametrize(
    "text", ["a: |\n  x\n", "a: 1 # said\n", "a: &x 1\n", "a: 1\na: 2\n", "- a\n", "a\n", "", "a: [.inf]\n", "y: 1\n"]
)
def test_the_rest_is_left_to_the_careful_reader(text: str) -> None:
    assert plain.read(text) is None
