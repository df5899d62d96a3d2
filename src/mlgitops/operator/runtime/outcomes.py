"""How a reconcile ends: a result, or an error that says what to do about it.

    Result(after=30)      fine; look again in 30 s (None: only when something changes)
    Waiting(message)      something else must happen first; look again after ``after`` seconds
    Stalled(reason, …)    only a change of the object can help; do not try again
    Retry(message)        try again with growing waits

A ``KubeError`` and every other error is a ``Retry``; a lost compare-and-swap is tried
again at once, and ``TooManyRequests`` after what the API server asked for.
"""

# ruff: noqa: N818 - named by what happens next

from __future__ import annotations

from dataclasses import dataclass

from mlgitops.errors import MlgitopsError, OutsideError


@dataclass(frozen=True, slots=True)
class Result:
    """A reconcile that came to its end; ``after`` is in seconds, None waits for a change."""

    after: float | None = None


class Waiting(OutsideError):
    """Something else must happen first; it is looked at again after ``after`` seconds."""

    def __init__(self, message: str, *, reason: str = "Waiting", after: float = 10.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.after = after


class Stalled(MlgitopsError):
    """Only a change of the object, or of what it names, can help; nothing is retried."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Retry(OutsideError):
    """It failed and may work the next time; the waits grow."""

    def __init__(self, message: str, *, reason: str = "Failed") -> None:
        super().__init__(message)
        self.reason = reason
