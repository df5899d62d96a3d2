"""``mlgitops promote``: a reviewed one-line change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlgitops.cli.output import Output, OutputOption, emit

if TYPE_CHECKING:
    from mlgitops.bot.promote import Moved

app = typer.Typer(add_completion=False)


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="The model.")],
    stage: Annotated[str, typer.Argument(help="The stage that shall name another version.")],
    version: Annotated[
        str | None, typer.Argument(help="The version; default: what the stage before names, or the newest.")
    ] = None,
    lift_hold: Annotated[bool, typer.Option("--lift-hold", help="Also remove the stage's hold.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """Open the pull request that makes a stage name a version.

    Examples:
      mlgitops promote iris staging
      mlgitops promote iris production 3
    """
    from mlgitops.bot.context import open_context
    from mlgitops.bot.promote import promote as verb

    show(verb(open_context(), model, stage, version, lift_hold=lift_hold), output)


def show(done: Moved, output: Output) -> None:
    """Print the pull request of a promotion or a rollback."""
    data = {
        "model": done.model,
        "stage": done.stage,
        "before": done.before,
        "version": done.version,
        "title": done.title,
        "pull": done.pull.number,
    }
    emit(output, data, f"pull request {done.pull.number}: {done.title}\nnext: mlgitops pr diff {done.pull.number}")
