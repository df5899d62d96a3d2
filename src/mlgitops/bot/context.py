"""What every verb works on: the registry's remote, its forge, its ledger and its store."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from mlgitops import config as settings
from mlgitops import forge as forges
from mlgitops import registry
from mlgitops.config import Config
from mlgitops.evidence import Key, Ledger
from mlgitops.files import lock
from mlgitops.forge import Forge
from mlgitops.git import Repository
from mlgitops.registry import Tree


@dataclass(frozen=True, slots=True)
class Remote:
    """The registry's remote with its forge and ledger; its tree may be as broken as it likes.

    ``repository`` is a bare mirror in the user's cache, never the folder somebody works in: verbs
    build commits from objects and push them, and touch no work tree.
    """

    config: Config
    url: str
    branch: str
    repository: Repository
    ledger: Ledger

    @property
    def forge(self) -> Forge:
        """Where pull requests live; only verbs that open or read one need a forge that we know.

        Raises:
            InputError: no forge is known for the registry.
        """
        return forges.connect(self.config, self.repository)

    def fetch(self, branch: str) -> str:
        """Return the commit that a branch of the remote has now.

        Raises:
            NotFoundError: there is no such branch.
            OutsideError: the remote cannot be read.
        """
        ref = f"refs/remotes/origin/{branch}"
        self.repository.fetch(self.url, f"+refs/heads/{branch}:{ref}")
        return self.repository.resolve(ref)


@dataclass(frozen=True, slots=True)
class Context(Remote):
    """The registry as a verb sees it: the base branch's commit and tree when the context was opened."""

    base: str
    tree: Tree

    @property
    def store(self) -> str:
        """The URI of the store for uploads."""
        return self.config.require("store.url")


def open_remote(config: Config | None = None) -> Remote:
    """Open the registry that the configuration names, without reading anything of it yet.

    Raises:
        InputError: ``registry.url`` is not set.
    """
    config = config or settings.load()
    url = config.require("registry.url")
    repository = mirror(url)
    return Remote(
        config=config,
        url=url,
        branch=config.get("registry.branch") or "main",
        repository=repository,
        ledger=Ledger(repository, url),
    )


def open_context(config: Config | None = None) -> Context:
    """Fetch the registry that the configuration names.

    Raises:
        InputError: ``registry.url`` is not set, or the registry's tree is malformed.
        OutsideError: the remote cannot be read.
    """
    found = open_remote(config)
    base = found.fetch(found.branch)
    return Context(
        config=found.config,
        url=found.url,
        branch=found.branch,
        repository=found.repository,
        ledger=found.ledger,
        base=base,
        tree=registry.load((found.repository, base)),
    )


def mirror(url: str) -> Repository:
    """Return the bare repository in the cache that stands for a remote; it holds what was fetched before."""
    folder = settings.cache_dir() / "registries" / hashlib.sha256(url.encode()).hexdigest()[:16]
    with lock(folder.with_suffix(".lock")):
        return Repository.open(folder) if folder.exists() else Repository.init(folder, bare=True)


def actor() -> str:
    """Return who acts, as pull requests and statements name them."""
    return os.environ.get("MLGITOPS_ACTOR") or settings.user()


def key_file(config: Config) -> Path:
    """Return where the evaluator's private key lies, or would lie."""
    chosen = config.get("signing.key")
    name = config.get("registry.name") or "default"
    return Path(chosen) if chosen else settings.config_dir() / "keys" / f"{name}.key"


def signing_key(config: Config) -> Key:
    """Return the evaluator's private key.

    Raises:
        NotFoundError: there is none at ``MLGITOPS_SIGNING_KEY`` or in the user's configuration.
    """
    return Key.load(key_file(config))
