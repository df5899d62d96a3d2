"""``mlgitops index``: a team's index of runs in object storage."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: mlgitops index --to s3://models/index · "
    "mlgitops search --index s3://models/index \"status = 'failed'\""
)
def index(
    to: Annotated[str, typer.Option("--to", metavar="URI", help="Where the index lies: s3://… or file://…")],
    root: Annotated[
        str | None,
        typer.Option("--root", help="A folder or store with records; default: as for training.", show_default=False),
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Write what the runs of a root say into an index that a whole team can search.

    Doing it again sends only what changed. Every root has a part of its own, so several people or jobs
    may index theirs into the same place.
    """
    from mlgitops.cli.output import inert
    from mlgitops.tracking.query.team import shelf

    done = shelf.publish(to, root)
    if output is Output.json:
        typer.echo(json.dumps(asdict(done)))
    else:
        typer.echo(inert(f"{done.runs} runs in {to}, {done.uploaded} of {done.files} files were new"))
