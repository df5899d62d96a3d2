"""Finds runs by what they say: the way into this package."""

from __future__ import annotations

import difflib
import sqlite3
import sys
from collections.abc import Mapping, Sequence

from mlgitops.errors import InputError
from mlgitops.tracking.query import index
from mlgitops.tracking.query.compiler import condition, ordering
from mlgitops.tracking.query.parser import parse_filter, parse_order
from mlgitops.tracking.query.refresh import left_out
from mlgitops.tracking.query.roots import Root, records_of
from mlgitops.tracking.query.rows import fetch, key_of
from mlgitops.tracking.query.tables import Runs

MOST = 1_000  # runs, unless told otherwise
_MOST_TOLD = 3  # runs that are left out
_told: dict[str, str] = {}  # why, by id


def search_runs(
    filter_string: str = "",
    *,
    order_by: str | Sequence[str] = (),
    limit: int | None = MOST,
    root: Root = None,
    team_index: str | None = None,
) -> Runs:
    """Return the runs that a filter holds for, the newest first.

    The language is MLflow's, with ``or``, ``not``, parentheses, lists and dates; see
    docs/how-to/search-runs.md::

        mlgitops.search_runs("metrics.accuracy.max > 0.9 and not params.solver in ('sag', 'saga')",
                             order_by="metrics.accuracy desc", limit=10)

    What is found is a tuple of records, and ``to_pandas()``, ``to_arrow()`` and ``group_by("params.C")`` of it. Records
    that cannot be read are in its ``left_out``, and told on standard error once.

    Args:
        filter_string: what must hold; empty finds every run.
        order_by: fields, each perhaps followed by ``asc`` or ``desc``; runs without a value come last.
        limit: at most so many runs; None for all.
        root: where records lie: a folder, or the URI of a store that runs are pushed to;
            default ``mlgitops.tracking.root()``.
        team_index: ask the index that ``mlgitops index --to`` keeps at this URI instead: runs as they were then.

    Raises:
        FilterError: the filter or the order cannot be understood; the message points at the column.
        InputError: the limit is negative, or both a root and an index are named.
        OutsideError: the store or the team's index cannot be read (NotFoundError: there is none).
    """
    term, orders = parse_filter(filter_string), parse_order(order_by)
    if limit is not None and limit < 0:
        raise InputError(f"limit {limit} is negative; give how many runs at most, or None for all")
    if team_index is not None:
        if root is not None:
            raise InputError("a team's index has runs of its own roots; name a root or an index, not both")
        from mlgitops.tracking.query.team import duck, shelf

        return Runs(duck.search(shelf.mirror(team_index), term, orders, limit))
    records = records_of(root)

    def question(connection: sqlite3.Connection) -> Runs:
        find = key_of(connection)
        where, values = condition(term, find)
        joins, keys, order = ordering(orders, find)
        sql = f"SELECT runs.n FROM runs {joins} WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608 - no text of theirs
        numbers = connection.execute(sql, [*keys, *values, -1 if limit is None else limit]).fetchall()
        found = (fetch(connection, number, records.folder / "runs") for (number,) in numbers)
        return Runs(found, left_out(connection))

    runs = index.ask(records, question)
    _tell(runs.left_out)
    return runs


def _tell(left_out: Mapping[str, str]) -> None:
    """Say on standard error which runs no search of this process will find, each once."""
    new = {run_id: why for run_id, why in left_out.items() if _told.get(run_id) != why}
    _told.update(new)
    for why in list(new.values())[:_MOST_TOLD]:
        print(f"mlgitops: left out: {why}", file=sys.stderr)
    if len(new) > _MOST_TOLD:
        print(f"mlgitops: left out: {len(new) - _MOST_TOLD} more runs that cannot be read", file=sys.stderr)


def unknown(filter_string: str, *, root: Root = None) -> dict[str, str]:
    """Return the metrics, parameters and tags of a filter that no run ever had, each with the nearest or nothing."""
    term, records = parse_filter(filter_string), records_of(root)

    def question(connection: sqlite3.Connection) -> dict[str, str]:
        find, missing = key_of(connection), dict[tuple[str, str], None]()

        def note(group: str, name: str) -> int:
            number = find(group, name)
            if number < 0:
                missing[group, name] = None
            return number

        condition(term, note)
        return {f"{group}.{name}": _nearest(connection, group, name) for group, name in missing}

    return index.ask(records, question)


def _nearest(connection: sqlite3.Connection, group: str, name: str) -> str:
    known = [known for (known,) in connection.execute("SELECT name FROM keys WHERE kind = ?", (group,))]
    near = difflib.get_close_matches(name, known, n=1)
    return f"{group}.{near[0]}" if near else ""
