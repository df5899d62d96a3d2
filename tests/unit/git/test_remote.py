"""Fetches, and pushes that are compare-and-swap."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from pathlib import Path

import pytest

from mlgitops.errors import ConflictError, InputError, NotFoundError, OutsideError, RefusedError
from mlgitops.git import Repository, ls_remote

MAIN = "refs/heads/main"


def hook(remote, name: str, script: str) -> None:
    path = remote.repository.path / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_refs_of_a_remote_are_listed(remote) -> None:
    assert ls_remote(remote.url) == {MAIN: remote.first}
    assert ls_remote(remote.url, "refs/heads/other") == {}


def test_a_remote_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="cannot read git repository") as caught:
        ls_remote("http://bob:s3cret@127.0.0.1:1/a.git")
    assert "s3cret" not in str(caught.value) and "127.0.0.1" in str(caught.value)


def test_a_missing_ref_is_named(remote, mirror: Repository) -> None:
    with pytest.raises(NotFoundError, match="has no ref refs/heads/other"):
        mirror.fetch(remote.url, "+refs/heads/other:refs/remotes/origin/other")


def test_a_push_changes_what_is_as_expected(remote, mirror: Repository) -> None:
    second = mirror.commit(remote.first, {"b": b"2"}, "Second")
    mirror.push(remote.url, {MAIN: second, "refs/heads/new": second}, {MAIN: remote.first})
    assert ls_remote(remote.url) == {MAIN: second, "refs/heads/new": second}
    mirror.push(remote.url, {"refs/heads/new": None}, {"refs/heads/new": second})
    assert ls_remote(remote.url) == {MAIN: second}


def test_a_push_that_comes_second_changes_nothing(remote, mirror: Repository) -> None:
    second = mirror.commit(remote.first, {"b": b"2"}, "Second")
    rival = mirror.commit(remote.first, {"b": b"3"}, "Rival")
    mirror.push(remote.url, {MAIN: rival}, {MAIN: remote.first})
    with pytest.raises(ConflictError, match="came second"):
        mirror.push(remote.url, {MAIN: second, "refs/heads/new": second}, {MAIN: remote.first})
    assert ls_remote(remote.url) == {MAIN: rival}


def test_a_ref_that_should_not_exist_is_not_overwritten(remote, mirror: Repository) -> None:
    second = mirror.commit(remote.first, {"b": b"2"}, "Second")
    with pytest.raises(ConflictError):
        mirror.push(remote.url, {MAIN: second}, {})
    assert ls_remote(remote.url) == {MAIN: remote.first}


def test_of_many_pushes_at_once_exactly_one_wins(tmp_path: Path, remote) -> None:
    outcomes: list[str] = []

    def attempt(number: int) -> None:
        own = Repository.init(tmp_path / f"clone-{number}", bare=True)
        own.fetch(remote.url, f"+{MAIN}:{MAIN}")
        commit = own.commit(remote.first, {"who": str(number).encode()}, "x")
        try:
            own.push(remote.url, {MAIN: commit, f"refs/heads/n{number}": commit}, {MAIN: remote.first})
            outcomes.append("won")
        except ConflictError:
            outcomes.append("lost")

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost", "lost", "lost", "won"]
    assert len(ls_remote(remote.url)) == 2


def test_a_push_whose_answer_is_lost_is_neither_success_nor_conflict(remote, mirror: Repository) -> None:
    # The hook runs after the refs changed and kills receive-pack before it reports.
    hook(remote, "post-update", 'kill -9 "$PPID"')
    second = mirror.commit(remote.first, {"b": b"2"}, "Second")
    with pytest.raises(OutsideError, match="was not answered") as caught:
        mirror.push(remote.url, {MAIN: second}, {MAIN: remote.first})
    assert not isinstance(caught.value, ConflictError)
    assert ls_remote(remote.url) == {MAIN: second}


def test_a_refusal_by_the_server_is_no_conflict_and_gives_its_words(remote, mirror: Repository) -> None:
    hook(remote, "pre-receive", "echo 'branch main is protected' >&2; exit 1")
    second = mirror.commit(remote.first, {"b": b"2"}, "Second")
    with pytest.raises(RefusedError, match="branch main is protected"):
        mirror.push(remote.url, {MAIN: second}, {MAIN: remote.first})


def test_a_shallow_repository_is_deepened(tmp_path: Path, remote) -> None:
    second = remote.repository.commit(remote.first, {"b": b"2"}, "Second")
    remote.repository.set_ref(MAIN, second)
    shallow = Repository.init(tmp_path / "shallow", bare=True)
    shallow.fetch(remote.url, f"+{MAIN}:{MAIN}", depth=1)
    assert shallow.is_shallow and len(shallow.log(MAIN)) == 1
    shallow.deepen(remote.url, MAIN)
    assert not shallow.is_shallow and len(shallow.log(MAIN)) == 2


def test_an_address_that_starts_a_program_never_reaches_git(tmp_path: Path, mirror: Repository) -> None:
    with pytest.raises(InputError, match="is not an address"):
        mirror.fetch(f"ext::sh -c touch% {tmp_path}/ran", "main")
    assert not (tmp_path / "ran").exists()


def test_two_processes_may_fetch_into_one_mirror_at_once(remote, mirror: Repository) -> None:
    for number in range(30):
        remote.repository.set_ref(f"refs/heads/b{number}", remote.first)
    failed: list[Exception] = []

    def fetch() -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_noting(failed))
            mirror.fetch(remote.url, "+refs/heads/*:refs/remotes/origin/*")

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(mirror.refs("refs/remotes/origin/")) == 31


@contextlib.contextmanager
def _noting(failed: list[Exception]):
    try:
        yield
    except Exception as error:
        failed.append(error)


def test_a_clone_has_a_work_tree_and_no_sample_hooks(tmp_path: Path, remote) -> None:
    clone = Repository.clone(remote.url, tmp_path / "clone")
    assert (tmp_path / "clone" / "README.md").read_text() == "hello\n"
    assert clone.root == tmp_path / "clone"
    assert clone.remote_url() == remote.url
    assert not (clone.path / "hooks").exists()
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=tmp_path / "clone") == b""
