from __future__ import annotations

import time
from pathlib import Path

import pytest

from mlgitops.artifacts import ForbiddenError, open_store
from mlgitops.errors import ConflictError, InputError, MissingExtraError, NotFoundError, OutsideError
from servers.s3 import S3

pytestmark = pytest.mark.slow


def test_what_is_put_can_be_got_listed_and_downloaded(root_uri: str, tmp_path: Path) -> None:
    store = open_store(root_uri)
    source = tmp_path / "source"
    source.write_bytes(b"from a file")
    store.put("a/one", b"1")
    store.put("a/b/two", source)
    store.put("ab", b"")

    assert store.get("a/one") == b"1"
    assert store.exists("ab")
    assert not store.exists("a/absent")
    assert store.list() == {"a/b/two": 11, "a/one": 1, "ab": 0}
    assert store.list("a") == {"a/b/two": 11, "a/one": 1}
    store.download("a/b/two", tmp_path / "new" / "target")
    assert (tmp_path / "new" / "target").read_bytes() == b"from a file"


def test_an_entry_tells_size_time_and_a_tag_that_changes_with_the_content(root_uri: str) -> None:
    store = open_store(root_uri)
    store.put("a/key", b"one")
    before = store.entries()["a/key"]
    assert store.entries("a") == {"a/key": before}
    assert (before.size, abs(before.modified - time.time()) < 60) == (3, True)
    store.put("a/key", b"two")
    assert store.entries()["a/key"].tag != before.tag


def test_what_is_created_takes_the_place_of_nothing(root_uri: str) -> None:
    store = open_store(root_uri)
    store.create("a/one", b"1")
    with pytest.raises(ConflictError, match="is there already"):
        store.create("a/one", b"2")
    assert store.get("a/one") == b"1"
    assert store.list() == {"a/one": 1}


def test_a_store_that_can_be_written_is_probed_without_a_trace(root_uri: str) -> None:
    store = open_store(root_uri)
    store.probe("runs")
    assert store.list() == {}


def test_what_is_deleted_is_gone_and_nothing_else(root_uri: str) -> None:
    store = open_store(root_uri)
    for key in ("a/b/one", "a/b/two", "a/c", "ab"):
        store.put(key, b"x")
    store.delete(["a/b/one", "a/b/two", "absent"])
    assert list(store.list()) == ["a/c", "ab"]
    store.delete(["a/c", "ab"])
    assert store.list() == {}
    store.put("a/b/one", b"again")
    with pytest.raises(InputError):
        store.delete(["../out"])


def test_putting_a_key_again_replaces_it(root_uri: str) -> None:
    store = open_store(root_uri)
    store.put("key", b"old and long")
    store.put("key", b"new")
    assert store.get("key") == b"new"


def test_a_missing_key_is_not_found_and_leaves_no_file(root_uri: str, tmp_path: Path) -> None:
    store = open_store(root_uri)
    with pytest.raises(NotFoundError, match="absent"):
        store.get("absent")
    with pytest.raises(NotFoundError, match="absent"):
        store.download("absent", tmp_path / "into" / "target")
    assert list((tmp_path / "into").glob("*")) == [] if (tmp_path / "into").exists() else True


@pytest.mark.parametrize("key", ["../out", "a/../../out", "/etc/passwd", "a//b", "", ".", "a\\b", "a\0b"])
def test_a_key_that_could_leave_the_store_is_refused(root_uri: str, key: str) -> None:
    store = open_store(root_uri)
    with pytest.raises(InputError):
        store.put(key, b"x")
    with pytest.raises(InputError):
        store.get(key)


def test_a_link_inside_a_folder_store_leads_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_bytes(b"private")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "link").symlink_to(secret)
    store = open_store((tmp_path / "store").as_uri())
    with pytest.raises(InputError, match="leads out of"):
        store.get("link/key")
    with pytest.raises(InputError, match="leads out of"):
        store.put("link/new", b"x")
    assert list(store.list()) == []


def test_a_bucket_that_is_not_there_is_not_found(s3: S3) -> None:
    with pytest.raises(NotFoundError):
        open_store("s3://no-such-bucket-anywhere").get("x")


def test_wrong_credentials_are_forbidden(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ForbiddenError, match="access denied"):
        open_store(s3.uri).get("x")


def test_no_credentials_name_the_variables_to_set(s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ForbiddenError, match="AWS_ACCESS_KEY_ID"):
        open_store(s3.uri).get("x")


def test_a_folder_without_permission_is_forbidden_or_outside(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((OutsideError, NotFoundError)):
        open_store((tmp_path / "file").as_uri()).put("below-a-file", b"x")


def test_a_missing_boto3_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mlgitops\[s3\]'"):
        open_store("s3://bucket")
