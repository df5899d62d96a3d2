"""``mlgitops search``: the runs that a filter holds for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: mlgitops search \"metrics.accuracy > 0.9 and params.solver = 'lbfgs'\" · "
    "mlgitops search \"not status in ('failed', 'killed')\" --order 'metrics.loss.min asc' --limit 5"
)
def search(
    filter_string: Annotated[
        str, typer.Argument(metavar="[FILTER]", help="What must hold; empty for every run.", show_default=False)
    ] = "",
    order: Annotated[
        list[str] | None,
        typer.Option("--order", help="A field to sort by, perhaps with asc or desc; may repeat.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many runs.")] = 50,
    root: Annotated[
        Path | None, typer.Option("--root", help="Where records lie; default: as for training.", show_default=False)
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Find runs by their parameters, metrics, tags, data, code, state and dates."""
    from mlgitops.cli.runs import print_table, to_json
    from mlgitops.tracking.query.search import search_runs

    found = search_runs(filter_string, order_by=order or (), limit=limit, root=root)
    if output is Output.json:
        import json

        typer.echo(json.dumps([to_json(record) for record in found], indent=1))
    elif found:
        print_table(found)
    else:
        typer.echo("no run fits; see all of them with: mlgitops runs", err=True)
