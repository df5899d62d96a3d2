"""Look, try, and look again before another try."""

from __future__ import annotations

import pytest

from mlgitops.errors import ConflictError, OutsideError, RefusedError
from mlgitops.git import settle
from mlgitops.git.settling import UNANSWERED


class Remote:
    """A remote that takes a value, and answers each attempt as it is told to."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.value: str | None = None
        self.attempts = 0

    def look(self) -> str | None:
        return self.value

    def attempt(self) -> str:
        self.attempts += 1
        answer = self.answers.pop(0)
        if answer == "lost":
            raise ConflictError("somebody was first")
        if answer not in ("failed", "refused"):
            self.value = "mine"
        if answer == "refused":
            raise RefusedError("not yours")
        if answer != "done":
            raise OutsideError("no answer")
        return "mine"


def test_what_is_there_is_not_put_there_again() -> None:
    remote = Remote()
    remote.value = "theirs"
    assert settle(remote.look, remote.attempt) == "theirs"
    assert remote.attempts == 0


def test_a_lost_race_is_run_again() -> None:
    remote = Remote("lost", "lost", "done")
    assert settle(remote.look, remote.attempt) == "mine"
    assert remote.attempts == 3


def test_an_unanswered_push_that_was_done_is_not_repeated() -> None:
    remote = Remote("unanswered")
    assert settle(remote.look, remote.attempt) == "mine"
    assert remote.attempts == 1


def test_the_last_unanswered_push_is_looked_for_too() -> None:
    remote = Remote(*["failed"] * (UNANSWERED - 1), "unanswered")
    assert settle(remote.look, remote.attempt) == "mine"


def test_a_remote_that_keeps_failing_is_given_up() -> None:
    remote = Remote(*["failed"] * 10)
    with pytest.raises(OutsideError, match="no answer"):
        settle(remote.look, remote.attempt)
    assert remote.attempts == UNANSWERED


def test_a_remote_that_says_no_is_not_asked_again() -> None:
    remote = Remote("refused")
    with pytest.raises(RefusedError, match="not yours"):
        settle(remote.look, remote.attempt)
    assert remote.attempts == 1
