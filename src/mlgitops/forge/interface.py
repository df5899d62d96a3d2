"""What every forge can do for the bot."""

from __future__ import annotations

from typing import Protocol

from mlgitops.forge.pulls import Approval, Check, Comment, Pull, State


class Forge(Protocol):
    """Pull requests of one registry. Every write may be repeated: it does nothing the second time."""

    def pulls(self, state: State | None = None) -> tuple[Pull, ...]:
        """Return the pull requests, oldest first: all, or those of one state."""
        ...

    def pull(self, number: int) -> Pull:
        """Return one pull request; ``NotFoundError`` when there is none of that number."""
        ...

    def find(self, head_ref: str) -> Pull | None:
        """Return the open pull request of a branch, if there is one."""
        ...

    def open_pull(self, head_ref: str, base: str, commit: str, title: str, body: str) -> Pull:
        """Propose a commit to a branch, or return the open pull request of ``head_ref`` as it is."""
        ...

    def update_pull(self, number: int, commit: str, title: str, body: str) -> Pull:
        """Propose another commit, title and body in an open pull request."""
        ...

    def comments(self, number: int) -> tuple[Comment, ...]:
        """Return the comments of a pull request, oldest first."""
        ...

    def comment(self, number: int, marker: str, body: str) -> None:
        """Write the one comment that has this marker, or update it."""
        ...

    def checks(self, number: int) -> tuple[Check, ...]:
        """Return the checks of a pull request's present head."""
        ...

    def set_check(self, number: int, head: str, base: str, name: str, passed: bool, summary: str) -> None:
        """Say what a check found for a head merged into a base commit."""
        ...

    def approvals(self, number: int) -> tuple[Approval, ...]:
        """Return who approved a pull request's present head."""
        ...

    def approve(self, number: int, head: str) -> None:
        """Agree, as the actor, to a pull request whose present head this is."""
        ...

    def diff(self, number: int) -> str:
        """Return what a merge would change, or has changed, as a patch."""
        ...

    def merge(self, number: int, *, force: bool = False, by: str | None = None) -> Pull:
        """Merge; ``CheckFailedError`` without a passing check for this head and this base commit."""
        ...

    def close(self, number: int, *, by: str | None = None) -> Pull:
        """Close without merging."""
        ...
