"""``mlgitops push``: a run's record and models into the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption, emit

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: mlgitops push 01K --to s3://models")
def push(
    run: Annotated[str, typer.Argument(help="The run's id, or the beginning of it.")],
    store: Annotated[str | None, typer.Option("--to", help="The store; default: store.url of mlgitops.toml.")] = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="Where records lie; default: as for training.", show_default=False)
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Upload a run's record and its models by their digests; what is there already is not sent again.

    Of a run that still goes on, what it has logged so far is uploaded.
    """
    from mlgitops import config, tracking
    from mlgitops.tracking import remote
    from mlgitops.tracking.records import settled

    record = tracking.read(tracking.find(root or tracking.root(), run))
    target = store or config.load().require("store.url")
    if record.status == "running":
        from mlgitops.tracking.live import LivePush

        LivePush(record.folder, target).push()
        emit(
            output, {"run_uri": f"{target}/runs/{record.id}", "models": {}}, f"run    {target}/runs/{record.id} (live)"
        )
        return
    pushed = remote.push(settled(record), target)
    if output is Output.json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(pushed), indent=1))
        return
    typer.echo(f"run    {pushed.run_uri}")
    for uri in pushed.models.values():
        typer.echo(f"model  {uri}")
