"""An index as Parquet: a few files for every few thousand runs, the same bytes for the same runs.

Where one chunk ends and the next begins depends on the ids in it alone, so runs that come or go change
the files of one chunk and leave all others as they were.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlgitops import digest
from mlgitops.errors import require
from mlgitops.tracking.query.rows import COLUMNS

CHUNK = 4_096  # runs that one is expected to hold
_ROWS = 16_384  # of a row group: readers skip those whose keys they do not look for

_RUN_COLUMNS = ", ".join(f'"{name}"' for name in COLUMNS)
_QUERIES = {
    "runs": f"SELECT id, {_RUN_COLUMNS} FROM runs WHERE id BETWEEN ? AND ? ORDER BY id",  # noqa: S608 - our words
    "metrics": "SELECT keys.name AS key, id AS run, last, min, max, mean, count, step FROM metrics "
    "JOIN keys USING (key) JOIN runs ON n = run WHERE id BETWEEN ? AND ? ORDER BY keys.name, id",
    "texts": "SELECT kind || '.' || keys.name AS key, id AS run, text, number FROM texts JOIN keys USING (key) "
    "JOIN runs ON n = run WHERE id BETWEEN ? AND ? ORDER BY kind, keys.name, id",
    "datasets": "SELECT id AS run, datasets.name, context, digest, uri, rows FROM datasets "
    "JOIN runs ON n = run WHERE id BETWEEN ? AND ? ORDER BY id, datasets.name, context, digest",
    "records": "SELECT id AS run, record FROM records JOIN runs ON n = run WHERE id BETWEEN ? AND ? ORDER BY id",
}
TABLES = tuple(_QUERIES)
_NUMBERS = {"last", "min", "max", "mean", "number", "rows", "started_at", "finished_at", "duration"}
_WHOLE = {"count", "step"}


@dataclass(frozen=True, slots=True)
class Part:
    """The files of one chunk: the digest (hex) of each table's, which is its name too."""

    runs: int
    files: dict[str, str]


def key_of(group: str, name: str) -> str:
    """Return what stands for a group and a name in the files, as ``compiler`` asks for it."""
    return name if group == "metrics" else f"{group}.{name}"


def write(connection: sqlite3.Connection, folder: Path) -> Iterator[Part]:
    """Write the runs of an index into a folder, each file named by its digest.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    ids = [run_id for (run_id,) in connection.execute("SELECT id FROM runs ORDER BY id")]
    for chunk in [*chunks(ids)] or [[]]:  # of no runs, the files say at least which columns there would be
        bounds = (chunk[0], chunk[-1]) if chunk else ("", "")
        yield Part(len(chunk), {table: _write(connection, table, bounds, folder) for table in TABLES})


def chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut sorted ids where the ids themselves say so."""
    start = 0
    for place, run_id in enumerate(ids):
        if int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:4]) % CHUNK == 0 or place - start == 4 * CHUNK:
            yield ids[start : place + 1]
            start = place + 1
    if start < len(ids):
        yield ids[start:]


def _write(connection: sqlite3.Connection, table: str, bounds: tuple[str, str], folder: Path) -> str:
    pa, parquet = require("pyarrow", "query"), require("pyarrow.parquet", "query")
    cursor = connection.execute(_QUERIES[table], bounds)
    names = [column[0] for column in cursor.description]
    columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
    arrays = [_array(pa, name, values) for name, values in zip(names, columns, strict=True)]
    path = folder / f"{table}.partial"
    parquet.write_table(pa.table(arrays, names=names), path, compression="zstd", row_group_size=_ROWS)
    found = digest.hex_of(digest.of_file(path))
    path.replace(folder / f"{found}.parquet")
    return found


def _array(pa: Any, name: str, values: Sequence[Any]) -> Any:
    if name in _NUMBERS:
        return pa.array(values, pa.float64())
    if name in _WHOLE:
        return pa.array([max(-(2**63), min(int(value), 2**63 - 1)) for value in values], pa.int64())
    return pa.array(values, pa.string())
