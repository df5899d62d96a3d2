"""Who of a run's many processes says something: its owner, another rank, or a worker.

What several of them log under one name are series of their own, so that no reader mixes them. The owner is
one voice through all lives of a run, and so is a rank; a worker (a fork, or a process that a handle was sent to) and a
process that joined without a rank are each their own. A helper speaks for the process that started it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mlgitops.tracking.writer import HELPER, MEMBER

_HIGHEST_RANK = (1 << 31) - 1
_NOBODYS = 1 << 32  # the order of those of whom none comes before another


class Voice(NamedTuple):
    """One voice; of a series that several have, the lowest ``order`` says what is its last value."""

    order: int
    name: str
    rank: int | None = None

    @property
    def leads(self) -> bool:
        """Whether its word counts before that of others."""
        return self.order < _NOBODYS


def voice(header: Mapping[str, Any], file_name: str) -> Voice:
    """Return whose file it is, by its first line and its name; a first line that says nothing is the owner's."""
    found = header.get("writer")
    who: Mapping[str, Any] = found if isinstance(found, dict) else {}
    role, told = who.get("role"), who.get("rank")
    rank = told if type(told) is int and 0 <= told <= _HIGHEST_RANK else None
    if who.get("worker") is not True:
        if role not in (HELPER, MEMBER) or (role == HELPER and not rank):
            return Voice(0, "owner", rank)
        if rank is not None:
            return Voice(1 + rank, f"rank {rank}", rank)
    return Voice(_NOBODYS, file_name.removeprefix("w-").removesuffix(".jsonl"), rank)


def order(name: str) -> tuple[int, str]:
    """Return where the series of a voice stands among others: the owner's, those of ranks, those of workers."""
    rank = name.removeprefix("rank ")
    return (0 if name == "owner" else 1 + int(rank) if rank != name and rank.isdecimal() else _NOBODYS), name
