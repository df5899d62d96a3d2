"""Runs in groups that agree in some fields, and the mean of what each group reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlgitops.errors import InputError, require
from mlgitops.statistics import Interval, mean_interval
from mlgitops.tracking.query.language import Field, Kind
from mlgitops.tracking.query.parser import parse_field
from mlgitops.tracking.query.values import number_of, text_of, value_of
from mlgitops.tracking.records import RunRecord, Scalar

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Key = tuple[tuple[bool, bool, float, str], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that agree: ``values`` are of the fields that they were grouped by, None where they say nothing.

    An interval's ``count`` is less than the number of runs where some have no such metric or end on NaN.
    """

    values: tuple[Scalar, ...]
    runs: tuple[RunRecord, ...]
    metrics: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups in order of their values: numbers, then texts, then what says nothing."""

    fields: tuple[str, ...]
    metrics: tuple[str, ...]
    groups: tuple[Group, ...]

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    def to_arrow(self) -> pa.Table:
        """Return a table with a row for each group: its values, ``runs``, and of each metric mean, ``±`` and ``n``.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        from mlgitops.tracking.query.tables import to_table

        columns: dict[str, list[Scalar]] = {
            name: [group.values[place] for group in self] for place, name in enumerate(self.fields)
        }
        columns["runs"] = [len(group.runs) for group in self]
        for name in self.metrics:
            found = [group.metrics.get(name) for group in self]
            columns[name] = [interval.mean if interval else None for interval in found]
            columns[f"{name} ±"] = [interval.margin if interval else None for interval in found]
            columns[f"{name} n"] = [interval.count if interval else 0 for interval in found]
        return to_table(columns)

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame with a row for each group, as ``to_arrow`` has it."""
        require("pandas", "query")
        return self.to_arrow().to_pandas()


def group(
    runs: Sequence[RunRecord], fields: Sequence[str], metrics: Sequence[str] | None, confidence: float
) -> Grouping:
    """Return runs in groups; values that the language finds equal, such as ``1`` and ``'1.0'``, are one.

    Raises:
        FilterError: a field or metric cannot be understood.
        InputError: there is nothing to group by, or the confidence is not between 0 and 1.
    """
    if not fields:
        raise InputError("name one or more fields to group by, such as params.C")
    parsed = [parse_field(name) for name in fields]
    measured = _measured(runs, metrics)
    groups: dict[Key, list[RunRecord]] = {}
    for run in runs:
        key = tuple(_key(value_of(run, field)) for field in parsed)
        groups.setdefault(key, []).append(run)
    found = []
    for _, members in sorted(groups.items()):
        values = tuple(value_of(members[0], field) for field in parsed)
        found.append(Group(values, tuple(members), _means(members, measured, confidence)))
    return Grouping(tuple(fields), tuple(measured), tuple(found))


def _measured(runs: Sequence[RunRecord], metrics: Sequence[str] | None) -> dict[str, Field]:
    if metrics is None:
        names = sorted({name for run in runs for name in run.metrics})
        return {f"metrics.{name}": Field("metrics", name, Kind.NUMBER, "last") for name in names}
    found = {}
    for name in metrics:
        path = name if name.split(".")[0].lower() in ("metric", "metrics", "duration") else f"metrics.{name}"
        field = parse_field(path)
        if field.kind is not Kind.NUMBER:
            raise InputError(f"{name} has no mean; name a metric such as metrics.accuracy.max, or duration")
        found[path] = field
    return found


def _means(runs: Sequence[RunRecord], measured: Mapping[str, Field], confidence: float) -> dict[str, Interval]:
    found = {}
    for name, field in measured.items():
        values = (number_of(value_of(run, field)) for run in runs)
        interval = mean_interval((value for value in values if value is not None), confidence)
        if interval:
            found[name] = interval
    return found


def _key(value: Scalar) -> tuple[bool, bool, float, str]:
    number = number_of(value)
    text = text_of(value) if number is None and value is not None else ""
    return value is None, number is None, number or 0.0, text
