"""What a record says of a field: the language's fields, read in Python."""

from __future__ import annotations

import math

from mlgitops.tracking.query.language import Field
from mlgitops.tracking.query.parser import milliseconds
from mlgitops.tracking.records import RunRecord, Scalar


def value_of(record: RunRecord, field: Field) -> Scalar:
    """Return a record's value of a field, None when it has none.

    Times are RFC 3339, a duration is in seconds; several data sets of one name are a text with commas.
    """
    match field.group:
        case "params":
            return record.params.get(field.name)
        case "tags":
            return record.tags.get(field.name)
        case "metrics":
            summary = record.metrics.get(field.name)
            return None if summary is None else getattr(summary, field.part)
        case "datasets":
            return _of_data(record, field)
        case "git":
            return _filled(getattr(record.source, field.name)) if record.source else None
        case _:
            return duration(record) if field.name == "duration" else _filled(getattr(record, field.name))


def duration(record: RunRecord) -> float | None:
    """Return how long a run took in seconds, None when it did not end."""
    return between(milliseconds(record.started_at), milliseconds(record.finished_at or ""))


def between(started: float | None, finished: float | None) -> float | None:
    """Return the seconds between two times in milliseconds, None when one is missing."""
    return (finished - started) / 1000 if started is not None and finished is not None else None


def text_of(value: Scalar) -> str:
    """Return a value as the text that it is compared as: Python's, half a surrogate pair by its number."""
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def number_of(value: Scalar) -> float | None:
    """Return a value as the number that it is compared as, None when it is none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number


def _of_data(record: RunRecord, field: Field) -> Scalar:
    meant = (data for data in record.datasets if field.name in ("", data.name, data.context))
    found = dict.fromkeys(_filled(getattr(data, field.part)) for data in meant)
    found.pop(None, None)
    return ", ".join(map(text_of, found)) if len(found) > 1 else next(iter(found), None)


def _filled(value: Scalar) -> Scalar:
    return None if value == "" else value
