"""Columns that somebody chose, as a table and as JSON; what records say is inert in both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlgitops.bot.inert import plain

if TYPE_CHECKING:
    from mlgitops.statistics import Interval
    from mlgitops.tracking.query.groups import Group, Grouping

_LONGEST = 60  # characters of a cell
_NARROWEST = 8  # columns, that a column keeps where the terminal is narrow
_PIPED_WIDTH = 240  # columns, where no terminal says how many it has


def show(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below headings; the first column is never cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPED_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        narrowest = _NARROWEST if place else max(len(row[0]) for row in rows) if rows else None
        table.add_column(Text(plain(heading, _LONGEST)), no_wrap=True, overflow="ellipsis", min_width=narrowest)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def shown(value: object) -> str:
    """Return a value as one inert cell."""
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else plain(value, _LONGEST) or "''"


def mean(interval: Interval | None, runs: int) -> str:
    """Return a mean with its margin, and of how many values it is when not of all runs."""
    if interval is None:
        return "-"
    margin = "" if interval.margin is None else f" ± {interval.margin:.2g}"
    return f"{interval.mean:.6g}{margin}" + (f" (n={interval.count})" if interval.count != runs else "")


def to_json(value: object) -> object:
    """Return a value as JSON can write it; numbers that JSON has not are text."""
    from mlgitops.tracking.points import from_number

    return from_number(value) if isinstance(value, float) else value


def group_to_json(grouping: Grouping, group: Group) -> dict[str, Any]:
    """Return a group as JSON can write it."""
    return {
        "values": dict(zip(grouping.fields, map(to_json, group.values), strict=True)),
        "runs": [run.id for run in group.runs],
        "metrics": {
            name: {"mean": found.mean, "low": found.low, "high": found.high, "count": found.count}
            for name, found in group.metrics.items()
        },
    }
