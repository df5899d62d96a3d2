"""A run record as the rows of an index, and back."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from mlgitops.tracking.query.parser import milliseconds
from mlgitops.tracking.query.values import between, number_of, text_of
from mlgitops.tracking.records import (
    Dataset,
    Environment,
    LoggedModel,
    Media,
    MetricSummary,
    Note,
    RunRecord,
    Shared,
    Source,
)

COLUMNS = (
    "name",
    "experiment",
    "status",
    "started_at",
    "finished_at",
    "duration",
    "repository",
    "commit",
    "dirty",
    "entry_point",
    "branch",
    "parent",
    "group",
)
_DATASET = tuple(field.name for field in fields(Dataset))
_MODEL = tuple(field.name for field in fields(LoggedModel))
_SOURCE = tuple(field.name for field in fields(Source))
_MEDIA = tuple(field.name for field in fields(Media))
_NOTE = tuple(field.name for field in fields(Note))
_ENVIRONMENT = tuple(field.name for field in fields(Environment))
# A live run changes a few values between two searches: what is the same dirties no page.
_PUT_METRIC = """INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, run) DO UPDATE
SET last = excluded.last, min = excluded.min, max = excluded.max, mean = excluded.mean,
    count = excluded.count, step = excluded.step
WHERE count IS NOT excluded.count OR last IS NOT excluded.last OR step IS NOT excluded.step"""
_PUT_TEXT = """INSERT INTO texts VALUES (?, ?, ?, ?) ON CONFLICT (key, run) DO UPDATE
SET text = excluded.text, number = excluded.number WHERE text IS NOT excluded.text"""
_encoder = json.JSONEncoder(separators=(",", ":"))
_PLAIN = (
    "id",
    "name",
    "experiment",
    "status",
    "started_at",
    "finished_at",
    "capture",
    "parent",
    "group",
    "description",
    "seeds",
)


class Rows(NamedTuple):
    """What an index holds of a record: lists, texts and numbers, of names not yet their numbers."""

    columns: list[str | float | None]
    record: str
    metrics: list[tuple[str, float, float, float, float, float, float]]
    texts: list[tuple[str, str, str, float | None]]
    datasets: list[tuple[str | None, str | None, str | None, str | None, float | None]]


def rows_of(record: RunRecord) -> Rows:
    """Return what an index holds of a record."""
    return Rows(
        columns(record),
        encode(record),
        _summaries(record.metrics),
        [
            (kind, name, text_of(value), number_of(value))
            for kind, values in (("params", record.params), ("tags", record.tags))
            for name, value in values.items()
        ],
        [
            (
                text_of(data.name) or None,
                text_of(data.context or "") or None,
                text_of(data.digest) or None,
                text_of(data.uri or "") or None,
                None if data.rows is None else float(data.rows),
            )
            for data in record.datasets
        ],
    )


def encode(record: RunRecord) -> str:
    """Return a record as text, without its folder and its metrics, which have rows of their own."""
    raw: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
    raw["params"] = record.params
    raw["tags"] = record.tags
    raw["datasets"] = [[getattr(dataset, name) for name in _DATASET] for dataset in record.datasets]
    raw["models"] = [[getattr(model, name) for name in _MODEL] for model in record.models]
    raw["source"] = record.source and [getattr(record.source, name) for name in _SOURCE]
    raw["environment"] = record.environment and {name: getattr(record.environment, name) for name in _ENVIRONMENT}
    raw["media"] = [[getattr(media, name) for name in _MEDIA] for media in record.media]
    raw["notes"] = [[getattr(note, name) for name in _NOTE] for note in record.notes]
    raw["problems"], raw["resumed_at"], raw["saving"] = record.problems, record.resumed_at, record.saving
    if record.shared:
        raw["shared"] = {name: [one.writers, one.last] for name, one in record.shared.items()}
    return _encoder.encode(raw)


def fetch(connection: sqlite3.Connection, number: int, runs: Path) -> RunRecord:
    """Return a run's record as the index has it.

    Raises:
        sqlite3.DatabaseError: there is no such record, so the index is damaged.
    """
    found = connection.execute("SELECT record FROM records WHERE run = ?", (number,)).fetchone()
    try:
        return decode(found[0], _metrics(connection, number), runs)
    except (ValueError, TypeError) as error:
        raise sqlite3.DatabaseError(f"the index holds a damaged record: {error}") from error


def decode(text: str, metrics: Mapping[str, MetricSummary], runs: Path) -> RunRecord:
    """Return what ``encode`` made a text of, with its metrics, as a record whose folder lies below ``runs``.

    Raises:
        ValueError: it is no such text.
    """
    raw = json.loads(text)
    try:
        return RunRecord(
            **{name: raw[name] for name in _PLAIN},
            params=raw["params"],
            tags=raw["tags"],
            metrics=metrics,
            datasets=tuple(Dataset(*values) for values in raw["datasets"]),
            models=tuple(LoggedModel(*values) for values in raw["models"]),
            source=Source(*raw["source"]) if raw["source"] else None,
            environment=_environment(raw["environment"]),
            media=tuple(Media(*values) for values in raw["media"]),
            notes=tuple(Note(*values) for values in raw["notes"]),
            problems=tuple(raw["problems"]),
            resumed_at=tuple(raw["resumed_at"]),
            saving=tuple(raw.get("saving", ())),
            shared={name: Shared(*values) for name, values in raw.get("shared", {}).items()},
            folder=runs / raw["id"],
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a record: {error!r}") from error


def _environment(raw: dict[str, Any] | None) -> Environment | None:
    return Environment(**{**raw, "gpus": tuple(raw["gpus"]), "argv": tuple(raw["argv"])}) if raw else None


def _metrics(connection: sqlite3.Connection, number: int) -> dict[str, MetricSummary]:
    rows = connection.execute(
        "SELECT name, last, min, max, mean, count, step FROM metrics JOIN keys USING (key) WHERE run = ? ORDER BY key",
        (number,),
    )
    return {name: summary(*values) for name, *values in rows}


def summary(
    last: float | None, lowest: float | None, highest: float | None, mean: float | None, count: float, step: float
) -> MetricSummary:
    """Return a metric's numbers as an index has them, where NaN is missing."""
    last, lowest, highest, mean = (math.nan if value is None else value for value in (last, lowest, highest, mean))
    return MetricSummary(last, lowest, highest, mean, int(count), int(step))


def columns(record: RunRecord) -> list[str | float | None]:
    """Return what the table of runs holds of a record, in order of ``COLUMNS``; empty text is missing."""
    source = record.source
    started, finished = milliseconds(record.started_at), milliseconds(record.finished_at or "")
    return [
        text_of(record.name) or None,
        text_of(record.experiment) or None,
        text_of(record.status),
        started,
        finished,
        between(started, finished),
        (text_of(source.repository) or None) if source else None,
        (text_of(source.commit) or None) if source else None,
        str(source.dirty) if source else None,
        (text_of(source.entry_point) or None) if source else None,
        (text_of(source.branch) or None) if source else None,
        text_of(record.parent) or None,
        text_of(record.group) or None,
    ]


class Writer:
    """Writes the rows of records into an index."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._keys: dict[tuple[str, str], int] = {
            (kind, name): key for key, kind, name in connection.execute("SELECT key, kind, name FROM keys")
        }

    def write(self, number: int, rows: Rows, tails: str) -> None:
        """Write a run's rows; those that it has and that say the same already stay untouched."""
        execute, executemany = self._connection.execute, self._connection.executemany
        execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (number, rows.record, tails))
        self._put_metrics(number, rows.metrics)
        texts = [(self._key(kind, name), number, text, value) for kind, name, text, value in rows.texts]
        executemany(_PUT_TEXT, texts)
        if rows.datasets:
            execute("DELETE FROM datasets WHERE run = ?", (number,))
            sql = "INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?)"
            executemany(sql, [(number, *values) for values in rows.datasets])

    def grow(self, number: int, metrics: Mapping[str, MetricSummary], tails: str) -> None:
        """Write what some of a run's metrics add up to by now, and how far its files were read."""
        self._connection.execute("UPDATE records SET tails = ? WHERE run = ?", (tails, number))
        self._put_metrics(number, _summaries(metrics))

    def _put_metrics(self, number: int, metrics: list[tuple[str, float, float, float, float, float, float]]) -> None:
        rows = [(self._key("metrics", name), number, *numbers) for name, *numbers in metrics]
        self._connection.executemany(_PUT_METRIC, rows)

    def remove(self, number: int) -> None:
        """Remove a run's rows."""
        for table in ("records", "metrics", "texts", "datasets"):
            self._connection.execute(f"DELETE FROM {table} WHERE run = ?", (number,))  # noqa: S608 - one of four

    def _key(self, kind: str, name: str) -> int:
        found = self._keys.get((kind, name))
        if found is None:
            found = self._keys[kind, name] = self._known_key(kind, text_of(name))
        return found

    def _known_key(self, kind: str, name: str) -> int:
        found = self._keys.get((kind, name))
        if found is None:
            cursor = self._connection.execute("INSERT INTO keys (kind, name) VALUES (?, ?)", (kind, name))
            found = self._keys[kind, name] = cursor.lastrowid or 0
        return found


def key_of(connection: sqlite3.Connection) -> Callable[[str, str], int]:
    """Return what finds the number of a group and a name; one that no run has is -1."""

    def find(kind: str, name: str) -> int:
        found = connection.execute("SELECT key FROM keys WHERE kind = ? AND name = ?", (kind, text_of(name))).fetchone()
        return int(found[0]) if found else -1

    return find


def _summaries(metrics: Mapping[str, MetricSummary]) -> list[tuple[str, float, float, float, float, float, float]]:
    return [
        (name, one.last, one.min, one.max, one.mean, _fitting(one.count), _fitting(one.step))
        for name, one in metrics.items()
    ]


def _fitting(number: int) -> int | float:
    return number if -(2**63) <= number < 2**63 else float(number)
