"""Git's part of a synchronisation: which commit is meant, and what objects it holds.

Everything here blocks (processes, files) and is called in a thread. A clone is only a
cache: bare, one commit deep, and made again when it is lost.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlgitops import config, registry
from mlgitops.api import durations
from mlgitops.api.source import GitReference, RegistrySourceSpec
from mlgitops.errors import InvalidError, NotFoundError, Problem
from mlgitops.files import lock
from mlgitops.git import Repository, ls_remote, public_url, signer
from mlgitops.kube import Raw
from mlgitops.operator.sources import tags
from mlgitops.operator.sources.access import Access
from mlgitops.operator.sources.ignoring import ignored
from mlgitops.plan.closure import Name

_HEAD = "refs/mlgitops/head"
_TAGS = "refs/tags/"
# Whoever made the source object decides what is synchronised, not the repository.
_NEVER = "RegistrySource"


@dataclass(frozen=True, slots=True)
class Head:
    """A remote's ref, or a commit's own name, and the object that it names."""

    ref: str
    name: str

    @property
    def tag(self) -> str:
        """The tag's name, empty for what is no tag."""
        return self.ref.removeprefix(_TAGS) if self.ref.startswith(_TAGS) else ""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The objects of one commit, by kind and name; ``commit`` is its full name, ``head`` what was followed to it."""

    commit: str
    objects: Mapping[Name, Raw]
    head: Head


def remote_head(spec: RegistrySourceSpec, access: Access = None) -> Head:
    """Ask the remote what there is to follow now, without fetching anything.

    For an annotated tag that is the tag's own name: it changes when the tag does.

    Raises:
        NotFoundError: the remote has no such ref, or no tag in the range.
        InputError: ``spec.ref.semver`` is no range of versions.
        OutsideError: the remote cannot be read.
    """
    if spec.ref.commit:
        return Head(spec.ref.commit, spec.ref.commit)
    pattern = f"{_TAGS}*" if spec.ref.semver else _remote_ref(spec.ref)
    found = ls_remote(spec.url, pattern, login=access, timeout=durations.seconds(spec.timeout))
    ref = _newest(found, spec.ref.semver) if spec.ref.semver else pattern
    if ref not in found:
        sought = f"tag within {spec.ref.semver}" if spec.ref.semver else ref
        raise NotFoundError(f"git repository {public_url(spec.url)} has no {sought}")
    return Head(ref, found[ref])


def checkout(spec: RegistrySourceSpec, head: Head, access: Access = None) -> Checkout:
    """Fetch what a source follows and read its objects.

    Raises:
        NotFoundError: the remote no longer has the ref, or the commit lacks one of the paths.
        UnverifiedError: none of the keys of ``spec.verify`` signed the commit.
        InvalidError: with everything in the paths that is no valid object of ours.
        OutsideError: the remote cannot be read.
    """
    with _clone(spec.url, access) as repository:
        repository.fetch(spec.url, f"+{head.ref}:{_HEAD}", depth=1, timeout=durations.seconds(spec.timeout))
        commit = repository.resolve(_HEAD)
        if spec.verify:
            signer(repository.path, commit, {key.name: key.public_key for key in spec.verify.keys})
        files: dict[str, bytes] = {}
        for path in spec.paths:
            below = repository.tree(commit, path)
            if not below:
                raise NotFoundError(f"commit {commit[:12]} of {public_url(spec.url)} has no files below {path}/")
            files |= below.contents(below)
    passed_over = ignored(spec.ignore)
    kept = {path: data for path, data in files.items() if not passed_over(path)}
    return Checkout(commit, _objects(registry.load_files(kept)), head)


def _newest(refs: Iterable[str], wanted: str) -> str:
    """Return the ref of the highest tag in a range, empty when there is none."""
    tag = tags.highest((ref.removeprefix(_TAGS) for ref in refs), wanted)
    return _TAGS + tag if tag else ""


def _remote_ref(ref: GitReference) -> str:
    return f"{_TAGS}{ref.tag}" if ref.tag else f"refs/heads/{ref.branch or 'main'}"


@contextlib.contextmanager
def _clone(url: str, access: Access) -> Iterator[Repository]:
    """Open our clone of a repository; one thread or process at a time uses it."""
    folder = _folder(url)
    with lock(folder.with_suffix(".lock")):
        repository = Repository.init(folder, bare=True)
        repository.login = access
        try:
            yield repository
        finally:
            repository.close()


def _folder(url: str) -> Path:
    return config.cache_dir() / "sources" / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.git"


def _objects(tree: registry.Tree) -> dict[Name, Raw]:
    objects: dict[Name, Raw] = {}
    problems: list[Problem] = []
    places: dict[Name, str] = {}
    for entry in tree.entries:
        if entry.key in objects:
            first = places[entry.key]
            problems.append(entry.document.problem(("metadata", "name"), f"is in {first} too; one object, one file"))
        elif "namespace" in entry.document.raw["metadata"]:
            message = "must not be set; everything goes into the namespace of its RegistrySource"
            problems.append(entry.document.problem(("metadata", "namespace"), message))
        elif entry.key[0] != _NEVER:
            objects[entry.key] = dict(entry.document.raw)
            places[entry.key] = entry.document.file
    if problems:
        raise InvalidError(problems)
    return objects
