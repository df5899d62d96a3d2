"""Paths of a filter to fields: ``metrics.loss.min``, ``dataset.train.digest``, ``status``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from mlgitops.tracking.query.language import (
    ATTRIBUTES,
    DATASET_PARTS,
    GIT,
    GROUPS,
    METRIC_PARTS,
    OTHER_PARTS,
    Field,
    FilterError,
    Kind,
)
from mlgitops.tracking.query.lexer import Segment, Token
from mlgitops.tracking.series import key, split


def field(token: Token, text: str, what: str) -> Field:
    """Return the field that a path names.

    Raises:
        FilterError: it names none; the message lists what there is.
    """
    first, *rest = token.segments()
    if not rest:
        if first.text.lower() in ATTRIBUTES:
            return ATTRIBUTES[first.text.lower()]
        known = ("metrics.NAME", "params.NAME", "tags.NAME", "git.NAME", "dataset.NAME", *ATTRIBUTES)
        raise FilterError(_unknown("field", first.text, known, _logged(first)), text, first.column, what=what)
    group = GROUPS.get(first.text.lower())
    if group is None:
        raise FilterError(_unknown("group", first.text, GROUPS), text, first.column, what=what)
    if group == "metrics":
        return _metric(rest, text, what)
    if group == "datasets":
        return _dataset(rest, text, what)
    if group in ("params", "tags"):
        return Field(group, ".".join(segment.text for segment in rest), Kind.EITHER)
    known_fields = ATTRIBUTES if group == "attributes" else GIT
    name = ".".join(segment.text for segment in rest).lower()
    if name not in known_fields:
        raise FilterError(_unknown(first.text, name, known_fields), text, rest[0].column, what=what)
    return known_fields[name]


def _metric(rest: list[Segment], text: str, what: str) -> Field:
    part, last = "last", rest[-1]
    if len(rest) > 1 and not last.quoted:
        if last.text.lower() in OTHER_PARTS:
            name = ".".join(segment.text for segment in rest)
            known = f"known: {', '.join(METRIC_PARTS)}; a metric of this name is metrics.`{name}`"
            raise FilterError(f"of a metric no {last.text} is kept; {known}", text, last.column, what=what)
        if last.text.lower() in METRIC_PARTS:
            part = last.text.lower()
            rest = rest[:-1]
    # Whatever the order in which a context's names were written, the series has one text.
    series = key(*split(".".join(segment.text for segment in rest)))
    return Field("metrics", series, Kind.NUMBER, part)


def _dataset(rest: list[Segment], text: str, what: str) -> Field:
    *names, last = rest
    part = last.text.lower()
    if last.quoted or part not in DATASET_PARTS:
        raise FilterError(_unknown("property of data", last.text, DATASET_PARTS), text, last.column, what=what)
    name = ".".join(segment.text for segment in names)
    return Field("datasets", name, Kind.NUMBER if part == "rows" else Kind.TEXT, part)


def _logged(segment: Segment) -> str:
    """Return the fields that a bare name may mean, which is most often something that was logged."""
    name = segment.text
    if not name.isascii() or len(name) > 60:
        return ""
    return f"metrics.{name}, params.{name} or tags.{name}"


def _unknown(what: str, name: str, known: Iterable[str], else_meant: str = "") -> str:
    known = list(dict.fromkeys(known))
    meant = next(iter(difflib.get_close_matches(name.lower(), known, 1)), else_meant)
    hint = f"did you mean {meant}? " if meant else ""
    return f"there is no {what} {name[:60]!a}; {hint}known: {', '.join(known)}"
