"""``mlgitops archive``: take a version out of use, by pull request."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption, emit

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: mlgitops archive iris:3 --reason 'trained on leaked labels'")
def archive(
    address: Annotated[str, typer.Argument(metavar="MODEL:VERSION", help="The version.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays in the version.", show_default=False)],
    output: OutputOption = Output.table,
) -> None:
    """Open the pull request that archives a version: its file stays, and no stage may name it again."""
    from mlgitops.api import addresses
    from mlgitops.api.addresses import ModelAddress
    from mlgitops.bot.archive import archive as verb
    from mlgitops.bot.context import open_context
    from mlgitops.errors import InputError

    named = addresses.parse(address)
    if not isinstance(named, ModelAddress) or not named.version:
        raise InputError(f"{address!r} is no version; expected MODEL:VERSION, such as iris:3")
    done = verb(open_context(), named.model, named.version, reason=reason)
    data = {"model": done.model, "version": done.version, "title": done.title, "pull": done.pull.number}
    emit(output, data, f"pull request {done.pull.number}: {done.title}\nnext: mlgitops pr diff {done.pull.number}")
