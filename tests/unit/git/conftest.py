"""A bare remote with one commit, and a way to clone it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlgitops.git import Repository


@dataclass
class Remote:
    """A bare repository, its address, and the commit that its main branch starts with."""

    repository: Repository
    url: str
    first: str


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    repository = Repository.init(tmp_path / "remote.git", bare=True)
    first = repository.commit(None, {"README.md": b"hello\n", "registry/a.yaml": b"a: 1\n"}, "First")
    repository.set_ref("refs/heads/main", first)
    yield Remote(repository, f"file://{tmp_path / 'remote.git'}", first)
    repository.close()


@pytest.fixture
def mirror(tmp_path: Path, remote: Remote) -> Iterator[Repository]:
    repository = Repository.init(tmp_path / "mirror", bare=True)
    repository.fetch(remote.url, "+refs/heads/*:refs/remotes/origin/*")
    yield repository
    repository.close()
