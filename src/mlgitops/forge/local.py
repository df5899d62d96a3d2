"""Pull requests in the refs of a bare repository.

``refs/pull/<n>/head`` is the proposed commit, ``refs/pull/<n>/meta`` a chain of commits whose
tree holds ``pull.json``, ``comments/<id>.json``, ``checks/<head>/<name>.json`` and
``approvals/<head>/<who>.json``. Every write is one atomic push with leases on all refs that it
read, so two people who act at once cannot undo each other, and a pull request never stands half
written. Whoever may push to the repository may write these refs: the forge orders work, it
guards nothing.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from mlgitops.digest import of_bytes
from mlgitops.errors import CheckFailedError, InputError, NotFoundError
from mlgitops.forge.pulls import (
    REQUIRED,
    Approval,
    Check,
    Comment,
    Pull,
    State,
    approval_to_json,
    check_from_json,
    check_to_json,
    comment_from_json,
    comment_to_json,
    pull_to_json,
)
from mlgitops.forge.refs import PullRefs, Snapshot
from mlgitops.git import Person, Repository, check_ref, settle

_CHECK_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_OWN_BRANCHES = "mlgitops/"  # ours to delete when their pull request is done
_LONGEST_TITLE = 200  # characters
_LARGEST_BODY = 256 * 1024  # characters


@dataclass(frozen=True, slots=True)
class _Write:
    """What is to be written: files of the meta tree, and other refs of the remote."""

    files: Mapping[str, Any]
    refs: Mapping[str, str | None] = field(default_factory=dict)


class LocalForge:
    """The forge of a bare repository.

    Args:
        repository: where commits are made and refs fetched to.
        url: the bare repository's address.
        actor: who acts.
    """

    def __init__(self, repository: Repository, url: str, actor: str) -> None:
        self._repository = repository
        self._url = url
        self._refs = PullRefs(repository, url)
        self._actor = actor

    # --- reading

    def pulls(self, state: State | None = None) -> tuple[Pull, ...]:
        """Return the pull requests, oldest first: all, or those of one state.

        What somebody garbled is left out here and named by ``pull``.
        """
        self._refs.fetch()
        return tuple(pull for pull in self._refs.readable() if state is None or pull.state is state)

    def pull(self, number: int) -> Pull:
        """Return one pull request.

        Raises:
            NotFoundError: there is none of that number.
        """
        return self._refs.fetched(number).pull

    def find(self, head_ref: str) -> Pull | None:
        """Return the open pull request of a branch, if there is one."""
        self._refs.fetch()
        return self._refs.open_one(head_ref)

    def comments(self, number: int) -> tuple[Comment, ...]:
        """Return the comments of a pull request, oldest first."""
        files = self._refs.fetched(number).files
        found = (comment_from_json(files[path], path) for path in files if path.startswith("comments/"))
        return tuple(sorted(found, key=lambda comment: comment.at))

    def checks(self, number: int) -> tuple[Check, ...]:
        """Return the checks of a pull request's present head, by name."""
        return self._refs.fetched(number).checks()

    def approvals(self, number: int) -> tuple[Approval, ...]:
        """Return who approved a pull request's present head."""
        return self._refs.fetched(number).approvals()

    def diff(self, number: int) -> str:
        """Return what a merge would change, or has changed, as a patch."""
        found = self._refs.fetched(number)
        if found.pull.merge_commit:
            return self._repository.diff(f"{found.pull.merge_commit}^1", found.pull.merge_commit)
        base = self._repository.merge_base(found.base, found.pull.head) if found.base else None
        if base is None:
            raise CheckFailedError(f"pull request {number} shares no history with branch {found.pull.base}")
        return self._repository.diff(base, found.pull.head)

    # --- writing

    def open_pull(self, head_ref: str, base: str, commit: str, title: str, body: str) -> Pull:
        """Propose a commit to a branch, or return the open pull request of ``head_ref`` as it is.

        The push that brings branch, head and meta also allots the number: it succeeds only where
        none of them exists.

        Raises:
            CheckFailedError: the branch ``head_ref`` holds something that is nobody's pull request.
            OutsideError: the remote cannot be read or written.
        """
        check_ref(f"refs/heads/{base}")
        branch = check_ref(f"refs/heads/{head_ref}")
        commit = self._repository.resolve(commit)

        def look() -> Pull | None:
            self._refs.fetch()
            return self._refs.open_one(head_ref)

        def attempt() -> Pull:
            number = 1 + max(self._refs.numbers(), default=0)
            pull = Pull(
                number=number,
                id=secrets.token_hex(8),  # makes the meta commit unlike any other: an equal one would count as pushed
                title=_one_line(title),
                body=body[:_LARGEST_BODY],
                author=self._actor,
                base=base,
                head_ref=head_ref,
                head=commit,
                state=State.OPEN,
                created_at=_now(),
            )
            meta = self._repository.commit(None, {"pull.json": _json(pull_to_json(pull))}, f"Open: {pull.title}")
            updates = {branch: commit, f"refs/pull/{number}/head": commit, f"refs/pull/{number}/meta": meta}
            self._repository.push(self._url, updates, {branch: self._left_over(head_ref, commit)})
            return pull

        return settle(look, attempt)

    def update_pull(self, number: int, commit: str, title: str, body: str) -> Pull:
        """Propose another commit, title and body in an open pull request.

        Raises:
            CheckFailedError: it is not open.
        """
        commit = self._repository.resolve(commit)
        title, body = _one_line(title), body[:_LARGEST_BODY]

        def plan(found: Snapshot) -> _Write | None:
            self._demand_open(found.pull)
            if (found.pull.head, found.pull.title, found.pull.body) == (commit, title, body):
                return None
            pull = replace(found.pull, title=title, body=body)
            refs = {f"refs/heads/{pull.head_ref}": commit, f"refs/pull/{number}/head": commit}
            return _Write({"pull.json": pull_to_json(pull)}, refs)

        return self._write(number, plan, "Propose another commit")

    def comment(self, number: int, marker: str, body: str) -> None:
        """Write the one comment that has this marker, or update it."""
        body = body[:_LARGEST_BODY]
        path = f"comments/{of_bytes(marker.encode()).removeprefix('sha256:')[:16]}.json"

        def plan(found: Snapshot) -> _Write | None:
            old = comment_from_json(found.files[path], path) if path in found.files else None
            if old and old.body == body:
                return None
            return _Write({path: comment_to_json(Comment(marker, self._actor, body, old.at if old else _now()))})

        self._write(number, plan, "Comment")

    def set_check(self, number: int, head: str, base: str, name: str, passed: bool, summary: str) -> None:
        """Say what a check found for a head merged into a base commit.

        Raises:
            InputError: the name is not made of lower-case letters, digits and dashes.
        """
        if not _CHECK_NAME.fullmatch(name):
            raise InputError(f"{name!r} is not the name of a check; expected lower-case letters, digits and dashes")
        self._refs.fetch()
        head, base = self._repository.resolve(head), self._repository.resolve(base)
        path = f"checks/{head}/{name}.json"

        def plan(found: Snapshot) -> _Write | None:
            check = Check(name, head, base, passed, _one_line(summary, 1000), self._actor, _now())
            old = check_from_json(found.files[path], path) if path in found.files else None
            if old and replace(old, by=check.by, at=check.at) == check:
                return None
            return _Write({path: check_to_json(check)})

        self._write(number, plan, f"Check {name}")

    def approve(self, number: int, head: str) -> None:
        """Agree, as the actor, to a pull request whose present head this is; a new head needs new approvals.

        Raises:
            CheckFailedError: the actor is its author, it is closed, or it proposes another commit by now.
        """

        def plan(found: Snapshot) -> _Write | None:
            pull = found.pull
            self._demand_open(pull)
            if pull.author == self._actor:
                raise CheckFailedError(f"pull request {number} is {pull.author}'s own; somebody else approves it")
            if pull.head != head:
                raise CheckFailedError(
                    f"pull request {number} proposes {pull.head[:12]} by now, not {head[:12]}; look at it again"
                )
            if any(approval.by == self._actor for approval in found.approvals()):
                return None
            who = of_bytes(self._actor.encode()).removeprefix("sha256:")[:16]
            approval = Approval(self._actor, head, _now())
            return _Write({f"approvals/{head}/{who}.json": approval_to_json(approval)})

        self._write(number, plan, f"Approve {head[:12]}")

    def merge(self, number: int, *, force: bool = False, by: str | None = None) -> Pull:
        """Merge by a merge commit, when ``REQUIRED`` passed for exactly this head and this base commit.

        Other checks for the same two commits may refuse; none of them can stand for it.

        Args:
            number: the pull request.
            force: merge without a passing check; the pull request says so for ever.
            by: who merges; the actor by default.

        Raises:
            CheckFailedError: it is closed, unchecked, refused by a check, or conflicts with the base.
        """
        by = by or self._actor

        def plan(found: Snapshot) -> _Write | None:
            pull = found.pull
            if pull.state is State.MERGED:
                return None
            self._demand_open(pull)
            if found.base is None:
                raise NotFoundError(f"pull request {number} wants to merge into {pull.base}, which does not exist")
            unchecked = _unchecked(found)
            if unchecked and not force:
                raise CheckFailedError(f"pull request {number} {unchecked}")
            message = f"Merge pull request #{number}: {pull.title}\n\nMerged-by: {_one_line(by)}\n"
            merged = self._repository.merge(found.base, pull.head, message, Person(by, f"{_one_line(by)}@localhost"))
            done = replace(pull, state=State.MERGED, merge_commit=merged, by=by, forced=bool(unchecked))
            refs = {f"refs/heads/{pull.base}": merged, **_without_branch(found)}
            return _Write({"pull.json": pull_to_json(done)}, refs)

        return self._write(number, plan, f"Merge, by {_one_line(by)}")

    def close(self, number: int, *, by: str | None = None) -> Pull:
        """Close without merging.

        Raises:
            CheckFailedError: it was merged.
        """
        by = by or self._actor

        def plan(found: Snapshot) -> _Write | None:
            if found.pull.state is State.CLOSED:
                return None
            self._demand_open(found.pull)
            done = replace(found.pull, state=State.CLOSED, by=by)
            return _Write({"pull.json": pull_to_json(done)}, _without_branch(found))

        return self._write(number, plan, f"Close, by {_one_line(by)}")

    # --- inside

    def _write(self, number: int, plan: Callable[[Snapshot], _Write | None], message: str) -> Pull:
        """Push what ``plan`` wants of the present state, until it wants nothing more."""
        state: list[tuple[Snapshot, _Write]] = []

        def look() -> Pull | None:
            found = self._refs.fetched(number)
            wanted = plan(found)
            if wanted is None:
                return found.pull
            state[:] = [(found, wanted)]
            return None

        def attempt() -> Pull:
            found, wanted = state[0]
            names = {"meta": f"refs/pull/{number}/meta", "head": f"refs/pull/{number}/head"}
            expected = {
                names["meta"]: found.meta,
                names["head"]: found.head,
                f"refs/heads/{found.pull.head_ref}": found.branch,
                f"refs/heads/{found.pull.base}": found.base,
            }
            files = {path: _json(content) for path, content in wanted.files.items()}
            meta = self._repository.commit(found.meta, files, message)
            updates = {names["meta"]: meta, **wanted.refs}
            if found.pull.head != found.head:
                updates.setdefault(names["head"], found.pull.head)
            self._repository.push(self._url, updates, expected)
            return self._refs.fetched(number).pull

        return settle(look, attempt)

    def _left_over(self, head_ref: str, commit: str) -> str | None:
        tip = self._refs.branch(head_ref)
        if tip is None or tip == commit:
            return tip
        # An own branch outlives its pull request when a person restores it; its commits are kept by refs/pull.
        if any(pull.head_ref == head_ref and pull.head == tip for pull in self._refs.readable()):
            return tip
        raise CheckFailedError(
            f"branch {head_ref} holds {tip[:12]}, which no pull request proposed; delete the branch or propose from it"
        )

    @staticmethod
    def _demand_open(pull: Pull) -> None:
        if pull.state is not State.OPEN:
            raise CheckFailedError(f"pull request {pull.number} is {pull.state.value}; open another one")


def _unchecked(found: Snapshot) -> str | None:
    """Return why a pull request must not be merged, or None."""
    pull = found.pull
    now = [check for check in found.checks() if check.head == pull.head and check.base == found.base]
    refused = [check for check in now if not check.passed]
    if refused:
        return f"is refused by check {refused[0].name}: {refused[0].summary}"
    if not any(check.name == REQUIRED for check in now):
        command = f"mlgitops check --base {pull.base} --pr {pull.number}"
        return f"has no passing check for {pull.head[:12]} on {(found.base or '')[:12]}; run: {command}"
    return None


def _without_branch(found: Snapshot) -> dict[str, str | None]:
    pull = found.pull
    gone = found.branch is not None and pull.head_ref.startswith(_OWN_BRANCHES) and pull.head_ref != pull.base
    return {f"refs/heads/{pull.head_ref}": None} if gone else {}


def _one_line(text: str, longest: int = _LONGEST_TITLE) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
