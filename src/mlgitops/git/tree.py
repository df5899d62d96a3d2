"""The files of one commit, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Lock

import git
from gitdb.exc import BadObject
from gitdb.util import hex_to_bin

from mlgitops.errors import OutsideError


class Files(Mapping[str, bytes]):
    """Plain files by their path in the tree; contents are read on access and not kept.

    Symbolic links and submodules are not in it: following either would read what the
    commit does not hold.
    """

    def __init__(self, repository: git.Repo, lock: Lock, blobs: Mapping[str, str]) -> None:
        self._repository = repository
        self._lock = lock
        self._blobs = blobs

    def __getitem__(self, path: str) -> bytes:
        sha = self._blobs[path]
        try:
            with self._lock:  # GitPython reads all objects through one pipe
                return bytes(self._repository.odb.stream(hex_to_bin(sha)).read())
        except (BadObject, ValueError) as error:
            raise OutsideError(f"object {sha} of {path} is missing; fetch the repository again") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)

    def __contains__(self, path: object) -> bool:
        return path in self._blobs

    def size(self, path: str) -> int:
        """Return a file's size in bytes without reading it."""
        with self._lock:
            return int(self._repository.odb.info(hex_to_bin(self._blobs[path])).size)

    def sha(self, path: str) -> str:
        """Return the object name of a file's content: equal names mean equal bytes."""
        return self._blobs[path]
