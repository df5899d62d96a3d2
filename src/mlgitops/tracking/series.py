"""A metric in a context is a series, known by one text: ``loss{subset=val}``.

Patterns are compiled when they are first used: every training script pays for this import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import dumps, loads

SYSTEM = "system/"  # what metrics of the machine begin with, which say nothing about a model
_PLAIN = r"[A-Za-z0-9._/-]+"
_PART = rf'({_PLAIN}|"(?:[^"\\]|\\.)*")=({_PLAIN}|"(?:[^"\\]|\\.)*")'
_SERIES = rf"(.*)\{{({_PART}(?:,{_PART})*)\}}"


def key(metric: str, context: Mapping[str, str]) -> str:
    """Return the text of a metric in a context, whatever the order of the context's names."""
    if not context:
        return metric
    parts = ",".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(context.items()))
    return f"{metric}{{{parts}}}"


def split(series: str) -> tuple[str, dict[str, str]]:
    """Return metric and context of a series; the reverse of ``key``."""
    found = re.fullmatch(_SERIES, series, re.DOTALL)
    if not found:
        return series, {}
    pairs = re.finditer(_PART, found[2])
    return found[1], {_unquoted(pair[1]): _unquoted(pair[2]) for pair in pairs}


def context_of(given: Mapping[str, object] | str) -> dict[str, str]:
    """Return a context as text; a lone text names the subset of the data."""
    if isinstance(given, str):
        return {"subset": given}
    return {str(name): str(value) for name, value in given.items()}


def _quoted(text: str) -> str:
    return text if re.fullmatch(_PLAIN, text) else dumps(text)


def _unquoted(text: str) -> str:
    return str(loads(text)) if text.startswith('"') else text
