"""Pull requests, comments and checks, as values and as the JSON that the local forge keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from mlgitops.errors import InputError
from mlgitops.git import check_ref

T = TypeVar("T")
REQUIRED = "mlgitops"  # the check without which nothing is merged; what others say can only refuse


class State(StrEnum):
    """What became of a pull request."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request.

    ``base`` and ``head_ref`` are branch names, ``head`` is the proposed commit; times are RFC 3339
    in UTC. ``forced`` says that it was merged without a passing check, and ``by`` who merged or closed it.
    """

    number: int
    id: str
    title: str
    body: str
    author: str
    base: str
    head_ref: str
    head: str
    state: State
    created_at: str
    merge_commit: str | None = None
    by: str | None = None
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment; a bot's has a marker, by which it is found and updated."""

    marker: str
    author: str
    body: str
    at: str


@dataclass(frozen=True, slots=True)
class Check:
    """What a check said about one head merged into one base commit."""

    name: str
    head: str
    base: str
    passed: bool
    summary: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Approval:
    """That somebody agrees to one head of a pull request."""

    by: str
    head: str
    at: str


def pull_to_json(pull: Pull) -> dict[str, Any]:
    """Return ``pull.json``; the head is not in it, a ref holds that."""
    return {
        "id": pull.id,
        "number": pull.number,
        "title": pull.title,
        "body": pull.body,
        "author": pull.author,
        "base": pull.base,
        "headRef": pull.head_ref,
        "state": pull.state.value,
        "createdAt": pull.created_at,
        "mergeCommit": pull.merge_commit,
        "by": pull.by,
        "forced": pull.forced,
    }


def pull_from_json(data: bytes, number: int, head: str) -> Pull:
    """Read ``pull.json``, which anybody who may push can have written.

    Raises:
        InputError: it is none, or is of another number.
    """

    def build(raw: dict[str, Any]) -> Pull:
        if raw["number"] != number:
            raise ValueError(f"its number is {raw['number']!r}")
        for branch in (raw["base"], raw["headRef"]):
            check_ref(f"refs/heads/{branch}")
        return Pull(
            number=number,
            id=str(raw["id"]),
            title=str(raw["title"]),
            body=str(raw["body"]),
            author=str(raw["author"]),
            base=raw["base"],
            head_ref=raw["headRef"],
            head=head,
            state=State(raw["state"]),
            created_at=str(raw["createdAt"]),
            merge_commit=raw.get("mergeCommit") and str(raw["mergeCommit"]),
            by=raw.get("by") and str(raw["by"]),
            forced=bool(raw.get("forced", False)),
        )

    return _read(data, f"refs/pull/{number}/meta: pull.json", build)


def comment_to_json(comment: Comment) -> dict[str, Any]:
    """Return the file of a comment."""
    return {"marker": comment.marker, "author": comment.author, "body": comment.body, "at": comment.at}


def comment_from_json(data: bytes, where: str) -> Comment:
    """Read the file of a comment.

    Raises:
        InputError: it is none.
    """
    return _read(data, where, lambda raw: Comment(*(str(raw[field]) for field in ("marker", "author", "body", "at"))))


def check_to_json(check: Check) -> dict[str, Any]:
    """Return the file of a check."""
    return {
        "name": check.name,
        "head": check.head,
        "base": check.base,
        "passed": check.passed,
        "summary": check.summary,
        "by": check.by,
        "at": check.at,
    }


def check_from_json(data: bytes, where: str) -> Check:
    """Read the file of a check.

    Raises:
        InputError: it is none.
    """

    def build(raw: dict[str, Any]) -> Check:
        name, head, base, summary, by, at = (str(raw[f]) for f in ("name", "head", "base", "summary", "by", "at"))
        return Check(name, head, base, raw["passed"] is True, summary, by, at)

    return _read(data, where, build)


def approval_to_json(approval: Approval) -> dict[str, Any]:
    """Return the file of an approval."""
    return {"by": approval.by, "head": approval.head, "at": approval.at}


def approval_from_json(data: bytes, where: str) -> Approval:
    """Read the file of an approval.

    Raises:
        InputError: it is none.
    """
    return _read(data, where, lambda raw: Approval(*(str(raw[field]) for field in ("by", "head", "at"))))


def _read(data: bytes, where: str, build: Callable[[dict[str, Any]], T]) -> T:
    try:
        return build(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError, InputError, RecursionError) as error:
        raise InputError(f"{where} is not what a pull request keeps there: {error}") from error
