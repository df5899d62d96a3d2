"""Durations as the kinds write them: ``30s``, ``2m30s``, ``250ms``."""

from __future__ import annotations

import re

from mlgitops.errors import InputError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def seconds(text: str) -> float:
    """Return a duration in seconds.

    Raises:
        InputError: it is not a duration.
    """
    if not _WHOLE.fullmatch(text):
        raise InputError(f"{text!r} is not a duration; expected for example 30s, 2m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
