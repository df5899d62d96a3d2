"""Digests of bytes and folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlgitops import digest
from mlgitops.digest import Manifest
from mlgitops.errors import InputError, IntegrityError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "package"
    (root / "data").mkdir(parents=True)
    (root / "MLmodel").write_bytes(b"flavors: {}\n")
    (root / "data" / "model.skops").write_bytes(bytes(range(256)))
    return root


def test_the_digest_of_no_bytes_is_the_published_one() -> None:
    assert digest.of_bytes(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc" * 1_000_000)
    assert digest.of_file(tmp_path / "f") == digest.of_bytes(b"abc" * 1_000_000)


def test_canonical_json_is_one_text_whatever_the_order() -> None:
    assert digest.canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert digest.of_json({"b": 1, "a": 2}) == digest.of_json({"a": 2, "b": 1})


def test_canonical_json_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        digest.canonical_json({"a": float("nan")})


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:ABC", "md5:" + "0" * 64, "sha256:" + "A" * 64, "sha256:" + "0" * 65]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a digest"):
        digest.hex_of(text)


def test_a_sealed_folder_verifies(folder: Path) -> None:
    manifest = digest.seal(folder)
    assert digest.verify(folder, manifest.digest) == manifest
    assert [entry.path for entry in manifest.files] == ["MLmodel", "data/model.skops"]
    assert manifest.size == 12 + 256


def test_the_digest_is_the_sha256_of_the_manifest_file(folder: Path) -> None:
    assert digest.seal(folder).digest == digest.of_file(folder / "manifest.json")


def test_sealing_twice_changes_nothing(folder: Path) -> None:
    assert digest.seal(folder) == digest.seal(folder)


@pytest.mark.parametrize("damage", ["change", "add", "remove"])
def test_any_damage_is_found(folder: Path, damage: str) -> None:
    manifest = digest.seal(folder)
    model = folder / "data" / "model.skops"
    match damage:
        case "change":
            model.write_bytes(model.read_bytes()[:-1] + b"\x00")
        case "add":
            (folder / "extra.py").write_text("import os")
        case "remove":
            model.unlink()
    with pytest.raises(IntegrityError) as caught:
        digest.verify(folder, manifest.digest)
    assert caught.value.expected == manifest.digest
    assert caught.value.found != manifest.digest


def test_a_manifest_that_was_swapped_with_its_files_is_found(folder: Path) -> None:
    promised = digest.seal(folder).digest
    (folder / "MLmodel").write_text("flavors: {evil: {}}\n")
    digest.seal(folder)
    with pytest.raises(IntegrityError):
        digest.verify(folder, promised)


def test_a_link_is_refused_when_sealing(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        digest.seal(folder)


def test_an_unsealed_folder_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        digest.verify(folder, "sha256:" + "0" * 64)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up", "a/../../up", "a//b", "./a", "", "a\\b", "manifest.json", "a/"]
)
def test_a_manifest_cannot_name_what_lies_outside(path: str) -> None:
    data = json.dumps({"files": {path: {"sha256": "0" * 64, "size": 1}}}).encode()
    with pytest.raises(InputError, match="does not stay inside"):
        Manifest.from_bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"files": []}',
        b'{"files": {"a": {"size": 1}}}',
        b'{"files": {"a": {"sha256": "x", "size": 1}}}',
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        Manifest.from_bytes(data)
