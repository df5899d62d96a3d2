"""What a verb's arguments name, or an error that lists what exists."""

from __future__ import annotations

from datetime import UTC, datetime

from mlgitops import registry
from mlgitops.api import Model, ModelStage, ModelVersion
from mlgitops.api.model import Hold
from mlgitops.errors import NotFoundError
from mlgitops.git import Repository
from mlgitops.registry import Entry, Tree


def model(tree: Tree, name: str) -> Model:
    """Return a model by its name.

    Raises:
        NotFoundError: there is none; the message lists those there are.
    """
    found = tree.model(name)
    if found is None:
        known = ", ".join(sorted(other.metadata.name for other in tree.all(Model))) or "none yet"
        raise NotFoundError(f"the registry has no model {name!r}; known: {known}")
    return found


def version(tree: Tree, model_name: str, number: str) -> ModelVersion:
    """Return a version by its number.

    Raises:
        NotFoundError: model or version do not exist; the message lists those that do.
    """
    model(tree, model_name)
    found = tree.version(model_name, number)
    if found is None:
        known = ", ".join(other.spec.version for other in tree.versions(model_name)) or "none yet"
        raise NotFoundError(f"model {model_name} has no version {number!r}; known: {known}")
    return found


def champion(tree: Tree, model_name: str, stage: str) -> ModelVersion | None:
    """Return what a stage names now, or None when it names nothing yet.

    Raises:
        NotFoundError: the model has no such stage; the message lists those it has.
    """
    stages = [found.name for found in model(tree, model_name).spec.stages]
    if stage not in stages:
        raise NotFoundError(f"model {model_name} has no stage {stage!r}; known: {', '.join(stages)}")
    current = tree.stage(model_name, stage)
    return version(tree, model_name, current.spec.version) if current else None


def earlier(repository: Repository, commit: str, model_name: str, stage: str, now: str | None) -> tuple[str, ...]:
    """Return the versions that a stage named before it first named ``now``, the newest first.

    Only these are a way back: what came after ``now`` is what a rollback to ``now`` left behind.
    """
    named = [change.version for change in registry.history(repository, commit, model_name, stage) if change.version]
    return tuple(named[len(named) - named[::-1].index(now) :] if now in named else named)


def former(repository: Repository, commit: str, path: str) -> Entry | None:
    """Return the object that lay at a path when a branch last had one there that could be read."""
    for change in repository.log(commit, path, first_parent=True):
        data = repository.read(change.sha, path)
        entries = registry.read_files({path: data}).entries if data is not None else ()
        if entries:
            return entries[0]
    return None


def hold(stage: ModelStage | None, now: datetime) -> Hold | None:
    """Return the hold that keeps bots off a stage at an instant; one whose time is over does not."""
    found = stage.spec.hold if stage else None
    return None if found and found.until and _instant(found.until) <= now else found


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)  # what nobody can read never ends by itself
    return found if found.tzinfo else found.replace(tzinfo=UTC)
