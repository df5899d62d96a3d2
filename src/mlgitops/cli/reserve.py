"""``mlgitops reserve``: a number for a version that was written by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption, emit

app = typer.Typer(add_completion=False)


@app.command()
def reserve(
    address: Annotated[str, typer.Argument(metavar="MODEL:VERSION", help="The number.")],
    digest: Annotated[str, typer.Argument(help="The package's digest.")],
    output: OutputOption = Output.table,
) -> None:
    """Reserve a version number for a digest in the ledger, for ever.

    Example: mlgitops reserve iris:7 sha256:9f…
    """
    from mlgitops.api import addresses
    from mlgitops.bot.context import open_context
    from mlgitops.bot.reserve import reserve as verb
    from mlgitops.errors import InputError

    found = addresses.parse(address)
    if not isinstance(found, addresses.ModelAddress) or not found.version:
        raise InputError(f"{address!r} names no version; expected MODEL:VERSION such as iris:7")
    verb(open_context(), found.model, found.version, digest)
    data = {"model": found.model, "version": found.version, "digest": digest}
    emit(output, data, f"{found} is reserved for {digest}")
