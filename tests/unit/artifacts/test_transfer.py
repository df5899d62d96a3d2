from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlgitops import digest
from mlgitops.artifacts import check, fetch, open_store, upload
from mlgitops.errors import InputError, IntegrityError, NotFoundError, OutsideError
from servers.breaking_proxy import BreakingProxy
from servers.s3 import S3

pytestmark = pytest.mark.slow

Sealed = tuple[Path, str]


def test_a_sealed_folder_comes_back_byte_for_byte(root_uri: str, sealed: Sealed, tmp_path: Path) -> None:
    folder, expected = sealed
    uri = upload(folder, root_uri, "iris")
    assert uri == f"{open_store(root_uri).uri}/iris/sha256-{digest.hex_of(expected)}"

    manifest = fetch(uri, expected, tmp_path / "new" / "into")

    assert manifest.digest == expected
    assert digest.verify(tmp_path / "new" / "into", expected) == manifest
    assert (tmp_path / "new/into/model.skops").read_bytes() == (folder / "model.skops").read_bytes()


def test_uploading_and_fetching_again_changes_nothing(root_uri: str, sealed: Sealed, tmp_path: Path) -> None:
    folder, expected = sealed
    first = upload(folder, root_uri, "iris")
    assert upload(folder, root_uri, "iris") == first
    fetch(first, expected, tmp_path / "into")
    before = (tmp_path / "into/model.skops").stat().st_mtime_ns
    fetch(first, expected, tmp_path / "into")
    assert (tmp_path / "into/model.skops").stat().st_mtime_ns == before


def test_uploading_again_makes_the_package_young_for_whoever_cleans_up(sealed: Sealed, tmp_path: Path) -> None:
    folder, _ = sealed
    uri = upload(folder, (tmp_path / "store").as_uri(), "iris")
    manifest = open_store(uri).location.path / digest.MANIFEST
    os.utime(manifest, (1, 1))
    upload(folder, (tmp_path / "store").as_uri(), "iris")
    assert open_store(uri).entries()[digest.MANIFEST].modified > 1


def test_uploading_again_restores_what_the_store_lost(root_uri: str, sealed: Sealed) -> None:
    folder, expected = sealed
    uri = upload(folder, root_uri, "iris")
    open_store(uri).put("model.skops", b"short")
    upload(folder, root_uri, "iris")
    assert check(uri, expected, deep=True).digest == expected


def test_a_folder_that_is_not_sealed_is_refused(root_uri: str, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(InputError, match="not a sealed folder"):
        upload(tmp_path / "plain", root_uri, "iris")


def test_a_folder_edited_after_sealing_is_not_uploaded(root_uri: str, sealed: Sealed) -> None:
    folder, _ = sealed
    (folder / "model.skops").write_bytes(b"other")
    with pytest.raises(IntegrityError):
        upload(folder, root_uri, "iris")
    assert open_store(root_uri).list() == {}


@pytest.mark.parametrize(
    "content", [b"nodel" * 100_000, b"short", b"model" * 100_001], ids=["same size", "short", "long"]
)
def test_a_corrupt_file_is_told_with_both_digests_and_nothing_appears(
    root_uri: str, sealed: Sealed, tmp_path: Path, content: bytes
) -> None:
    folder, expected = sealed
    uri = upload(folder, root_uri, "iris")
    open_store(uri).put("model.skops", content)
    with pytest.raises(IntegrityError, match=r"model\.skops") as caught:
        fetch(uri, expected, tmp_path / "into")
    assert caught.value.expected == digest.of_bytes(b"model" * 100_000)
    assert list((tmp_path / "into").iterdir()) == []


def test_a_swapped_manifest_is_told_with_both_digests(root_uri: str, sealed: Sealed, tmp_path: Path) -> None:
    folder, expected = sealed
    uri = upload(folder, root_uri, "iris")
    open_store(uri).put("manifest.json", b'{"files":{}}')
    with pytest.raises(IntegrityError) as caught:
        fetch(uri, expected, tmp_path / "into")
    assert (caught.value.expected, caught.value.found) == (expected, digest.of_bytes(b'{"files":{}}'))


def test_a_manifest_that_leaves_the_folder_is_refused(root_uri: str, tmp_path: Path) -> None:
    hostile = json.dumps({"files": {"../evil": {"sha256": "0" * 64, "size": 1}}}).encode()
    open_store(root_uri).put("manifest.json", hostile)
    with pytest.raises(InputError, match="does not stay inside"):
        fetch(root_uri, digest.of_bytes(hostile), tmp_path / "deep" / "into")
    assert not (tmp_path / "deep" / "evil").exists()


def test_a_missing_artifact_is_not_found(root_uri: str, sealed: Sealed, tmp_path: Path) -> None:
    open_store(root_uri).put("elsewhere", b"")
    with pytest.raises(NotFoundError, match="holds no artifact"):
        fetch(f"{root_uri}/iris/none", sealed[1], tmp_path / "into")


def test_a_mirror_helps_when_the_first_place_is_corrupt(root_uri: str, sealed: Sealed, tmp_path: Path) -> None:
    folder, expected = sealed
    good = upload(folder, (tmp_path / "mirror").as_uri(), "iris")
    bad = upload(folder, root_uri, "iris")
    open_store(bad).put("model.skops", b"model")
    fetch(bad, expected, tmp_path / "into", mirrors=[good])
    digest.verify(tmp_path / "into", expected)


def test_wrong_bytes_somewhere_are_told_before_absence_elsewhere(root_uri: str, sealed: Sealed, tmp_path: Path) -> None:
    folder, expected = sealed
    bad = upload(folder, root_uri, "iris")
    open_store(bad).put("model.skops", b"model")
    with pytest.raises(IntegrityError):
        fetch((tmp_path / "nowhere").as_uri(), expected, tmp_path / "into", mirrors=[bad])


def test_an_existing_empty_folder_is_filled_in_place(root_uri: str, sealed: Sealed, tmp_path: Path) -> None:
    folder, expected = sealed
    uri = upload(folder, root_uri, "iris")
    mount = tmp_path / "mount"
    mount.mkdir()
    inode = mount.stat().st_ino
    (mount / ".partial-of-a-killed-download").mkdir()
    fetch(uri, expected, mount)
    digest.verify(mount, expected)
    assert mount.stat().st_ino == inode


def test_a_fetch_that_died_while_renaming_is_finished(root_uri: str, sealed: Sealed, tmp_path: Path) -> None:
    folder, expected = sealed
    uri = upload(folder, root_uri, "iris")
    fetch(uri, expected, tmp_path / "into")
    (tmp_path / "into/manifest.json").unlink()
    (tmp_path / "into/data/empty").unlink()
    fetch(uri, expected, tmp_path / "into")
    digest.verify(tmp_path / "into", expected)


def test_a_folder_with_somebodys_files_is_left_alone(root_uri: str, sealed: Sealed, tmp_path: Path) -> None:
    folder, expected = sealed
    uri = upload(folder, root_uri, "iris")
    into = tmp_path / "into"
    into.mkdir()
    (into / "model.skops").write_bytes(b"mine")
    with pytest.raises(InputError, match="choose an empty folder"):
        fetch(uri, expected, into)
    assert (into / "model.skops").read_bytes() == b"mine"


def test_check_names_missing_files_and_reads_bytes_only_when_deep(root_uri: str, sealed: Sealed) -> None:
    folder, expected = sealed
    uri = upload(folder, root_uri, "iris")
    store = open_store(uri)
    assert check(uri, expected).digest == expected
    store.put("model.skops", b"nodel" * 100_000)
    check(uri, expected)
    with pytest.raises(IntegrityError, match=r"model\.skops"):
        check(uri, expected, deep=True)
    store.put("model.skops", b"another size")
    with pytest.raises(IntegrityError, match=r"model\.skops"):
        check(uri, expected)


def test_check_names_what_a_store_lacks(sealed: Sealed, tmp_path: Path) -> None:
    folder, expected = sealed
    uri = upload(folder, (tmp_path / "store").as_uri(), "iris")
    hexadecimal = digest.hex_of(expected)
    (tmp_path / "store/iris" / f"sha256-{hexadecimal}" / "data/weights.bin").unlink()
    with pytest.raises(NotFoundError, match=r"lacks data/weights\.bin"):
        check(uri, expected)


def test_a_download_that_breaks_off_is_begun_again(s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"x" * 3_000_000)
    expected = digest.seal(folder).digest
    uri = upload(folder, s3.uri, "iris")
    with BreakingProxy(s3.endpoint, breaks=2, after=500_000) as proxy:
        monkeypatch.setenv("MLGITOPS_S3_ENDPOINT_URL", proxy.endpoint)
        fetch(uri, expected, tmp_path / "into")
    assert proxy.broken == 2
    digest.verify(tmp_path / "into", expected)


def test_a_download_that_always_breaks_off_is_an_outside_error(
    s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"x" * 3_000_000)
    expected = digest.seal(folder).digest
    uri = upload(folder, s3.uri, "iris")
    with BreakingProxy(s3.endpoint, breaks=1000, after=500_000) as proxy:
        monkeypatch.setenv("MLGITOPS_S3_ENDPOINT_URL", proxy.endpoint)
        with pytest.raises(OutsideError):
            fetch(uri, expected, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []
