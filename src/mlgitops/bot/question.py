"""What ``mlgitops check`` is asked, from the folder of a clone: CI's, or somebody's own."""

from __future__ import annotations

from pathlib import Path

from mlgitops import config, forge
from mlgitops.bot.check import Question, check
from mlgitops.bot.context import actor
from mlgitops.bot.report import Report
from mlgitops.errors import NotFoundError
from mlgitops.evidence import Ledger
from mlgitops.forge import Forge
from mlgitops.git import Repository


def ask(folder: Path, *, base: str, pull: int | None, read_only: bool) -> tuple[Report, Forge | None]:
    """Check a pull request, or what is checked out, against its base.

    With a pull request, base and head are fetched from the registry's remote: what CI happens to have
    checked out, and how shallow it is, does not matter. Without one they are the clone's own commits,
    and a shallow clone is deepened first.

    Args:
        folder: any folder of a clone of the registry.
        base: a branch or commit.
        pull: the pull request's number, or None.
        read_only: reserve nothing.

    Raises:
        NotFoundError: base or pull request do not exist.
        OutsideError: the registry's remote cannot be read.
    """
    repository = Repository.open(folder)
    branch = base.removeprefix("origin/")
    if pull is None:
        settings = _settings(repository, base, folder)
        url = settings.require("registry.url")
        repository.deepen(url, f"refs/heads/{branch}")
        start, head, found = repository.resolve(base), repository.resolve("HEAD"), None
    else:
        settings = config.load(folder)
        url = settings.require("registry.url")
        ref = f"refs/mlgitops/base/{branch}"
        repository.fetch(url, f"+refs/heads/{branch}:{ref}")
        repository.deepen(url, f"refs/heads/{branch}")
        start, found = repository.resolve(ref), forge.connect(settings, repository)
        head = found.pull(pull).head
    ledger = Ledger(repository, url)
    question = Question(repository, start, head, ledger, actor="" if read_only else actor())
    return check(question), found


def _settings(repository: Repository, base: str, folder: Path) -> config.Config:
    """Read the settings of the *base*: a change must not choose whose ledger judges it."""
    try:
        text = repository.tree(repository.resolve(base), config.FILE)[config.FILE].decode("utf-8", "replace")
    except (KeyError, NotFoundError):
        return config.load(folder)
    return config.parse(text, where=f"{config.FILE} of {base}", root=folder)
