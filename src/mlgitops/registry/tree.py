"""A registry as it stands at one moment: every object, with the file it came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

from mlgitops import api
from mlgitops.api import (
    Model,
    ModelDeployment,
    ModelStage,
    ModelVersion,
    PromotionPolicy,
    Resource,
    ServingRuntime,
    names,
)
from mlgitops.api.policy import DEFAULT_POLICY
from mlgitops.errors import InvalidError, NotFoundError, Problem
from mlgitops.git import Repository
from mlgitops.registry import layout, reading
from mlgitops.registry.documents import MAX_BYTES, Document

R = TypeVar("R", bound=Resource)
Root = Path | tuple[Repository, str]


class Entry:
    """An object, its document and the environment it belongs to (empty: all of them).

    The typed object is made when it is first asked for: whoever promotes one model of a hundred
    looks at a few objects of thousands.
    """

    __slots__ = ("_resource", "document", "environment", "key")

    def __init__(self, document: Document, environment: str, resource: Resource | None = None) -> None:
        self.document = document
        self.environment = environment
        # The kind and the name.
        self.key: tuple[str, str] = (document.raw["kind"], document.raw["metadata"]["name"])
        self._resource = resource

    @property
    def resource(self) -> Resource:
        """The object, typed."""
        if self._resource is None:
            self._resource = api.parse(self.document.raw)
        return self._resource


class Tree:
    """The objects of a registry by kind and name. What could not be read is in ``problems``, its files in ``unread``.

    Where two files claim one object, the first path counts; ``validate`` reports them.
    """

    def __init__(self, entries: Iterable[Entry], problems: Iterable[Problem] = ()) -> None:
        self.entries = tuple(entries)
        self.problems = tuple(problems)
        self.unread = frozenset(problem.file for problem in self.problems)
        self._entries: dict[tuple[str, str], Entry] = {}
        self._kinds: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if self._entries.setdefault(entry.key, entry) is entry:
                self._kinds.setdefault(entry.key[0], []).append(entry)
        self._versions: dict[str, list[Entry]] = {}
        for entry in self._kinds.get(ModelVersion.__name__, ()):
            self._versions.setdefault(entry.document.raw["spec"]["modelRef"]["name"], []).append(entry)

    def entry(self, kind: str, name: str) -> Entry | None:
        """Return the entry of an object, or None."""
        return self._entries.get((kind, name))

    def find(self, cls: type[R], name: str) -> R | None:
        """Return the object of a kind with a name, or None."""
        entry = self.entry(cls.__name__, name)
        return cast("R", entry.resource) if entry else None

    def all(self, cls: type[R]) -> Iterator[R]:
        """Yield every object of a kind."""
        return (cast("R", entry.resource) for entry in self._kinds.get(cls.__name__, ()))

    def model(self, name: str) -> Model | None:
        """Return a Model, or None."""
        return self.find(Model, name)

    def version(self, model: str, version: str | int) -> ModelVersion | None:
        """Return a ModelVersion, or None."""
        return self.find(ModelVersion, names.model_version(model, version))

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """Return a model's versions, the lowest number first."""
        found = (cast("ModelVersion", entry.resource) for entry in self._versions.get(model, ()))
        return tuple(sorted(found, key=lambda version: int(version.spec.version)))

    def stage(self, model: str, stage: str) -> ModelStage | None:
        """Return what fills a model's stage, or None."""
        return self.find(ModelStage, names.model_stage(model, stage))

    def policy(self, model: str) -> PromotionPolicy | None:
        """Return the policy that judges a model's promotions, or None."""
        return self.find(PromotionPolicy, policy_name(self.model(model)))

    def runtimes(self) -> tuple[ServingRuntime, ...]:
        """Return every ServingRuntime."""
        return tuple(self.all(ServingRuntime))

    def deployments(self, environment: str | None = None) -> tuple[ModelDeployment, ...]:
        """Return the ModelDeployments of one environment, or of all."""
        return tuple(
            cast("ModelDeployment", entry.resource)
            for entry in self.entries
            if entry.key[0] == ModelDeployment.__name__ and environment in (None, entry.environment)
        )

    @property
    def environments(self) -> tuple[str, ...]:
        """The environments that have a deployment."""
        return tuple(sorted({entry.environment for entry in self.entries if entry.environment}))


def policy_name(model: Model | None) -> str:
    """Return the name of the policy that judges a model's promotions."""
    return model.spec.policy_ref.name if model and model.spec.policy_ref else DEFAULT_POLICY


def load(root: Root) -> Tree:
    """Read a registry from its folder, or from a commit as ``(repository, commit)``.

    Raises:
        NotFoundError: there is no folder ``registry``.
        InvalidError: with everything in it that is no valid object of ours.
    """
    return _sound(read(root))


def load_files(files: Mapping[str, bytes]) -> Tree:
    """Read a registry from files by their path in the repository; every YAML or JSON file counts.

    Raises:
        InvalidError: with everything that is no valid object of ours.
    """
    return _sound(read_files(files))


def read(root: Root) -> Tree:
    """Read a registry like ``load``, but keep what is wrong in ``Tree.problems``.

    Raises:
        NotFoundError: there is no folder ``registry``.
    """
    if not isinstance(root, Path):
        return read_files(committed_files(*root))
    if not (root / layout.ROOT).is_dir():
        raise NotFoundError(f"{root} has no folder {layout.ROOT}; make a registry with: mlgitops init {root}")
    files, problems = _files_below(root)
    tree = read_files(files)
    return Tree(tree.entries, (*problems, *tree.problems))


def read_files(files: Mapping[str, bytes]) -> Tree:
    """Read a registry like ``load_files``, but keep what is wrong in ``Tree.problems``."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    wanted = {path: files[path] for path in sorted(files) if path.endswith(layout.SUFFIXES)}
    for judged in reading.judge(wanted):
        if isinstance(judged, Document):
            entries.append(Entry(judged, layout.environment_of(judged.file)))
        else:
            problems.extend(judged)
    return Tree(entries, problems)


def _sound(tree: Tree) -> Tree:
    if tree.problems:
        raise InvalidError(tree.problems)
    return tree


def applied_files(root: Path) -> dict[str, bytes]:
    """Return the files of a folder's registry that are applied, by their path in the repository.

    Raises:
        NotFoundError: there is no folder ``registry``.
        InvalidError: something in it is a symbolic link.
    """
    if not (root / layout.ROOT).is_dir():
        raise NotFoundError(f"{root} has no folder {layout.ROOT}; make a registry with: mlgitops init {root}")
    files, problems = _files_below(root)
    if problems:
        raise InvalidError(problems)
    return files


def committed_files(repository: Repository, commit: str, below: str = "") -> dict[str, bytes]:
    """Return the files of a commit's registry that are applied, by their path in the registry.

    Args:
        repository: holds the commit.
        commit: a commit, or what names one.
        below: what the registry's paths begin with in the repository; empty when it lies at the top.
    """
    tree = repository.tree(commit, f"{below}{layout.ROOT}")
    applied = (path for path in tree if layout.is_applied(path.removeprefix(below)))
    return {path.removeprefix(below): data for path, data in tree.contents(applied).items()}


def below_top(root: Path, repository: Repository) -> str:
    """Return what a registry's paths begin with in the git repository that holds it: ``""``, or ``folder/``.

    Raises:
        NotFoundError: the repository lies inside of the registry.
    """
    root, top = root.resolve(), (repository.root or root).resolve()
    if not root.is_relative_to(top):
        raise NotFoundError(f"{top} is a git repository of its own inside of the registry {root}; run this in {root}")
    return "".join(f"{part}/" for part in root.relative_to(top).parts)


def _files_below(root: Path) -> tuple[dict[str, bytes], list[Problem]]:
    """Read the applied files of a folder; what lies behind a symbolic link is not followed."""
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    folders = [layout.ROOT]
    if (root / layout.ROOT).is_symlink():
        return {}, [_link(layout.ROOT)]
    while folders:
        folder = folders.pop()
        for entry in os.scandir(root / folder):
            path = f"{folder}/{entry.name}"
            if entry.is_symlink():
                problems.append(_link(path))
            elif entry.is_dir():
                if os.path.lexists(f"{entry.path}/.git"):
                    # A clone of this repository would find an empty folder.
                    problems.append(
                        Problem(path, 0, "", "is a repository of its own; a registry holds plain files only")
                    )
                else:
                    folders.append(path)
            elif entry.is_file() and layout.is_applied(path):
                with open(entry.path, "rb") as file:
                    # One byte more than an object may have: whoever judges it sees that it is too large.
                    files[path] = file.read(MAX_BYTES + 1 if entry.stat().st_size > MAX_BYTES else -1)
    return files, problems


def _link(path: str) -> Problem:
    return Problem(path, 0, "", "is a symbolic link; a registry holds plain files only")
