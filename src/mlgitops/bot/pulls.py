"""``mlgitops pr``: what it adds to the forge, because only the bot knows how to check."""

from __future__ import annotations

from datetime import UTC, datetime

from mlgitops import registry
from mlgitops.api import PromotionPolicy
from mlgitops.bot.case import Question
from mlgitops.bot.check import check, publish
from mlgitops.bot.context import Remote, actor
from mlgitops.bot.question import reviewed
from mlgitops.errors import CheckFailedError
from mlgitops.forge import Pull, State

ROUNDS = 3  # the base branch may move between a check and the merge, but not for ever


def merge(remote: Remote, number: int, *, force: bool = False, now: datetime | None = None) -> Pull:
    """Merge a pull request; without a passing check for this head and this base commit, check again first.

    Args:
        remote: the registry.
        number: the pull request.
        force: merge whatever the check says; the pull request records it.
        now: the instant that the check judges at; default: the present one.

    Raises:
        NotFoundError: there is no such pull request.
        CheckFailedError: it is refused, closed, or the base branch kept moving.
        OutsideError: the registry cannot be read or written.
    """
    pull = remote.forge.pull(number)
    if not force and pull.state is State.OPEN and _depends_on_time(remote, remote.fetch(pull.base)):
        _check(remote, pull, now)
    for _ in range(ROUNDS):
        try:
            return remote.forge.merge(number, force=force, by=actor())
        except CheckFailedError:
            pull = remote.forge.pull(number)
            if force or pull.state is not State.OPEN:
                raise
        _check(remote, pull, now)
    raise CheckFailedError(
        f"branch {pull.base} or pull request {number} kept moving between check and merge; try again"
    )


def _check(remote: Remote, pull: Pull, now: datetime | None) -> None:
    base, review = remote.fetch(pull.base), reviewed(remote.forge, pull)
    moment = now or datetime.now(UTC)
    report = check(Question(remote.repository, base, pull.head, remote.ledger, actor(), review, moment))
    publish(report, remote.forge, pull.number)
    if not report.passed:
        raise CheckFailedError(
            f"pull request {pull.number} is refused: {report.summary}; the whole report: mlgitops pr show {pull.number}"
        )


def _depends_on_time(remote: Remote, base: str) -> bool:
    """Tell whether a check that passed a while ago may fail now although neither head nor base moved.

    A freeze begins; what soaks becomes unhealthy.
    """
    policies = registry.read((remote.repository, base)).all(PromotionPolicy)
    return any(policy.spec.freezes or policy.spec.soak for policy in policies)


def approve(remote: Remote, number: int, head: str = "") -> Pull:
    """Agree to a pull request as it stands, or as it stood when somebody looked at ``head``.

    Raises:
        NotFoundError: there is no such pull request, or no such commit.
        CheckFailedError: it is the actor's own, closed, or has another head by now.
    """
    pull = remote.forge.pull(number)
    remote.forge.approve(number, remote.repository.resolve(head) if head else pull.head)
    return pull


def open_from_branch(remote: Remote, branch: str, title: str, body: str) -> Pull:
    """Open a pull request from a branch that somebody pushed.

    Raises:
        NotFoundError: the remote has no such branch.
    """
    return remote.forge.open_pull(branch, remote.branch, remote.fetch(branch), title, body)
