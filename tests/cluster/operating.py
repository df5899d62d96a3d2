"""An operator in the test's own event loop, and a repository for it to follow."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster import conformance
from mlgitops import kube
from mlgitops.git import Repository
from mlgitops.operator.runtime import Controller, Manager
from mlgitops.operator.sources.agreement import FIELD_MANAGER as SOURCE_FIELD_MANAGER

EXAMPLE = Path(__file__).parents[2] / "examples" / "repo-layout"


@contextlib.asynccontextmanager
async def operating(
    kubeconfig: Path, namespace: str, controllers: Sequence[Controller], **options: Any
) -> AsyncIterator[tuple[kube.Session, Manager]]:
    """Run controllers on one namespace for the length of a block; its failure is the test's."""
    async with kube.Session(kube.login(kubeconfig)) as session:
        manager = Manager(
            session,
            controllers,
            field_manager="mlgitops",
            managers=[SOURCE_FIELD_MANAGER],
            namespace=namespace,
            **options,
        )
        running = asyncio.create_task(manager.run())
        try:
            async with conformance.witnessed(session, namespace):
                yield session, manager
        finally:
            ended = running.done()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        assert not ended, "the manager ended by itself"


class Remote:
    """A bare repository on this disk, one commit after another on its main branch."""

    def __init__(self, folder: Path) -> None:
        self.url = folder.as_uri()
        self._repository = Repository.init(folder, bare=True)
        self._head: str | None = None

    def commit(self, changes: Mapping[str, bytes | str | None]) -> str:
        """Commit files (None deletes one) and return the commit."""
        encoded = {path: data.encode() if isinstance(data, str) else data for path, data in changes.items()}
        self._head = self._repository.commit(self._head, encoded, "a change")
        self._repository.set_ref("refs/heads/main", self._head)
        return self._head

    def tag(self, name: str) -> None:
        """Make a tag of the newest commit."""
        self._repository.set_ref(f"refs/tags/{name}", self._head)

    def sign(self, key: Path) -> str:
        """Make the newest commit again, signed with an SSH key, and return its new name."""
        assert self._head
        settings = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "-c", "user.name=A", "-c", "user.email=a@b"]
        command = ["git", *settings, f"--git-dir={self._repository.path}", "commit-tree", "-S", "-m", "Signed"]
        signed = subprocess.run([*command, f"{self._head}^{{tree}}"], check=True, capture_output=True, text=True)
        self._head = signed.stdout.strip()
        self._repository.set_ref("refs/heads/main", self._head)
        return self._head

    def hide_branch(self) -> None:
        """Take the main branch away, but none of its commits."""
        self._repository.set_ref("refs/heads/main", None)

    def show_branch(self) -> None:
        """Put the main branch back to its newest commit."""
        self._repository.set_ref("refs/heads/main", self._head)

    def read(self, path: str) -> str:
        """Return a file of the newest commit."""
        assert self._head
        return self._repository.tree(self._head)[path].decode()


def example_files() -> dict[str, bytes]:
    """Return the example registry: model iris, versions 1 to 3, two stages, one deployment."""
    found = sorted((EXAMPLE / "registry").rglob("*.yaml"))
    return {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in found}
