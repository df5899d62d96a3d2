from __future__ import annotations

from pathlib import Path

import pytest

from mlgitops import registry
from mlgitops.git import Repository
from mlgitops.git.repository import Person

ALICE, BOB = Person("Alice", "alice@example.com"), Person("Bob", "bob@example.com")
PATH = "registry/models/iris/stages/production.yaml"
Files = dict[str, bytes]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.init(tmp_path / "registry.git", bare=True)


def test_the_history_of_a_stage_is_what_it_named_newest_first(repository: Repository, files: Files) -> None:
    first = repository.commit(None, files, "Add", author=ALICE, committer=ALICE)
    other = repository.commit(first, {"README.md": b"x"}, "Explain", author=BOB, committer=BOB)
    stage = registry.edit.set_version(files[PATH], "2")
    second = repository.commit(other, {PATH: stage}, "Promote", author=BOB, committer=BOB)
    commented = repository.commit(second, {PATH: b"# why\n" + stage}, "Comment", author=ALICE, committer=ALICE)
    found = registry.history(repository, commented, "iris", "production")
    assert [(naming.version, naming.commit, naming.by) for naming in found] == [
        ("2", second, "Bob"),
        ("1", first, "Alice"),
    ]


def test_a_merge_is_one_event_and_a_deleted_or_broken_file_names_nothing(repository: Repository, files: Files) -> None:
    first = repository.commit(None, files, "Add", author=ALICE, committer=ALICE)
    branch = repository.commit(
        first, {PATH: registry.edit.set_version(files[PATH], "2")}, "Promote", author=BOB, committer=BOB
    )
    merged = repository.merge(first, branch, "Merge")
    broken = repository.commit(merged, {PATH: b"a: ["}, "Break", author=BOB, committer=BOB)
    gone = repository.commit(broken, {PATH: None}, "Delete", author=BOB, committer=BOB)
    found = registry.history(repository, gone, "iris", "production")
    assert [(naming.version, naming.commit) for naming in found] == [(None, broken), ("2", merged), ("1", first)]
