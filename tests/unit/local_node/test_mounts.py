"""A container's paths become this machine's, and only those."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlgitops.local.node.mounts import Mounts

MOUNTS = Mounts(
    {
        "/mnt/model": Path("/pods/1/volumes/model"),
        "/mnt/model/extra": Path("/pods/1/volumes/extra"),
        "/tmp": Path("/pods/1/volumes/tmp"),
        "/etc/app/": Path("/pods/1/volumes/app"),
        "/etc/one.conf": Path("/pods/1/volumes/conf/one.conf"),
    }
)


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("/mnt/model", "/pods/1/volumes/model"),
        ("/mnt/model/weights.bin", "/pods/1/volumes/model/weights.bin"),
        ("--dir=/mnt/model", "--dir=/pods/1/volumes/model"),
        ("/mnt/model:/tmp", "/pods/1/volumes/model:/pods/1/volumes/tmp"),
        ("open('/tmp/x')", "open('/pods/1/volumes/tmp/x')"),
        ('{"dir": "/mnt/model"}', '{"dir": "/pods/1/volumes/model"}'),
        ("cat </tmp/x >/tmp/y", "cat </pods/1/volumes/tmp/x >/pods/1/volumes/tmp/y"),
        ("/etc/app/settings.toml", "/pods/1/volumes/app/settings.toml"),
        ("/etc/one.conf", "/pods/1/volumes/conf/one.conf"),
    ],
)
def test_a_mounted_path_becomes_the_folder_that_stands_for_it(text: str, rewritten: str) -> None:
    assert MOUNTS.rewrite(text) == rewritten


def test_the_deepest_mount_wins() -> None:
    assert MOUNTS.rewrite("/mnt/model/extra/x") == "/pods/1/volumes/extra/x"


@pytest.mark.parametrize(
    "text",
    [
        "file:///tmp/x",
        "https://example.com/tmp/x",
        "/var/tmp/x",
        "../tmp/x",
        "/tmpfile",
        "/mnt/model-2/x",
        "/mnt/models",
        "/etc/one.conf.bak",
        "/mnt",
        "",
    ],
)
def test_a_path_that_only_looks_mounted_stays(text: str) -> None:
    assert MOUNTS.rewrite(text) == text


def test_a_replacement_is_not_rewritten_again() -> None:
    mounts = Mounts({"/a": Path("/b/a"), "/b": Path("/a/b")})
    assert mounts.rewrite("/a /b") == "/b/a /a/b"


def test_without_mounts_every_text_stays() -> None:
    assert Mounts({}).rewrite_all(["/tmp", "x"]) == ["/tmp", "x"]
