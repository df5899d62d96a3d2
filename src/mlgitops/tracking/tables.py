"""A table as the bytes of a file: Parquet where pyarrow is installed, else a line of JSON for each row."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from mlgitops.errors import InputError
from mlgitops.tracking.media import Encoded, plain

_EXPECTED = "log_table takes a list of dicts, a dict of columns, or a frame of pandas, polars or Arrow"


def table(value: Any) -> Encoded:
    """Encode a table.

    Raises:
        InputError: it is no table.
    """
    try:
        import pyarrow as pa
    except ImportError:
        return _lines(value)
    try:
        arrow = _arrow(value, pa)
    except pa.ArrowException:
        return _lines(value)  # a column of mixed types: JSON takes it as it is
    return Encoded(_parquet(arrow), ("parquet",))


def _arrow(value: Any, pa: Any) -> Any:
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    if _is_pandas(value):
        return pa.Table.from_pandas(value)
    if callable(to_arrow := getattr(value, "to_arrow", None)):  # polars
        return to_arrow()
    return pa.Table.from_pylist(list(_rows(value)))


def _parquet(arrow: Any) -> bytes:
    from pyarrow import parquet

    written = io.BytesIO()
    parquet.write_table(arrow, written, compression="zstd")
    return written.getvalue()


def _lines(value: Any) -> Encoded:
    lines = (json.dumps(plain(row), ensure_ascii=False) + "\n" for row in _rows(value))
    return Encoded("".join(lines).encode("utf-8", "surrogatepass"), ("jsonl",))


def _rows(value: Any) -> Iterable[Mapping[str, Any]]:
    if _is_pandas(value):
        return list(value.to_dict(orient="records"))
    for name in ("to_dicts", "to_pylist"):  # polars, Arrow
        if callable(rows := getattr(value, name, None)):
            return list(rows())
    if isinstance(value, Mapping):
        return _of_columns(value)
    if isinstance(value, list | tuple) and all(isinstance(row, Mapping) for row in value):
        return [{str(name): cell for name, cell in row.items()} for row in value]
    raise InputError(f"{_EXPECTED}; got a {type(value).__module__}.{type(value).__qualname__}")


def _of_columns(columns: Mapping[Any, Any]) -> list[dict[str, Any]]:
    try:
        cells = {str(name): list(column) for name, column in columns.items()}
        return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
    except (TypeError, ValueError) as error:
        raise InputError(f"{_EXPECTED}; the columns are not lists of one length: {error}") from error


def _is_pandas(value: Any) -> bool:
    return hasattr(value, "to_dict") and hasattr(value, "iloc") and hasattr(value, "columns")
