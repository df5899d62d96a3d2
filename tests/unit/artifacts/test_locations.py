from __future__ import annotations

from pathlib import Path

import pytest

from mlgitops.artifacts import Location, join, within
from mlgitops.errors import InputError


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        ("s3://models/iris/x", "s3://models/"),
        ("s3://models/iris/x", "s3://models/iris"),
        ("s3://models/iris", "s3://models/iris/"),
        ("S3://models/iris", "s3://models"),
        ("file:///srv/store/x", "file:///srv/store"),
        ("file:///srv/a%20b/x", "file:///srv/a b"),
        ("file://localhost/srv/store/x", "file:///srv/store"),
    ],
)
def test_a_place_below_a_prefix_is_within_it(uri: str, prefix: str) -> None:
    assert within(uri, ["s3://other/", prefix])


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        ("s3://models-evil/iris", "s3://models"),
        ("s3://models/iris-evil/x", "s3://models/iris"),
        ("s3://models/iris/../other/x", "s3://models/"),
        ("s3://models/./x", "s3://models/"),
        ("s3://models//x", "s3://models/"),
        ("s3://models/a\\..\\b", "s3://models/"),
        ("s3://models/a\nb", "s3://models/"),
        ("s3://user@models/x", "s3://models/"),
        ("s3://user@models/x", "s3://user@models/"),
        ("file:///srv/store/%2e%2e/secret", "file:///srv/store"),
        ("file:///srv/store/..%2Fsecret", "file:///srv/store"),
        ("file:///srv/store/%00", "file:///srv/store"),
        ("file://evil.example/srv/store/x", "file:///srv/store"),
        ("https://models/iris", "s3://models"),
        ("models/iris", "s3://models"),
        ("s3://models/x", "models"),
        ("s3://models/x", ""),
        ("s3:/models/x", "s3://models"),
    ],
)
def test_lookalikes_and_escapes_are_outside(uri: str, prefix: str) -> None:
    assert not within(uri, [prefix])


def test_nothing_is_within_no_prefixes() -> None:
    assert not within("s3://models/x", [])


def test_a_file_uri_and_its_path_belong_together(tmp_path: Path) -> None:
    folder = tmp_path / "ä b%20c#d?e"
    assert Location.parse(folder.as_uri()).path == folder
    assert Location.parse(str(Location.parse(folder.as_uri()))).path == folder


def test_join_goes_down_and_never_up() -> None:
    assert join("s3://models/prefix/", "iris", "sha256-00") == "s3://models/prefix/iris/sha256-00"
    with pytest.raises(InputError, match=r"segment '\.\.' is not allowed"):
        join("s3://models/prefix", "../other")
    with pytest.raises(InputError):
        join("s3://models/prefix", "/absolute")


@pytest.mark.parametrize("uri", ["", "/srv/store", "ftp://host/x", "s3://", "s3:///x", "s3://a b/x"])
def test_what_is_no_place_is_refused_with_the_forms_that_are(uri: str) -> None:
    with pytest.raises(InputError, match="expected file:///FOLDER or s3://BUCKET/PREFIX"):
        Location.parse(uri)
