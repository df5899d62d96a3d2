from __future__ import annotations

import pytest

from mlgitops.errors import InputError
from mlgitops.operator.sources.tags import highest

TAGS = [
    "v0.2.0",
    "v0.2.9",
    "v0.3.0",
    "v1.0.0",
    "1.2.0",
    "v1.2.3",
    "v1.10.0",
    "v2.0.0-rc.2",
    "v2.0.0-rc.10",
    "v2.0.0",
    "v2.1.0-rc.1",
]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("*", "v2.0.0"),
        ("x", "v2.0.0"),
        ("1.x", "v1.10.0"),
        ("1", "v1.10.0"),
        ("1.2", "v1.2.3"),
        ("1.2.x", "v1.2.3"),
        ("=1.2.0", "1.2.0"),
        ("v1.2.3", "v1.2.3"),
        ("^1.0", "v1.10.0"),
        ("^1.2.3", "v1.10.0"),
        ("^0.2.1", "v0.2.9"),
        ("^0.0", None),
        ("^0", "v0.3.0"),
        ("~1.2.1", "v1.2.3"),
        ("~1", "v1.10.0"),
        (">1.2", "v2.0.0"),
        (">1.2.0 <1.10.0", "v1.2.3"),
        (">=1.0.0, <2.0.0", "v1.10.0"),
        (">= 1.0.0,< 1.3", "v1.2.3"),
        ("<=1.2", "v1.2.3"),
        ("<1.2.3", "1.2.0"),
        ("<2", "v1.10.0"),
        ("1.x !=1.10.0", "v1.2.3"),
        ("1.x !=1.10", "v1.2.3"),
        ("0.x || 1.2.x", "v1.2.3"),
        (">=2.0.0-0", "v2.1.0-rc.1"),
        (">=2.0.0-0 <2.0.0", "v2.0.0-rc.10"),
        ("=2.0.0-rc.2", "v2.0.0-rc.2"),
        ("~2.1", None),
        ("3.x", None),
    ],
)  # fmt: skip
def test_the_highest_tag_in_the_range_is_meant(wanted: str, expected: str | None) -> None:
    assert highest(TAGS, wanted) == expected
    assert highest(reversed(TAGS), wanted) == expected


def test_tags_that_are_no_versions_are_passed_over() -> None:
    tags = ["latest", "v1", "v1.2", "release-9.9.9", "v01.0.0", "v1.0.0^{}", "v1.0.0+x y", "v0.1.0"]
    assert highest(tags, "*") == "v0.1.0"


def test_of_two_names_of_one_version_everybody_means_the_same() -> None:
    assert highest(["v1.0.0", "1.0.0"], "1.x") == "v1.0.0"
    assert highest(["1.0.0+b", "1.0.0+a"], "1.x") == "1.0.0+b"


@pytest.mark.parametrize("wanted", ["", "main", ">=", "1.2.3.4", "1.0 - 2.0", "=>1"])
def test_what_is_no_range_is_said(wanted: str) -> None:
    with pytest.raises(InputError, match="is no range of versions"):
        highest(TAGS, wanted)
