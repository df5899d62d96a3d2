"""Reserved numbers and statements on the ledger's branch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlgitops.errors import CheckFailedError, InputError, OutsideError
from mlgitops.evidence import BRANCH, Key, Ledger, Statement, sign
from mlgitops.git import Repository, ls_remote

pytestmark = pytest.mark.slow

ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    Repository.init(tmp_path / "remote.git", bare=True)
    return tmp_path / "remote.git"


class Desk:
    """Someone's own clone, and the ledger as seen from it."""

    def __init__(self, remote: Path, folder: Path) -> None:
        self.repository = Repository.init(folder, bare=True)
        self.ledger = Ledger(self.repository, f"file://{remote}")


@pytest.fixture
def desks(tmp_path: Path, remote: Path) -> Iterator[list[Desk]]:
    found = [Desk(remote, tmp_path / f"desk-{number}") for number in range(4)]
    yield found
    for desk in found:
        desk.repository.close()


def lose_answers(remote: Path, times: int) -> None:
    """Make the remote die after it has done a push and before it says so, the next ``times`` times."""
    hook = remote / "hooks" / "post-update"
    hook.parent.mkdir(exist_ok=True)
    count = f'echo x >> "{remote}/lost"'
    hook.write_text(f'#!/bin/sh\n{count}\n[ "$(wc -l < "{remote}/lost")" -le {times} ] && kill -9 "$PPID"\nexit 0\n')
    hook.chmod(0o755)


def test_a_registry_without_a_ledger_has_no_numbers(desks: list[Desk]) -> None:
    assert desks[0].ledger.fetch() is None
    assert desks[0].ledger.reservations("iris") == {}
    assert desks[0].ledger.statements("iris", 1) == ()


def test_numbers_start_at_one_and_follow_the_highest_in_use(desks: list[Desk]) -> None:
    ledger = desks[0].ledger
    assert ledger.reserve("iris", ONE, "run-1", "ada") == 1
    assert ledger.reserve("iris", TWO, "run-2", "ada", taken=["7", "2"]) == 8
    assert ledger.reserve("iris", THREE, "run-3", "ada") == 9
    assert ledger.reserve("wine", ONE, "run-1", "ada") == 1


def test_a_digest_keeps_its_number_from_wherever_it_is_asked(desks: list[Desk]) -> None:
    assert desks[0].ledger.reserve("iris", ONE, "run-1", "ada") == 1
    assert desks[1].ledger.reserve("iris", ONE, "run-1", "bob", taken=[5]) == 1
    held = desks[2].ledger.reservation("iris", 1)
    assert held is not None and (held.digest, held.run_id, held.by) == (ONE, "run-1", "ada")


def test_of_many_who_reserve_at_once_each_gets_a_number_of_its_own(desks: list[Desk]) -> None:
    numbers: dict[int, int] = {}

    def reserve(place: int) -> None:
        numbers[place] = desks[place].ledger.reserve("iris", f"sha256:{str(place) * 64}", "run", "bot")

    threads = [threading.Thread(target=reserve, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers.values()) == [1, 2, 3, 4]


def test_of_many_who_reserve_one_digest_at_once_all_get_the_same_number(desks: list[Desk]) -> None:
    numbers: list[int] = []
    threads = [
        threading.Thread(target=lambda d=desk: numbers.append(d.ledger.reserve("iris", ONE, "run", "bot")))
        for desk in desks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == [1, 1, 1, 1]
    desks[0].ledger.fetch()
    assert list(desks[0].ledger.reservations("iris")) == [1]


def test_a_reservation_whose_answer_was_lost_is_found_and_not_made_again(remote: Path, desks: list[Desk]) -> None:
    lose_answers(remote, 1)
    assert desks[0].ledger.reserve("iris", ONE, "run-1", "ada") == 1
    desks[1].ledger.fetch()
    assert list(desks[1].ledger.reservations("iris")) == [1]
    assert (remote / "lost").read_text().count("x") == 1


def test_a_remote_that_refuses_for_good_is_reported_in_its_own_words(remote: Path, desks: list[Desk]) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'the ledger is for bots' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(OutsideError, match="the ledger is for bots"):
        desks[0].ledger.reserve("iris", ONE, "run-1", "ada")


def test_a_number_written_by_hand_is_reserved_for_its_digest(desks: list[Desk]) -> None:
    desks[0].ledger.reserve_number("iris", 7, ONE, "", "maintainer")
    desks[1].ledger.reserve_number("iris", 7, ONE, "", "maintainer")
    assert desks[2].ledger.reserve("iris", TWO, "run-2", "ada") == 8


def test_a_number_of_another_digest_is_refused_and_the_next_free_one_named(desks: list[Desk]) -> None:
    desks[0].ledger.reserve("iris", ONE, "run-1", "ada")
    with pytest.raises(CheckFailedError, match=rf"iris:1 is reserved for {ONE}, .* next free number is 2"):
        desks[1].ledger.reserve_number("iris", 1, TWO, "", "maintainer")
    with pytest.raises(CheckFailedError, match="is reserved as iris:1 already"):
        desks[1].ledger.reserve_number("iris", 5, ONE, "", "maintainer")


def test_a_number_far_above_all_others_is_refused_and_the_free_one_named(desks: list[Desk]) -> None:
    desks[0].ledger.reserve_number("iris", 100, ONE, "", "maintainer")
    with pytest.raises(CheckFailedError, match="next free number is 101"):
        desks[1].ledger.reserve_number("iris", 999999999, TWO, "", "mallory")
    desks[1].ledger.reserve_number("iris", 300, TWO, "", "maintainer", taken=["200"])


def test_a_branch_that_asks_for_a_number_far_above_all_others_counts_for_nothing(desks: list[Desk]) -> None:
    assert desks[0].ledger.reserve("iris", ONE, "run", "bot", taken=["3"], asked=[5, 999999999]) == 6


def test_a_model_without_a_number_left_says_so(desks: list[Desk]) -> None:
    with pytest.raises(CheckFailedError, match="iris has no number left"):
        desks[0].ledger.reserve("iris", ONE, "run", "bot", taken=[999999999])
    assert desks[0].ledger.reservations("iris") == {}


def test_statements_come_newest_first_and_each_once(remote: Path, desks: list[Desk]) -> None:
    key = Key.generate()
    statements = [Statement("t", ONE, {"n": number}, (str(number),)) for number in range(3)]
    for desk, statement in zip(desks, statements, strict=False):
        desk.ledger.append("iris", 1, sign(statement, key), statement.name)
    desks[3].ledger.append("iris", 1, b"another telling of the same fact", statements[1].name)
    desks[3].ledger.fetch()
    assert list(desks[3].ledger.named_statements("iris", 1)) == [s.name for s in reversed(statements)]
    assert desks[3].ledger.statements("iris", 1) == tuple(sign(s, key) for s in reversed(statements))
    assert desks[3].ledger.statements("iris", 2) == ()


def test_a_statement_whose_answer_was_lost_stands_there_once(remote: Path, desks: list[Desk]) -> None:
    desks[0].ledger.reserve("iris", ONE, "run-1", "ada")
    lose_answers(remote, 1)
    desks[0].ledger.append("iris", 1, b"{}", "0123456789abcdef")
    desks[1].ledger.fetch()
    assert desks[1].ledger.statements("iris", 1) == (b"{}",)
    assert len(desks[1].repository.log(desks[1].ledger.commit or "")) == 2


def test_the_ledger_shares_no_history_with_the_registry(remote: Path, desks: list[Desk]) -> None:
    main = desks[0].repository.commit(None, {"README.md": b"x"}, "First")
    desks[0].repository.push(f"file://{remote}", {"refs/heads/main": main}, {})
    desks[0].ledger.reserve("iris", ONE, "run-1", "ada")
    ledger = ls_remote(f"file://{remote}")[f"refs/heads/{BRANCH}"]
    assert desks[0].repository.merge_base(main, ledger) is None


def test_what_was_fetched_before_can_be_dated_offline(tmp_path: Path, remote: Path, desks: list[Desk]) -> None:
    desks[0].ledger.reserve("iris", ONE, "run-1", "ada")
    remote.rename(tmp_path / "away")
    offline = Ledger(desks[0].repository, f"file://{remote}")
    with pytest.raises(OutsideError, match="cannot fetch"):
        offline.fetch()
    left = offline.last_fetched()
    assert left is not None and left.subject == "Reserve iris:1"


@pytest.mark.parametrize("model", ["../../x", "Iris", "a/b", "", "a" * 41])
def test_a_model_name_that_is_none_never_becomes_a_path(desks: list[Desk], model: str) -> None:
    with pytest.raises(InputError, match="is not a model's name"):
        desks[0].ledger.reserve(model, ONE, "run", "ada")


def test_a_reservation_that_somebody_garbled_is_named(remote: Path, desks: list[Desk]) -> None:
    repository = desks[0].repository
    bad = repository.commit(None, {"models/iris/1/reserved.json": b"{"}, "x")
    repository.push(f"file://{remote}", {f"refs/heads/{BRANCH}": bad}, {})
    with pytest.raises(InputError, match=r"models/iris/1/reserved.json on the branch mlgitops-ledger is not"):
        desks[0].ledger.reserve("iris", ONE, "run", "ada")
