"""Asks a team's index: the same filter, the same SQL, DuckDB instead of SQLite.

DuckDB may read the mirror's folder and nothing else, and loads no extension.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlgitops.errors import OutsideError, require
from mlgitops.tracking.query.compiler import condition, ordering
from mlgitops.tracking.query.index import alike
from mlgitops.tracking.query.language import Order, Term
from mlgitops.tracking.query.rows import decode, summary
from mlgitops.tracking.query.team.checked import checked
from mlgitops.tracking.query.team.parts import TABLES, key_of
from mlgitops.tracking.query.team.shelf import Shard
from mlgitops.tracking.records import MetricSummary, RunRecord

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ALL = (1 << 62) - 1  # stands for no limit


def search(shards: Sequence[Shard], term: Term, orders: Sequence[Order], limit: int | None) -> Iterator[RunRecord]:
    """Yield the runs that a filter holds for, in order; of a run in several shards the newest shard's.

    Raises:
        OutsideError: the index cannot be read; a part may be damaged.
        MissingExtraError: duckdb is not installed.
    """
    duckdb = require("duckdb", "query")
    folder = next(iter(shards[0].tables["runs"])).parent / "runs"
    try:
        with _connected(shards) as connection:
            where, values = condition(term, key_of)
            joins, keys, order = ordering(orders, key_of)
            sql = (
                "CREATE TEMP TABLE found AS SELECT runs.n, row_number() OVER () AS place FROM "  # noqa: S608 - no text of theirs
                f"(SELECT runs.n FROM runs {joins} WHERE {where} ORDER BY {order} LIMIT ?) AS runs"
            )
            connection.execute(sql, [*keys, *values, _ALL if limit is None else limit])
            yield from _records(connection, folder)
    except (duckdb.Error, ValueError) as error:
        raise OutsideError(f"the index cannot be read: {error}; index its roots again") from error


def _records(connection: DuckDBPyConnection, folder: Path) -> Iterator[RunRecord]:
    metrics: dict[str, dict[str, MetricSummary]] = {}
    sql = "SELECT run, key, last, min, max, mean, count, step FROM metrics SEMI JOIN found ON run = n ORDER BY key"
    for run, name, *numbers in connection.execute(sql).fetchall():
        metrics.setdefault(run, {})[name] = summary(*numbers)
    sql = "SELECT n, record FROM found JOIN records ON run = n ORDER BY place"
    for run, record in connection.execute(sql).fetchall():
        yield checked(decode(record, metrics.get(run, {}), folder))


@contextlib.contextmanager
def _connected(shards: Sequence[Shard]) -> Iterator[DuckDBPyConnection]:
    duckdb = require("duckdb", "query")
    settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection: Any = duckdb.connect(":memory:", config=settings)
    try:
        # Special: it is asked about missing texts too.
        types = ["VARCHAR", "INTEGER", "VARCHAR"]
        connection.create_function("alike", alike, types, "BOOLEAN", null_handling="special")
        folders = {str(path.parent) for shard in shards for paths in shard.tables.values() for path in paths}
        connection.execute(f"SET allowed_directories = [{', '.join(map(_quoted, sorted(folders)))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        for table in TABLES:
            connection.execute(f"CREATE TEMP VIEW {table} AS {_view(table, shards)}")
        yield connection
    finally:
        connection.close()


def _view(table: str, shards: Sequence[Shard]) -> str:
    """Return the SQL of all shards' rows; a run's number is its shard's and its id, which several may have."""
    column = "id" if table == "runs" else "run"
    selects = []
    for number, shard in enumerate(shards):
        paths = ", ".join(_quoted(str(path)) for path in shard.tables[table])
        name = column if len(shards) == 1 else f"'{number:03d}:' || {column}"
        new = f"{name} AS n, *" if table == "runs" else f"* REPLACE ({name} AS run)"
        selects.append(f"SELECT {new} FROM read_parquet([{paths}])")  # noqa: S608 - no text of theirs
    rows = " UNION ALL BY NAME ".join(selects)
    if table == "runs" and len(selects) > 1:
        return f"SELECT * FROM ({rows}) QUALIFY row_number() OVER (PARTITION BY id ORDER BY n) = 1"  # noqa: S608
    return rows


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"
