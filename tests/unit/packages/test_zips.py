from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlgitops.errors import InputError
from mlgitops.packages.flavors import zips


def archive(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as opened:
        for name, content in members:
            opened.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def overlapping() -> bytes:
    """Return an archive of two members, of which one claims to be as large as the file."""
    data = archive([("a", b"x" * 50), ("b", b"y" * 50)])
    size = (50).to_bytes(4, "little") * 2
    return data.replace(size, len(data).to_bytes(4, "little") * 2)


def test_members_are_read_back_and_have_one_digest(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(zips.packed({"a/b": b"one", "c": b""}))
    assert zips.sizes(path) == {"a/b": 3, "c": 0}
    assert zips.packed({"a/b": b"one", "c": b""}) == path.read_bytes()


def test_a_header_that_contradicts_the_directory_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    whole = zips.packed({"a": b"one"})
    path.write_bytes(whole)
    assert zips.read(path, ["a"]) == [b"one"]
    directory = whole.index(b"PK\x01\x02")
    # A kind of compression that nobody reads, another name's length, another sum, a place behind the end.
    changes = (
        (directory + 8, b"\x20"),
        (26, b"\x02"),
        (directory + 16, b"\x00"),
        (directory + 42, b"\xff\xff\xff\x7f"),
    )
    for place, value in changes:
        path.write_bytes(whole[:place] + value + whole[place + len(value) :])
        assert zips.sizes(path) == {"a": 3}
        with pytest.raises(InputError, match="cannot be read as a zip archive"):
            zips.read(path, ["a"])
    with pytest.raises(InputError, match="cannot be read"):
        zips.read(path, ["b"])


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "zip archive"),
        (archive([("a", b"x" * 1000)], zipfile.ZIP_DEFLATED), "compressed"),
        (overlapping(), "over one another"),
        *((archive([(name, b"x")]), "no plain name") for name in ("../a", "/a", "a/../b", "a\\b", "c:a", "a/", "a\nb")),
    ],
)
def test_an_archive_that_could_reach_or_grow_beyond_itself_is_refused(data: Any, match: str, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(data)
    with pytest.raises(InputError, match=match):
        zips.sizes(path)
