"""Which version a stage named, and since when: read from git, where it cannot be rewritten unseen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlgitops.api import ModelStage
from mlgitops.errors import InvalidError
from mlgitops.git import Repository
from mlgitops.registry import layout
from mlgitops.registry.tree import load_files


@dataclass(frozen=True, slots=True)
class Naming:
    """A version that a stage named from one commit on; None where the stage's file was deleted or unreadable."""

    version: str | None
    commit: str
    at: datetime
    by: str


def history(repository: Repository, ref: str, model: str, stage: str) -> tuple[Naming, ...]:
    """Return what a stage named, the newest first; commits that did not change the version are left out.

    Raises:
        NotFoundError: the repository has no such ref.
    """
    path = layout.stage(model, stage)
    found: list[Naming] = []
    # First parents only: the base branch's own story, in which a merge is one event.
    for commit in reversed(repository.log(ref, path, first_parent=True)):
        version = _version(repository, commit.sha, path)
        if not found or found[-1].version != version:
            found.append(Naming(version, commit.sha, commit.at, commit.author.name))
    return tuple(reversed(found))


def _version(repository: Repository, commit: str, path: str) -> str | None:
    files = repository.tree(commit, path)
    try:
        stages = list(load_files({name: files[name] for name in files if name == path}).all(ModelStage))
    except InvalidError:
        return None
    return stages[0].spec.version if stages else None
