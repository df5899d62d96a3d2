"""Reading and writing a repository without a work tree."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from mlgitops.errors import CheckFailedError, InputError, NotFoundError, OutsideError
from mlgitops.git import Person, Repository


def test_a_commit_holds_its_parents_files_and_the_changes(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    first = repository.commit(None, {"a": b"1", "deep/er/b": b"2"}, "First")
    second = repository.commit(first, {"a": None, "deep/c": b"\x00\xff"}, "Second", Person("Ada", "ada@example.com"))
    assert dict(repository.tree(second)) == {"deep/er/b": b"2", "deep/c": b"\x00\xff"}
    assert dict(repository.tree(second, "deep/er")) == {"deep/er/b": b"2"}
    newest, oldest = repository.log(second)
    assert (newest.subject, newest.author, newest.parents) == ("Second", Person("Ada", "ada@example.com"), (first,))
    assert oldest.sha == first
    repository.close()


def test_the_work_tree_and_its_index_stay_as_they_are(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r")
    (tmp_path / "r" / "mine.txt").write_text("mine")
    commit = repository.commit(None, {"a": b"1"}, "First")
    assert [path.name for path in (tmp_path / "r").iterdir() if path.name != ".git"] == ["mine.txt"]
    assert not (tmp_path / "r" / ".git" / "index").exists()
    assert repository.resolve(commit) == commit


def test_changes_that_no_commit_has_are_told_new_files_and_deleted_ones_too(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r")
    (tmp_path / "r/registry/new folder").mkdir(parents=True)
    for path in ("registry/kept", "registry/gone", "other"):
        (tmp_path / "r" / path).write_text("x")
    for command in (["add", "."], ["commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(tmp_path / "r"), *command], check=True, capture_output=True)
    assert repository.uncommitted("registry") == ()
    (tmp_path / "r/registry/gone").unlink()
    (tmp_path / "r/registry/new folder/a b").write_text("x")
    (tmp_path / "r/other").write_text("y")
    assert set(repository.uncommitted("registry")) == {"registry/gone", "registry/new folder/a b"}
    assert Repository.init(tmp_path / "bare", bare=True).uncommitted("registry") == ()


def test_a_symbolic_link_in_a_commit_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "real").write_text("x")
    (tmp_path / "r" / "link").symlink_to("/etc/passwd")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path / "r", check=True)
    repository = Repository.open(tmp_path / "r")
    assert dict(repository.tree("HEAD")) == {"real": b"x"}
    repository.close()


def test_a_path_into_dot_git_is_refused(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    with pytest.raises(InputError, match="is not a path inside"):
        repository.commit(None, {".git/hooks/post-merge": b"evil"}, "x")


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    with pytest.raises(InputError, match="written as a file too"):
        repository.commit(None, {"a": b"1", "a/b": b"2"}, "x")


def test_text_that_looks_like_an_option_names_no_commit(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    with pytest.raises(NotFoundError, match="names no commit"):
        repository.resolve("--git-dir=/etc")


def test_an_author_of_nothing_but_brackets_still_makes_a_commit(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    commit = repository.commit(None, {"a": b"1"}, "x", Person("<>\n", "a@b>\n"))
    assert repository.log(commit)[0].author == Person("mlgitops", "a@b")


def test_a_merge_joins_two_branches(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    first = repository.commit(None, {"a": b"1\n"}, "First")
    base = repository.commit(first, {"b": b"2\n"}, "Base")
    head = repository.commit(first, {"c": b"3\n"}, "Head")
    merged = repository.merge(base, head, "Merge")
    assert dict(repository.tree(merged)) == {"a": b"1\n", "b": b"2\n", "c": b"3\n"}
    assert repository.log(merged, limit=1)[0].parents == (base, head)
    repository.close()


def test_a_conflict_is_refused_and_names_the_file(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    first = repository.commit(None, {"deep/a": b"1\n"}, "First")
    base = repository.commit(first, {"deep/a": b"2\n"}, "Base")
    head = repository.commit(first, {"deep/a": b"3\n"}, "Head")
    with pytest.raises(CheckFailedError, match=r"conflicts with .* in deep/a;"):
        repository.merge(base, head, "Merge")


def test_what_changed_between_two_commits_is_listed_by_path(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    before = repository.commit(None, {"a": b"1\n", "b": b"1\n"}, "First")
    after = repository.commit(before, {"a": b"2\n", "b": None, "c/d": b"3\n"}, "Second")
    assert repository.changed(before, after) == {"a": "M", "b": "D", "c/d": "A"}
    assert "-1\n+2\n" in repository.diff(before, after)
    assert repository.changed(before, before) == {}


def test_the_log_of_a_path_names_the_commits_that_touched_it(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    first = repository.commit(None, {"a": b"1", "b": b"1"}, "First")
    second = repository.commit(first, {"b": b"2"}, "Second")
    third = repository.commit(second, {"a": b"2"}, "Third")
    assert [commit.subject for commit in repository.log(third, "a")] == ["Third", "First"]
    assert repository.merge_base(second, third) == second


def test_files_are_read_from_several_threads_at_once(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    content = {f"f{number}": os.urandom(5000) for number in range(20)}
    files = repository.tree(repository.commit(None, content, "x"))
    wrong: list[str] = []

    def read() -> None:
        wrong.extend(path for path in files if files[path] != content[path])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert files.size("f0") == 5000
    repository.close()


def test_several_files_are_read_at_once_whatever_is_in_them(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    content = {"a": b"", "b": b"\n\nx blob 3\n", "c d": os.urandom(70_000), "ü/f": b"\n", "twin": b""}
    files = repository.tree(repository.commit(None, content, "x"))
    assert files.contents(files) == content
    assert files.contents(["twin"]) == {"twin": b""}
    assert files.contents([]) == {}
    with pytest.raises(KeyError):
        files.contents(["elsewhere"])
    repository.close()


def test_a_missing_object_is_named_with_its_file(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "r", bare=True)
    files = repository.tree(repository.commit(None, {"a": b"1"}, "x"))
    sha = files.sha("a")
    (repository.path / "objects" / sha[:2] / sha[2:]).unlink()
    with pytest.raises(OutsideError, match="of a is missing"):
        files["a"]
    with pytest.raises(OutsideError, match="of a is missing"):
        files.contents(["a"])
    repository.close()


def test_a_folder_outside_of_any_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is not in a git repository"):
        Repository.open(tmp_path)


def test_a_hook_of_the_repository_does_not_run(tmp_path: Path, mirror: Repository, remote) -> None:
    hooks = mirror.path / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-push", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    commit = mirror.commit(remote.first, {"b": b"2"}, "Second")
    mirror.push(remote.url, {"refs/heads/x": commit}, {})
    mirror.set_ref("refs/heads/x", commit)
    assert not (tmp_path / "ran").exists()
