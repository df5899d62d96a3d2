"""The refs of pull requests, as they were fetched last."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlgitops.errors import InputError, NotFoundError
from mlgitops.forge.pulls import Approval, Check, Pull, State, approval_from_json, check_from_json, pull_from_json
from mlgitops.git import Files, Repository

_ROOT = "refs/mlgitops/"
_PULLS, _HEADS = f"{_ROOT}pull/", f"{_ROOT}heads/"
_META = re.compile(rf"{_PULLS}([1-9][0-9]{{0,8}})/meta")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A pull request and the refs around it at one moment.

    ``meta`` and ``head`` are what ``refs/pull/<n>/…`` hold, ``branch`` and ``base`` the tips of the
    proposed and the base branch, None where there is no such branch; ``files`` is the meta tree.
    """

    pull: Pull
    meta: str
    head: str
    branch: str | None
    base: str | None
    files: Files

    def checks(self) -> tuple[Check, ...]:
        """Return the checks of the present head."""
        folder = f"checks/{self.pull.head}/"
        return tuple(check_from_json(self.files[path], path) for path in self.files if path.startswith(folder))

    def approvals(self) -> tuple[Approval, ...]:
        """Return the approvals of the present head."""
        folder = f"approvals/{self.pull.head}/"
        return tuple(approval_from_json(self.files[path], path) for path in self.files if path.startswith(folder))


class PullRefs:
    """The pull requests of a bare repository, mirrored below ``refs/mlgitops/``."""

    def __init__(self, repository: Repository, url: str) -> None:
        self._repository = repository
        self._url = url

    def fetch(self) -> None:
        """Read all branches and pull requests anew.

        Raises:
            OutsideError: the remote cannot be read.
        """
        self._repository.fetch(self._url, f"+refs/pull/*:{_PULLS}*", f"+refs/heads/*:{_HEADS}*", prune=True)

    def fetched(self, number: int) -> Snapshot:
        """Fetch, and return one pull request with the refs around it.

        Raises:
            NotFoundError: there is none of that number.
            InputError: it is garbled.
        """
        self.fetch()
        refs = self._repository.refs(_ROOT)
        meta = refs.get(f"{_PULLS}{number}/meta")
        if meta is None:
            known = ", ".join(map(str, sorted(_numbers(refs)))) or "none"
            raise NotFoundError(f"there is no pull request {number}; there are: {known}")
        pull = self._read(number, meta, refs)
        return Snapshot(
            pull=pull,
            meta=meta,
            head=refs[f"{_PULLS}{number}/head"],
            branch=refs.get(f"{_HEADS}{pull.head_ref}"),
            base=refs.get(f"{_HEADS}{pull.base}"),
            files=self._repository.tree(meta),
        )

    def numbers(self) -> tuple[int, ...]:
        """Return all numbers in use, garbled pull requests included."""
        return _numbers(self._repository.refs(_PULLS))

    def branch(self, name: str) -> str | None:
        """Return the tip of a branch, or None."""
        return self._repository.refs(f"{_HEADS}{name}").get(f"{_HEADS}{name}")

    def open_one(self, head_ref: str) -> Pull | None:
        """Return the open pull request of a branch, if there is one."""
        found = (pull for pull in self.readable() if pull.state is State.OPEN and pull.head_ref == head_ref)
        return next(found, None)

    def readable(self) -> list[Pull]:
        """Return all pull requests that are not garbled, oldest first."""
        refs = self._repository.refs(_ROOT)
        found = []
        for number in sorted(_numbers(refs)):
            try:
                found.append(self._read(number, refs[f"{_PULLS}{number}/meta"], refs))
            except InputError:
                continue
        return found

    def _read(self, number: int, meta: str, refs: Mapping[str, str]) -> Pull:
        data = self._repository.read(meta, "pull.json")
        head = refs.get(f"{_PULLS}{number}/head")
        if data is None or head is None:
            missing = "pull.json" if head else "its head"
            raise InputError(f"refs/pull/{number}/meta is no pull request: {missing} is missing; open another one")
        pull = pull_from_json(data, number, head)
        # A person pushes to the branch and to nothing else; while it is open, that is what is proposed.
        tip = refs.get(f"{_HEADS}{pull.head_ref}")
        return replace(pull, head=tip) if pull.state is State.OPEN and tip else pull


def _numbers(refs: Mapping[str, str]) -> tuple[int, ...]:
    return tuple(int(match[1]) for match in map(_META.fullmatch, refs) if match)
