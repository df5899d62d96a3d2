"""What ``mlgitops check`` is asked, from the folder of a clone: CI's, or somebody's own."""

from __future__ import annotations

from pathlib import Path

from mlgitops import config, forge
from mlgitops.bot.case import Question
from mlgitops.bot.check import check
from mlgitops.bot.context import actor
from mlgitops.bot.report import Report
from mlgitops.errors import NotFoundError, OutsideError
from mlgitops.evidence import Ledger
from mlgitops.forge import Forge, Pull
from mlgitops.git import Repository
from mlgitops.promotion import Review

_DEEPEN = "run: git fetch --unshallow"


def ask(folder: Path, *, base: str, pull: int | None, read_only: bool) -> tuple[Report, Forge | None]:
    """Check a pull request, or what is checked out, against its base.

    With a pull request, base and head are fetched from the registry's remote: what CI happens to have
    checked out, and how shallow it is, does not matter. Without one they are the clone's own commits,
    and a shallow clone is deepened first. Either way the settings are those of the *base*: a change
    must not choose whose ledger judges it.

    Args:
        folder: any folder of a clone of the registry.
        base: a branch or commit.
        pull: the pull request's number, or None.
        read_only: reserve nothing.

    Raises:
        NotFoundError: base or pull request do not exist.
        OutsideError: the registry's remote cannot be read, or a shallow clone cannot be deepened.
    """
    repository = Repository.open(folder)
    branch = base.removeprefix("origin/")
    if pull is None:
        start, head, found = _resolved(repository, base), repository.resolve("HEAD"), None
        review = None
        settings = _settings(repository, start, folder)
        url = settings.require("registry.url")
        if repository.is_shallow:
            _deepen(repository, url, branch, start, head)
    else:
        start = _fetched(repository, folder, branch)
        settings = _settings(repository, start, folder)
        url = settings.require("registry.url")
        found = forge.connect(settings, repository)
        proposed = found.pull(pull)
        head, review = proposed.head, reviewed(found, proposed)
    question = Question(repository, start, head, Ledger(repository, url), "" if read_only else actor(), review)
    return check(question), found


def reviewed(found: Forge, pull: Pull) -> Review:
    """Return who approved the head that a pull request was read with."""
    approvals = (approval.by for approval in found.approvals(pull.number) if approval.head == pull.head)
    return Review(pull.number, pull.author, tuple(approvals))


def _resolved(repository: Repository, base: str) -> str:
    try:
        return repository.resolve(base)
    except NotFoundError:
        # CI's clones have the branch they work on, and of the others what the remote had.
        return repository.resolve(f"refs/remotes/origin/{base}")


def _fetched(repository: Repository, folder: Path, branch: str) -> str:
    """Fetch the base branch from where the clone came from, not from where its work tree says."""
    url = repository.remote_url() or config.load(folder).require("registry.url")
    ref = f"refs/mlgitops/base/{branch}"
    repository.fetch(url, f"+refs/heads/{branch}:{ref}")
    repository.deepen(url, f"refs/heads/{branch}")
    return repository.resolve(ref)


def _deepen(repository: Repository, url: str, branch: str, start: str, head: str) -> None:
    try:
        repository.deepen(url, f"refs/heads/{branch}")
    except NotFoundError as error:
        raise OutsideError(f"this clone is shallow and {branch} is no branch; {_DEEPEN}") from error
    if repository.merge_base(start, head) is None:
        raise OutsideError(f"this clone is too shallow to say what {head[:12]} changes; {_DEEPEN}")


def _settings(repository: Repository, commit: str, folder: Path) -> config.Config:
    text = repository.read(commit, config.FILE)
    if text is None:
        # Not the folder's: what is checked out is the pull request's, which must not choose its judges.
        return config.Config(root=folder)
    return config.parse(text.decode("utf-8", "replace"), where=f"{config.FILE} of {commit[:12]}", root=folder)
