"""``mlgitops compare``: several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption

app = typer.Typer(add_completion=False)

_MOST_CURVES = 12  # that nobody asked for by name
_PIPED_WIDTH = 120  # columns, where no terminal says how many it has


@app.command(
    epilog="Examples: mlgitops compare 01KB7 01KB8 · mlgitops compare 01KB7 01KB8 --metric loss --html compared.html"
)
def compare(
    runs: Annotated[list[str], typer.Argument(help="Two or more runs, each by the beginning of its id.")],
    everything: Annotated[bool, typer.Option("--all", help="Also what is the same in all runs.")] = False,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="Only this metric's curve; may repeat.", show_default=False),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request or a note.")] = False,
    page: Annotated[
        Path | None, typer.Option("--html", help="Write a page that needs nothing else.", show_default=False)
    ] = None,
    root: Annotated[
        str | None,
        typer.Option("--root", help="A folder or store with records; default: as for training.", show_default=False),
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Show in what runs differ: parameters, metrics, data and code, and their curves."""
    import json
    import shutil
    import sys

    from mlgitops.cli import comparing
    from mlgitops.files import write_atomic
    from mlgitops.tracking.query import charts, comparison

    found = comparison.compare(runs, root=root)
    names = metric or comparison.with_curves(found.runs)
    if not metric and len(names) > _MOST_CURVES:
        typer.echo(f"the curves of {_MOST_CURVES} of {len(names)} metrics; choose others with --metric", err=True)
        names = names[:_MOST_CURVES]
    if output is Output.json and not (page or markdown):
        curves = comparison.curves(found.runs, names)
        typer.echo(json.dumps(comparing.to_json(found, curves, everything=everything), indent=1))
        return
    drawn = charts.charts(found.runs, names)
    if page:
        write_atomic(page, comparing.page(found, drawn, everything=everything).encode())
        typer.echo(f"wrote {page}", err=True)
    elif markdown:
        typer.echo(comparing.markdown(found, drawn, everything=everything))
    else:
        width = shutil.get_terminal_size((_PIPED_WIDTH, 24)).columns
        cut = sys.stdout.isatty()
        typer.echo(comparing.text(found, drawn, everything=everything, width=width, cut=cut))
