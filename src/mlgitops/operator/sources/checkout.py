"""Git's part of a synchronisation: which commit is meant, and what objects it holds.

Everything here blocks (processes, files) and is called in a thread. A clone is only a
cache: bare, one commit deep, and made again when it is lost.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlgitops import config, registry
from mlgitops.api import durations
from mlgitops.api.source import GitReference, RegistrySourceSpec
from mlgitops.errors import InvalidError, NotFoundError, Problem
from mlgitops.files import lock
from mlgitops.git import Login, Repository, SshLogin, ls_remote, public_url, signer
from mlgitops.kube import Raw
from mlgitops.plan.closure import Name

_HEAD = "refs/mlgitops/head"
# Whoever made the source object decides what is synchronised, not the repository.
_NEVER = "RegistrySource"


@dataclass(frozen=True, slots=True)
class Checkout:
    """The objects of one commit, by kind and name; ``commit`` is its full name."""

    commit: str
    objects: Mapping[Name, Raw]


def remote_commit(spec: RegistrySourceSpec, login: Login | SshLogin | None = None) -> str:
    """Ask the remote which object its ref names now, without fetching anything.

    For an annotated tag that is the tag's own name: it changes when the tag does.

    Raises:
        NotFoundError: the remote has no such ref.
        OutsideError: the remote cannot be read.
    """
    if spec.ref.commit:
        return spec.ref.commit
    ref = _remote_ref(spec.ref)
    found = ls_remote(spec.url, ref, login=login, timeout=durations.seconds(spec.timeout))
    if ref not in found:
        raise NotFoundError(f"git repository {public_url(spec.url)} has no {ref}")
    return found[ref]


def checkout(spec: RegistrySourceSpec, login: Login | SshLogin | None = None) -> Checkout:
    """Fetch what a source follows and read its objects.

    Raises:
        NotFoundError: the remote has no such ref, or the commit lacks one of the paths.
        UnverifiedError: none of the keys of ``spec.verify`` signed the commit.
        InvalidError: with everything in the paths that is no valid object of ours.
        OutsideError: the remote cannot be read.
    """
    with _clone(spec.url, login) as repository:
        ref = spec.ref.commit or _remote_ref(spec.ref)
        repository.fetch(spec.url, f"+{ref}:{_HEAD}", depth=1, timeout=durations.seconds(spec.timeout))
        commit = repository.resolve(_HEAD)
        if spec.verify:
            signer(repository.path, commit, {key.name: key.public_key for key in spec.verify.keys})
        files: dict[str, bytes] = {}
        for path in spec.paths:
            below = repository.tree(commit, path)
            if not below:
                raise NotFoundError(f"commit {commit[:12]} of {public_url(spec.url)} has no files below {path}/")
            files.update(below)
    return Checkout(commit, _objects(registry.load_files(files)))


def _remote_ref(ref: GitReference) -> str:
    return f"refs/tags/{ref.tag}" if ref.tag else f"refs/heads/{ref.branch or 'main'}"


@contextlib.contextmanager
def _clone(url: str, login: Login | SshLogin | None) -> Iterator[Repository]:
    """Open our clone of a repository; one thread or process at a time uses it."""
    folder = _folder(url)
    with lock(folder.with_suffix(".lock")):
        repository = Repository.init(folder, bare=True)
        repository.login = login
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
