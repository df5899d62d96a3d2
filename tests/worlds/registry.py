"""A registry's bare remote with a store beside it, and the people and bots who work on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mlgitops import artifacts, config, digest, registry
from mlgitops.api import Metadata, ModelVersion, Reference
from mlgitops.api.model import Artifact, Environment, ModelVersionSpec, Source
from mlgitops.bot.context import Context, open_context
from mlgitops.evidence import Key
from mlgitops.git import Repository
from mlgitops.registry import layout

MAIN = "refs/heads/main"


@dataclass
class World:
    """A remote and a store, and nothing else that the people share."""

    folder: Path
    remote: Repository
    key: Key
    monkeypatch: pytest.MonkeyPatch

    @property
    def url(self) -> str:
        return (self.folder / "remote.git").as_uri()

    @property
    def store(self) -> str:
        return (self.folder / "store").as_uri()

    @property
    def main(self) -> str:
        return self.remote.resolve(MAIN)

    @property
    def settings(self) -> config.Config:
        data = self.remote.tree(self.main)[config.FILE]
        return config.parse(data.decode(), where=config.FILE)

    def context(self, name: str = "bot") -> Context:
        """Open the registry as somebody at a machine of their own sees it now."""
        self.monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(self.folder / f"cache-{name}"))
        self.monkeypatch.setenv("MLGITOPS_ACTOR", name)
        return open_context(self.settings)

    def commit(self, changes: Mapping[str, bytes | None], message: str = "By hand", *, branch: str = "main") -> str:
        """Commit to a branch of the remote as if somebody had pushed."""
        start = self.remote.refs(f"refs/heads/{branch}").get(f"refs/heads/{branch}", self.main)
        commit = self.remote.commit(start, changes, message)
        self.remote.set_ref(f"refs/heads/{branch}", commit)
        return commit

    def version(self, content: str = "a model", *, model: str = "iris", number: int = 1, **fields: Any) -> ModelVersion:
        """Put a package into the store and return the ModelVersion that names it."""
        folder = self.folder / "packages" / digest.of_bytes(content.encode())[-12:]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "MLmodel").write_text(content)
        sealed = digest.seal(folder)
        artifact = Artifact(
            uri=artifacts.upload(folder, self.store, model),
            digest=sealed.digest,
            format="skops",
            size_bytes=sealed.size,
        )
        environment = Environment(python="3.11", packages={"scikit-learn": "1.8.0"})
        source = Source(commit="c" * 40)
        spec = ModelVersionSpec(Reference(model), str(number), artifact, source=source, environment=environment)
        return ModelVersion(Metadata(f"{model}.{number}"), replace(spec, **fields))

    def clone(self, name: str, *, depth: int | None = None) -> Path:
        """Clone the remote into somebody's folder."""
        path = self.folder / name
        repository = Repository.init(path)
        repository.fetch(self.url, "+refs/heads/main:refs/remotes/origin/main", depth=depth)
        with (path / ".git" / "config").open("a") as file:
            file.write(f'[remote "origin"]\n\turl = {self.url}\n')
        repository.set_ref("refs/heads/main", repository.resolve("refs/remotes/origin/main"))
        return path

    def hook(self, name: str, script: str) -> None:
        """Give the remote a hook."""
        path = self.folder / "remote.git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def lose_answer(self, which: int = 1) -> None:
        """Let the remote die after it has done its ``which``-th push from now, and before it says so."""
        count = f'echo x >> "{self.folder}/lost"'
        self.hook(
            "post-update", f'{count}\n[ "$(wc -l < "{self.folder}/lost")" -eq {which} ] && kill -9 "$PPID"\nexit 0'
        )


def written(version: ModelVersion) -> dict[str, bytes]:
    """Return the file of a version that somebody writes by hand."""
    return {layout.version(version.spec.model_ref.name, version.spec.version): registry.write(version)}


def make_world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Make a remote with a fresh registry, and the key that its policy trusts."""
    key = Key.generate()
    key.save(folder / "evaluator.key")
    monkeypatch.setenv("MLGITOPS_SIGNING_KEY", str(folder / "evaluator.key"))
    remote = Repository.init(folder / "remote.git", bare=True)
    world = World(folder, remote, key, monkeypatch)
    (folder / "store").mkdir()
    settings = registry.Settings(url=world.url, store=world.store, public_key=key.public)
    registry.scaffold(folder / "first", settings)
    files = {
        str(path.relative_to(folder / "first")): path.read_bytes()
        for path in (folder / "first").rglob("*")
        if path.is_file()
    }
    remote.set_ref(MAIN, remote.commit(None, files, "Make the registry"))
    assert os.environ["MLGITOPS_SIGNING_KEY"]
    return world
