"""``mlgitops lineage``: what came of data or a run, and what a version came from."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption, inert

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: mlgitops lineage dataset:sha256:9f86d0 · mlgitops lineage run:01KB7 · "
    "mlgitops lineage iris@production --markdown"
)
def lineage(
    address: Annotated[str, typer.Argument(help="dataset:DIGEST, run:ID, MODEL:VERSION or MODEL@STAGE.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request or a note.")] = False,
    root: Annotated[
        str | None,
        typer.Option("--root", help="A folder or store with records; default: as for training.", show_default=False),
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Show the runs, versions, stages and deployments that came of something, and what it came from.

    Run records say which data a run read, the registry which versions came of a run; what only one of
    them knows counts too. Without a configured registry only runs are shown.
    """
    from mlgitops import config
    from mlgitops.bot.context import open_context
    from mlgitops.bot.lineage import lineage as verb
    from mlgitops.cli import descent

    context = open_context() if config.load().get("registry.url") else None
    if context is None:
        typer.echo("no registry is configured (registry.url), so only runs are shown", err=True)
    found = verb(address, context=context, root=root)
    if output is Output.json:
        typer.echo(json.dumps(descent.to_json(found), indent=1))
    else:
        typer.echo(inert(descent.markdown(found) if markdown else descent.text(found)))
