"""Rows below headings, a line each: whole where nothing limits a line, within a terminal's columns on one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence

import typer

_GAP = "  "
_LEAST = 12  # columns, with less than that a column that may go away is gone


def room() -> int | None:
    """Return the columns of the terminal; None when this is read by a program or a file, which cut themselves."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def laid_out(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, yielding: Mapping[int, int]
) -> list[str]:
    """Return the lines of a table, the headings first, without blanks at their ends.

    Args:
        headings: one for each column; they are cut with their column only.
        rows: cells that are inert and of one line.
        width: columns of the terminal; None lets every cell stand whole.
        yielding: columns that become narrower when the lines are wider than that, the first of them first,
            each with what it keeps; one that keeps 0 goes away before it is of no use.
    """
    from rich.cells import cell_len, set_cell_size

    table = [headings, *rows]
    wide = [max(cell_len(line[place]) for line in table) for place in range(len(headings))]
    if width is not None:
        for place, least in yielding.items():
            over = sum(wide) + len(_GAP) * (sum(map(bool, wide)) - 1) - width
            if over > 0:
                left = max(wide[place] - over, min(least, wide[place]))
                wide[place] = 0 if not least and left < _LEAST else left

    def cell(text: str, columns: int) -> str:
        return set_cell_size(text, columns) if cell_len(text) <= columns else set_cell_size(text, columns - 1) + "…"

    return [
        _GAP.join(cell(text, columns) for text, columns in zip(line, wide, strict=True) if columns).rstrip()
        for line in table
    ]


def fitting(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> int:
    """Return how many columns stand whole side by side, two at least: what is left out can be asked for."""
    from rich.cells import cell_len

    used = 0
    for place in range(len(headings)):
        used += max(cell_len(line[place]) for line in (headings, *rows)) + (len(_GAP) if place else 0)
        if used > width and place > 1:
            return place
    return len(headings)


def put(lines: Sequence[str]) -> None:
    """Print a table's lines, the headings bold on a terminal."""
    typer.secho(lines[0], bold=True)
    for line in lines[1:]:
        typer.echo(line)
