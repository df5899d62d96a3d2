"""Found runs as rows with a column for each thing that they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from mlgitops.errors import require
from mlgitops.tracking.query.groups import Grouping, group
from mlgitops.tracking.query.language import ATTRIBUTES, GIT, Field, Kind
from mlgitops.tracking.query.parser import milliseconds, parse_field
from mlgitops.tracking.query.values import text_of, value_of
from mlgitops.tracking.records import RunRecord, Scalar

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Runs(tuple[RunRecord, ...]):
    """Runs in the order that was asked for: a tuple of records that can also be a table.

    ``left_out`` says by id why runs were not asked: their records are of a newer format, or broken.
    """

    left_out: Mapping[str, str]

    def __new__(cls, runs: Iterable[RunRecord] = (), left_out: Mapping[str, str] | None = None) -> Self:
        """Return runs in this order."""
        found = super().__new__(cls, runs)
        found.left_out = left_out or {}
        return found

    def rows(self, columns: Sequence[str]) -> list[tuple[Scalar, ...]]:
        """Return each run's values of some fields.

        Raises:
            FilterError: a column is no field.
        """
        fields = [parse_field(name) for name in columns]
        return [tuple(value_of(run, field) for field in fields) for run in self]

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a table with a row for each run.

        Args:
            columns: fields as a filter names them, such as ``params.C`` and ``metrics.loss.min``; default: id,
                name, state, times, code, and every parameter, tag and metric (its last value) of these runs.

        Raises:
            FilterError: a column is no field.
            MissingExtraError: pyarrow is not installed.
        """
        fields = self._fields() if columns is None else {name: parse_field(name) for name in columns}
        return to_table({name: [value_of(run, field) for run in self] for name, field in fields.items()}, fields)

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a data frame with a row for each run, as ``to_arrow`` has it."""
        require("pandas", "query")
        return self.to_arrow(columns).to_pandas()

    def group_by(self, *fields: str, metrics: Sequence[str] | None = None, confidence: float = 0.95) -> Grouping:
        """Return the runs in groups that agree in some fields, each with the means of its metrics.

        Args:
            fields: such as ``params.C`` or ``dataset.train.digest``.
            metrics: names, perhaps with ``.min`` and the like; default: the last value of every metric.
            confidence: of the interval around each mean, by Student's t.

        Raises:
            FilterError: a field or metric cannot be understood.
            InputError: the confidence is not between 0 and 1.
        """
        return group(self, fields, metrics, confidence)

    def _fields(self) -> dict[str, Field]:
        named = [(field.name, field) for field in dict.fromkeys(ATTRIBUTES.values())]
        named += [(f"git.{name}", field) for name, field in GIT.items()]
        for what in ("params", "metrics", "tags"):
            names = dict.fromkeys(name for run in self for name in getattr(run, what))
            kind, part = (Kind.NUMBER, "last") if what == "metrics" else (Kind.EITHER, "")
            named += [(f"{what}.{name}", Field(what, name, kind, part)) for name in sorted(names)]
        return dict(named)


def to_table(columns: dict[str, list[Scalar]], fields: dict[str, Field] | None = None) -> pa.Table:
    """Return columns as an Arrow table: each of one type, which is text where values of several meet."""
    pa = require("pyarrow", "query")
    times = {name for name, field in (fields or {}).items() if field.kind is Kind.TIME}
    arrays = [
        pa.array([milliseconds(str(value or "")) for value in values], pa.float64())
        .cast(pa.int64())
        .cast(pa.timestamp("ms", tz="UTC"))
        if name in times
        else _array(pa, values)
        for name, values in columns.items()
    ]
    return pa.table(arrays, names=[text_of(name) for name in columns])


def _array(pa: Any, values: list[Scalar]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value is None or -(2**63) <= int(value) < 2**63 for value in values):
        return pa.array(values, pa.int64())
    if float in kinds and kinds <= {int, float}:
        return pa.array([None if value is None else _float(value) for value in values], pa.float64())
    return pa.array([None if value is None else text_of(value) for value in values], pa.string())


def _float(value: Scalar) -> float:
    try:
        return float(value or 0)
    except OverflowError:
        return float("inf") if int(value or 0) > 0 else float("-inf")
