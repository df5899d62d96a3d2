"""``mlgitops experiments``: what runs belong to, and what was said about it."""

from __future__ import annotations

import typer

from mlgitops.cli.output import Output, OutputOption
from mlgitops.cli.remarking import RootOption

app = typer.Typer(add_completion=False)


@app.command(epilog="Examples: mlgitops experiments --output json · mlgitops experiments --root s3://models")
def experiments(root: RootOption = None, output: OutputOption = Output.table) -> None:
    """List the experiments with their descriptions, tags and notes."""
    from mlgitops.bot.inert import plain
    from mlgitops.tracking.query.roots import records_of

    found = records_of(root).experiments()
    if output is Output.json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(one) | {"folder": str(one.folder)} for one in found], indent=1))
        return
    for one in found:
        tags = " ".join(f"{plain(name, 40)}={plain(value, 40)}" for name, value in sorted(one.tags.items()))
        typer.echo("  ".join(part for part in (plain(one.name), plain(one.description), tags) if part))
        for note in one.notes:
            typer.echo(f"    {plain(note.time[:16]).replace('T', ' ')} {plain(note.by)}: {plain(note.text)}")
