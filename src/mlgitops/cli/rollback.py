"""``mlgitops rollback``: the line back, and a hold."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption

app = typer.Typer(add_completion=False)


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(help="The model.")],
    stage: Annotated[str, typer.Argument(help="The stage to roll back.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the hold that keeps bots off.")],
    version: Annotated[str | None, typer.Option(help="Back to which version; default: what it named before.")] = None,
    output: OutputOption = Output.table,
) -> None:
    """Open the pull request that puts a stage's version back, with a hold.

    Example: mlgitops rollback iris production --reason "p99 regression"
    """
    from mlgitops.bot.context import open_context
    from mlgitops.bot.promote import rollback as verb
    from mlgitops.cli.promote import show

    show(verb(open_context(), model, stage, reason=reason, version=version), output)
