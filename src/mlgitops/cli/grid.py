"""Columns that somebody chose, as a table and as JSON; what records say is inert in both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from mlgitops.bot.inert import plain
from mlgitops.cli import lines

if TYPE_CHECKING:
    from mlgitops.statistics import Interval
    from mlgitops.tracking.query.groups import Group, Grouping

_LONGEST = 80  # characters of a cell; a digest has 71
_NARROWEST = 8  # columns, that the only column beside the first keeps where the terminal is narrow


def show(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below headings, whole; columns that a terminal has no room for are named instead."""
    width = lines.room()
    put, left_out = within(headings, rows, width)
    lines.put(put)
    if left_out:
        named = ", ".join(plain(heading, _LONGEST) for heading in left_out)
        typer.echo(f"no room in {width} columns for: {named}; see them with --output json or | less -S", err=True)


def within(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None
) -> tuple[list[str], Sequence[str]]:
    """Return a table's lines for so many columns, and the headings that found no room; without a width all do."""
    inert = [plain(heading, _LONGEST) for heading in headings]
    count = len(inert) if width is None else lines.fitting(inert, rows, width)
    found = lines.laid_out(inert[:count], [row[:count] for row in rows], width, {1: _NARROWEST} if count > 1 else {})
    return found, headings[count:]


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
