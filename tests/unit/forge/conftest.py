"""A registry's bare repository, and people who each have a clone and a forge of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlgitops.forge import LocalForge
from mlgitops.git import Repository, ls_remote

MAIN = "refs/heads/main"


@dataclass
class Remote:
    """The bare repository, its folder and address."""

    folder: Path
    url: str
    first: str

    def refs(self) -> dict[str, str]:
        return ls_remote(self.url)

    def hook(self, name: str, script: str) -> None:
        path = self.folder / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def lose_one_answer(self) -> None:
        """Die once after a push was done and before it is answered."""
        count = f'echo x >> "{self.folder}/lost"'
        self.hook("post-update", f'{count}\n[ "$(wc -l < "{self.folder}/lost")" -le 1 ] && kill -9 "$PPID"\nexit 0')


@dataclass
class Person:
    """Somebody with a clone."""

    repository: Repository
    forge: LocalForge
    remote: Remote

    def propose(self, name: str, content: bytes = b"new\n", *, base: str = "main") -> str:
        """Make a commit on top of the base branch."""
        self.repository.fetch(self.remote.url, f"+refs/heads/{base}:refs/base")
        return self.repository.commit("refs/base", {name: content}, f"Add {name}")

    def push_main(self, name: str) -> str:
        """Move the base branch, as another merge would."""
        commit = self.propose(name)
        self.repository.push(self.remote.url, {MAIN: commit}, {MAIN: self.repository.resolve("refs/base")})
        return commit


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    repository = Repository.init(tmp_path / "remote.git", bare=True)
    first = repository.commit(None, {"README.md": b"hello\n"}, "First")
    repository.set_ref(MAIN, first)
    return Remote(tmp_path / "remote.git", f"file://{tmp_path / 'remote.git'}", first)


@pytest.fixture
def person(tmp_path: Path, remote: Remote) -> Iterator[Callable[[str], Person]]:
    opened: list[Repository] = []

    def make(name: str) -> Person:
        repository = Repository.init(tmp_path / f"clone-{name}", bare=True)
        repository.fetch(remote.url, f"+{MAIN}:refs/base")
        opened.append(repository)
        return Person(repository, LocalForge(repository, remote.url, name), remote)

    yield make
    for repository in opened:
        repository.close()


@pytest.fixture
def ada(person: Callable[[str], Person]) -> Person:
    return person("ada")


@pytest.fixture
def bob(person: Callable[[str], Person]) -> Person:
    return person("bob")
