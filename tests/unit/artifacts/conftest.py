"""Stores to test with: a folder and a real S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlgitops import digest
from servers.s3 import S3, s3, s3_server

__all__ = ["s3", "s3_server"]


@pytest.fixture(params=["file", "s3"])
def root_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of an empty store of either kind."""
    if request.param == "s3":
        server: S3 = request.getfixturevalue("s3")
        return f"{server.uri}/some/prefix"
    return (tmp_path / "store with space").as_uri()


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, str]:
    """A sealed folder with a nested and an empty file, and its digest."""
    folder = tmp_path / "package"
    (folder / "data").mkdir(parents=True)
    (folder / "model.skops").write_bytes(b"model" * 100_000)
    (folder / "data" / "weights.bin").write_bytes(bytes(range(256)) * 64)
    (folder / "data" / "empty").write_bytes(b"")
    return folder, digest.seal(folder).digest
