"""Pull requests kept in refs."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from mlgitops.config import Config
from mlgitops.errors import CheckFailedError, InputError, NotFoundError, OutsideError
from mlgitops.forge import LocalForge, State, connect

pytestmark = pytest.mark.slow

BRANCH = "mlgitops/propose/iris.1"


def opened(person, *, branch: str = BRANCH, name: str = "a"):
    return person.forge.open_pull(branch, "main", person.propose(name), f"Add {name}", "The body.")


def checked(person, pull, *, passed: bool = True, base: str | None = None) -> None:
    base = base or person.remote.refs()["refs/heads/main"]
    person.forge.set_check(pull.number, pull.head, base, "mlgitops", passed, "all well" if passed else "too bad")


def test_an_opened_pull_request_is_seen_by_others(ada, bob) -> None:
    pull = opened(ada)
    assert bob.forge.pulls() == (pull,)
    assert bob.forge.pull(1) == pull
    assert (pull.number, pull.author, pull.state, pull.head_ref) == (1, "ada", State.OPEN, BRANCH)
    assert ada.remote.refs()[f"refs/heads/{BRANCH}"] == pull.head == ada.remote.refs()["refs/pull/1/head"]


def test_a_check_of_another_name_may_refuse_and_lets_nothing_through(ada) -> None:
    pull = opened(ada)
    base = ada.remote.refs()["refs/heads/main"]
    ada.forge.set_check(pull.number, pull.head, base, "lint", True, "all well")
    with pytest.raises(CheckFailedError, match="has no passing check"):
        ada.forge.merge(pull.number)
    checked(ada, pull)
    ada.forge.set_check(pull.number, pull.head, base, "lint", False, "a tab")
    with pytest.raises(CheckFailedError, match="refused by check lint"):
        ada.forge.merge(pull.number)


def test_opening_again_returns_the_open_one(ada, bob) -> None:
    pull = opened(ada)
    assert opened(bob, name="b") == pull
    assert len(bob.forge.pulls()) == 1


def test_two_bots_that_open_the_same_at_once_get_one_pull_request(person) -> None:
    people = [person(f"bot-{number}") for number in range(4)]
    commits = [someone.propose("a", str(number).encode()) for number, someone in enumerate(people)]
    found = []

    def propose(someone, commit: str) -> None:
        found.append(someone.forge.open_pull(BRANCH, "main", commit, "Add a", ""))

    threads = [threading.Thread(target=propose, args=pair) for pair in zip(people, commits, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len({pull.id for pull in found}) == 1
    assert len(people[0].forge.pulls()) == 1


def test_different_pull_requests_opened_at_once_get_different_numbers(person) -> None:
    people = [person(f"bot-{number}") for number in range(4)]
    found = []

    def propose(place: int) -> None:
        found.append(opened(people[place], branch=f"mlgitops/propose/iris.{place + 1}", name=f"f{place}"))

    threads = [threading.Thread(target=propose, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(pull.number for pull in found) == [1, 2, 3, 4]


def test_an_opening_whose_answer_was_lost_is_found_and_not_repeated(ada) -> None:
    ada.remote.lose_one_answer()
    pull = opened(ada)
    assert pull.number == 1 and len(ada.forge.pulls()) == 1


def test_a_merge_whose_answer_was_lost_is_not_repeated(ada) -> None:
    pull = opened(ada)
    checked(ada, pull)
    ada.remote.lose_one_answer()
    merged = ada.forge.merge(1)
    assert merged.state is State.MERGED
    assert ada.remote.refs()["refs/heads/main"] == merged.merge_commit
    assert len(ada.repository.log(merged.merge_commit or "", first_parent=True)) == 2


def test_a_merge_joins_head_and_base_and_removes_the_bots_branch(ada, bob) -> None:
    pull = opened(ada)
    checked(bob, pull)
    merged = bob.forge.merge(1, by="carol")
    commit = bob.repository.log(merged.merge_commit or "", limit=1)[0]
    assert commit.parents == (ada.remote.first, pull.head)
    assert (commit.author.name, commit.subject) == ("carol", "Merge pull request #1: Add a")
    assert (merged.by, merged.forced) == ("carol", False)
    assert f"refs/heads/{BRANCH}" not in ada.remote.refs()
    assert ada.forge.pull(1) == merged


def test_a_merge_without_a_check_is_refused_and_names_the_command(ada) -> None:
    opened(ada)
    with pytest.raises(CheckFailedError, match=r"no passing check .* run: mlgitops check --base main --pr 1"):
        ada.forge.merge(1)
    assert ada.remote.refs()["refs/heads/main"] == ada.remote.first


def test_a_failed_check_blocks_and_says_why(ada) -> None:
    checked(ada, opened(ada), passed=False)
    with pytest.raises(CheckFailedError, match="refused by check mlgitops: too bad"):
        ada.forge.merge(1)


def test_a_check_of_an_older_base_does_not_count(ada, bob) -> None:
    pull = opened(ada)
    checked(ada, pull)
    bob.push_main("elsewhere")
    with pytest.raises(CheckFailedError, match="no passing check"):
        ada.forge.merge(1)
    checked(ada, pull)
    assert ada.forge.merge(1).state is State.MERGED


def test_a_check_of_an_older_head_does_not_count(ada) -> None:
    pull = opened(ada)
    checked(ada, pull)
    ada.forge.update_pull(1, ada.propose("a", b"other\n"), pull.title, pull.body)
    with pytest.raises(CheckFailedError, match="no passing check"):
        ada.forge.merge(1)


def test_a_forced_merge_says_so_for_ever(ada, bob) -> None:
    checked(ada, opened(ada), passed=False)
    assert ada.forge.merge(1, force=True).forced
    assert bob.forge.pull(1).forced


def test_force_on_a_checked_pull_request_is_no_forced_merge(ada) -> None:
    checked(ada, opened(ada))
    assert not ada.forge.merge(1, force=True).forced


def test_a_conflict_is_refused_even_by_force(ada, bob) -> None:
    ada.forge.open_pull(BRANCH, "main", ada.propose("same", b"one\n"), "x", "")
    bob.repository.fetch(bob.remote.url, "+refs/heads/main:refs/base")
    rival = bob.repository.commit("refs/base", {"same": b"two\n"}, "x")
    bob.repository.push(bob.remote.url, {"refs/heads/main": rival}, {"refs/heads/main": bob.remote.first})
    with pytest.raises(CheckFailedError, match=r"conflicts with .* in same"):
        ada.forge.merge(1, force=True)


def test_what_a_person_pushes_to_the_branch_is_what_is_proposed(ada, bob) -> None:
    pull = opened(ada, branch="fix-typo")
    checked(ada, pull)
    branch = "refs/heads/fix-typo"
    bob.repository.fetch(bob.remote.url, f"+{branch}:refs/theirs")
    newer = bob.repository.commit("refs/theirs", {"b": b"more\n"}, "More")
    bob.repository.push(bob.remote.url, {branch: newer}, {branch: pull.head})
    assert ada.forge.pull(1).head == newer
    with pytest.raises(CheckFailedError, match="no passing check"):
        ada.forge.merge(1)
    checked(ada, replace(pull, head=newer))
    ada.forge.merge(1)
    assert ada.remote.refs()["refs/pull/1/head"] == newer
    assert ada.remote.refs()[branch] == newer  # a person's branch is a person's to delete


def test_a_branch_that_is_nobodys_pull_request_is_not_overwritten(ada, bob) -> None:
    work = bob.propose("work")
    bob.repository.push(bob.remote.url, {f"refs/heads/{BRANCH}": work}, {})
    with pytest.raises(CheckFailedError, match="which no pull request proposed"):
        opened(ada)
    assert bob.remote.refs()[f"refs/heads/{BRANCH}"] == work


def test_a_pull_request_is_opened_from_a_branch_that_is_already_there(bob) -> None:
    work = bob.propose("work")
    bob.repository.push(bob.remote.url, {"refs/heads/fix": work}, {})
    assert bob.forge.open_pull("fix", "main", work, "Fix", "").head == work


def test_a_closed_pull_request_makes_room_for_another_of_its_branch(ada) -> None:
    opened(ada)
    closed = ada.forge.close(1)
    assert (closed.state, closed.by) == (State.CLOSED, "ada")
    assert f"refs/heads/{BRANCH}" not in ada.remote.refs()
    assert opened(ada, name="b").number == 2
    with pytest.raises(CheckFailedError, match="pull request 1 is closed"):
        ada.forge.merge(1)
    assert [pull.number for pull in ada.forge.pulls(State.OPEN)] == [2]


def test_closing_or_merging_twice_is_the_same_as_once(ada) -> None:
    checked(ada, opened(ada))
    assert ada.forge.merge(1) == ada.forge.merge(1)
    with pytest.raises(CheckFailedError, match="is merged"):
        ada.forge.close(1)


def test_there_is_one_comment_a_marker_and_it_is_updated(ada, bob) -> None:
    opened(ada)
    ada.forge.comment(1, "check", "first")
    bob.forge.comment(1, "other", "hello")
    ada.forge.comment(1, "check", "second")
    assert [(c.marker, c.author, c.body) for c in bob.forge.comments(1)] == [
        ("check", "ada", "second"),
        ("other", "bob", "hello"),
    ]


def test_writing_what_is_there_writes_nothing(ada) -> None:
    pull = opened(ada)
    ada.forge.comment(1, "check", "same")
    checked(ada, pull)
    before = ada.remote.refs()
    ada.forge.comment(1, "check", "same")
    checked(ada, pull)
    ada.forge.update_pull(1, pull.head, pull.title, pull.body)
    assert ada.remote.refs() == before


def test_comments_written_at_once_are_all_kept(person) -> None:
    people = [person(f"bot-{number}") for number in range(4)]
    opened(people[0])
    threads = [
        threading.Thread(target=someone.forge.comment, args=(1, f"marker-{place}", f"text {place}"))
        for place, someone in enumerate(people)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(comment.body for comment in people[0].forge.comments(1)) == [f"text {n}" for n in range(4)]


def test_the_diff_is_what_a_merge_changes_and_later_what_it_changed(ada, bob) -> None:
    pull = opened(ada)
    bob.push_main("elsewhere")
    before = ada.forge.diff(1)
    assert "+new" in before and "elsewhere" not in before
    checked(ada, pull)
    ada.forge.merge(1)
    assert ada.forge.diff(1) == before


def test_an_unknown_number_names_the_known_ones(ada) -> None:
    opened(ada)
    with pytest.raises(NotFoundError, match="no pull request 7; there are: 1"):
        ada.forge.pull(7)


def test_a_title_from_outside_stays_one_line(ada) -> None:
    hostile = "Add\n\nSigned-off-by: root\x1b[2J" + "x" * 500
    pull = ada.forge.open_pull(BRANCH, "main", ada.propose("a"), hostile, "")
    assert pull.title.startswith("Add Signed-off-by: root [2J") and len(pull.title) == 200


@pytest.mark.parametrize("branch", ["a..b", "-x", "a b", "x/../y", "a\nb", "a:b"])
def test_a_branch_name_that_is_none_is_refused(ada, branch: str) -> None:
    with pytest.raises(InputError, match="is not a ref name"):
        ada.forge.open_pull(branch, "main", ada.propose("a"), "x", "")


@pytest.mark.parametrize(
    "garbled", [b"", b"[]", b'{"number": 1}', b'{"number": 2}', b"\xff", b'{"number":1,"base":"../x","headRef":"y"}']
)
def test_a_garbled_pull_request_hides_none_of_the_others(ada, garbled: bytes) -> None:
    opened(ada)
    opened(ada, branch="mlgitops/propose/iris.2", name="b")
    meta = "refs/pull/1/meta"
    bad = ada.repository.commit(None, {"pull.json": garbled}, "x")
    ada.repository.push(ada.remote.url, {meta: bad}, {meta: ada.remote.refs()[meta]})
    assert [pull.number for pull in ada.forge.pulls()] == [2]
    with pytest.raises(InputError, match="refs/pull/1/meta"):
        ada.forge.pull(1)
    assert opened(ada, branch="mlgitops/propose/iris.3", name="c").number == 3


def test_a_file_address_means_the_local_forge(ada) -> None:
    config = Config({"registry": {"url": ada.remote.url}})
    assert isinstance(connect(config, ada.repository), LocalForge)


def test_an_unknown_forge_is_refused_without_printing_a_password(ada) -> None:
    config = Config({"registry": {"url": "https://bob:s3cret@example.com/r.git"}})
    with pytest.raises(InputError, match=r"no forge is known for https://example.com/r.git") as caught:
        connect(config, ada.repository)
    assert "s3cret" not in str(caught.value)


def test_a_remote_that_went_away_is_reported_as_outside(tmp_path, ada) -> None:
    opened(ada)
    ada.remote.folder.rename(tmp_path / "away")
    with pytest.raises(OutsideError, match="cannot fetch"):
        ada.forge.pulls()


def test_an_approval_is_of_one_head_and_a_new_commit_takes_it_back(ada, bob) -> None:
    pull = opened(ada)
    for _ in range(2):
        bob.forge.approve(pull.number, pull.head)
    assert [(found.by, found.head) for found in ada.forge.approvals(pull.number)] == [("bob", pull.head)]
    newer = ada.forge.update_pull(pull.number, ada.propose("b"), "Add b", "")
    assert ada.forge.approvals(pull.number) == ()
    with pytest.raises(CheckFailedError, match="by now, not"):
        bob.forge.approve(pull.number, pull.head)
    bob.forge.approve(pull.number, newer.head)
    assert len(ada.forge.approvals(pull.number)) == 1


def test_nobody_approves_what_is_their_own_or_closed(ada, bob) -> None:
    pull = opened(ada)
    with pytest.raises(CheckFailedError, match="ada's own"):
        ada.forge.approve(pull.number, pull.head)
    ada.forge.close(pull.number)
    with pytest.raises(CheckFailedError, match="is closed"):
        bob.forge.approve(pull.number, pull.head)
