"""One object by reading its one file: the same time for ten versions and for a hundred thousand."""

from __future__ import annotations

from mlgitops import api
from mlgitops.api import ModelStage, ModelVersion, Resource
from mlgitops.errors import InvalidError, NotFoundError, Problem
from mlgitops.git import Repository
from mlgitops.registry import layout, reading


def stage(repository: Repository, commit: str, model: str, name: str) -> ModelStage:
    """Return what fills a model's stage at a commit; the rest of the registry is not looked at.

    Raises:
        NotFoundError: there is no such stage, or nothing was promoted to it.
        InvalidError: its file is no valid ModelStage.
    """
    found = _read(repository, commit, layout.stage(model, name))
    if not isinstance(found, ModelStage):
        raise _another("ModelStage", layout.stage(model, name))
    return found


def version(repository: Repository, commit: str, model: str, number: str | int) -> ModelVersion:
    """Return a ModelVersion at a commit; the rest of the registry is not looked at.

    Raises:
        NotFoundError: there is no such version.
        InvalidError: its file is no valid ModelVersion.
    """
    found = _read(repository, commit, layout.version(model, number))
    if not isinstance(found, ModelVersion):
        raise _another("ModelVersion", layout.version(model, number))
    return found


def _read(repository: Repository, commit: str, path: str) -> Resource:
    data = repository.read(repository.resolve(commit), path)
    if data is None:
        raise NotFoundError(f"{path} is not in the registry at {commit}; look for what is with: mlgitops validate")
    return api.parse(reading.sound(path, data).raw)


def _another(kind: str, path: str) -> InvalidError:
    return InvalidError([Problem(path, 1, "kind", f"must be {kind}; only that may lie here")])
