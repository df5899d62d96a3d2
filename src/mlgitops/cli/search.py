"""``mlgitops search``: the runs that a filter holds for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mlgitops.cli.output import Output, OutputOption

if TYPE_CHECKING:
    from mlgitops.tracking.query.groups import Grouping
    from mlgitops.tracking.query.tables import Runs

app = typer.Typer(add_completion=False)

_MOST = 50  # runs, unless told otherwise


@app.command(
    epilog="Examples: mlgitops search \"metrics.accuracy > 0.9 and params.solver = 'lbfgs'\" · "
    "mlgitops search \"not status in ('failed', 'killed')\" --order 'metrics.loss.min asc' --limit 5 · "
    "mlgitops search \"experiment = 'iris'\" --group-by params.C --metric accuracy.max"
)
def search(
    filter_string: Annotated[
        str, typer.Argument(metavar="[FILTER]", help="What must hold; empty for every run.", show_default=False)
    ] = "",
    order: Annotated[
        list[str] | None,
        typer.Option("--order", help="A field to sort by, perhaps with asc or desc; may repeat.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help=f"At most so many runs; default {_MOST}, all of them for groups."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", "-c", help="Show this field, such as params.C; may repeat.", show_default=False),
    ] = None,
    group_by: Annotated[
        list[str] | None,
        typer.Option("--group-by", "-g", help="A line for all runs that agree in this field; may repeat."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="With --group-by: only this metric's mean; may repeat."),
    ] = None,
    confidence: Annotated[
        float, typer.Option("--confidence", min=0.0, max=1.0, help="With --group-by: of the mean's interval.")
    ] = 0.95,
    root: Annotated[
        str | None,
        typer.Option("--root", help="A folder or store with records; default: as for training.", show_default=False),
    ] = None,
    index: Annotated[
        str | None, typer.Option("--index", metavar="URI", help="Ask the team's index there, see mlgitops index.")
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Find runs by their parameters, metrics, tags, data, code, state and dates."""
    from mlgitops.errors import InputError
    from mlgitops.tracking.query.search import search_runs

    if (group_by and column) or (metric and not group_by):
        raise InputError("--column shows runs, --group-by and --metric show groups; choose one of the two")
    limit = limit or (None if group_by else _MOST)
    found = search_runs(filter_string, order_by=order or (), limit=limit, root=root, team_index=index)
    if group_by:
        _print_groups(found.group_by(*group_by, metrics=metric, confidence=confidence), output)
    elif found or output is Output.json:
        _print_runs(found, column, output)
    else:
        typer.echo("no run fits; see all of them with: mlgitops runs", err=True)
        if index is None:
            _tell_unknown(filter_string, root)


def _tell_unknown(filter_string: str, root: str | None) -> None:
    from mlgitops.bot.inert import plain
    from mlgitops.tracking.query.search import unknown

    for name, near in unknown(filter_string, root=root).items():
        hint = f"; did you mean {plain(near)}?" if near else ""
        typer.echo(f"no run has {plain(name)}{hint}", err=True)


def _print_runs(found: Runs, columns: list[str] | None, output: Output) -> None:
    from mlgitops.cli import grid
    from mlgitops.cli.runs import print_table, to_json

    if columns is None:
        if output is Output.json:
            typer.echo(json.dumps([to_json(record) for record in found], indent=1))
        else:
            print_table(found)
        return
    headings, rows = ["id", *columns], found.rows(["id", *columns])
    if output is Output.json:
        typer.echo(json.dumps([dict(zip(headings, map(grid.to_json, row), strict=True)) for row in rows], indent=1))
    else:
        grid.show(headings, [[grid.shown(value) for value in row] for row in rows])


def _print_groups(found: Grouping, output: Output) -> None:
    from mlgitops.cli import grid

    if output is Output.json:
        typer.echo(json.dumps([grid.group_to_json(found, group) for group in found], indent=1))
        return
    rows = []
    for group in found:
        cells = [grid.shown(value) for value in group.values]
        means = [grid.mean(group.metrics.get(name), len(group.runs)) for name in found.metrics]
        rows.append([*cells, str(len(group.runs)), *means])
    grid.show([*found.fields, "runs", *found.metrics], rows)
