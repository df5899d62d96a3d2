"""The time, as something that a test can hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)
