"""Moments as the API writes them, and durations as time differences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlgitops.api import durations


def moment(text: str) -> datetime:
    """Read an RFC 3339 time; one without a zone is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def stamp(time: datetime) -> str:
    """Write a time as Kubernetes does: UTC, whole seconds, ``Z``."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(text: str) -> timedelta:
    """Read a duration such as ``15m`` or ``1h30m``.

    Raises:
        InputError: it is not a duration.
    """
    return timedelta(seconds=durations.seconds(text))
