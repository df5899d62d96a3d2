"""``mlgitops experiments``: what runs belong to, and what was said about it."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from mlgitops.cli.output import Output, OutputOption
from mlgitops.cli.remarking import RootOption

app = typer.Typer(add_completion=False)


@app.command(epilog="Examples: mlgitops experiments --output json · mlgitops experiments --root s3://models")
def experiments(root: RootOption = None, output: OutputOption = Output.table) -> None:
    """List the experiments with their descriptions, tags and notes."""
    from mlgitops.bot.inert import plain
    from mlgitops.cli import lines
    from mlgitops.tracking.query.roots import records_of

    records = records_of(root)
    found = records.experiments()
    if output is Output.json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(one) | {"folder": str(one.folder)} for one in found], indent=1))
        return
    if not found:
        typer.echo(f"no experiments in {records.name}; a run makes its own: mlgitops.start_run(experiment=…)", err=True)
        return
    rows = [(plain(one.name), plain(one.description), _tags(one.tags)) for one in found]
    for one, line in zip(found, lines.laid_out(("", "", ""), rows, lines.room(), {1: 20, 2: 0})[1:], strict=True):
        typer.echo(line)
        for note in one.notes:
            typer.echo(f"    {plain(note.time[:16]).replace('T', ' ')} {plain(note.by)}: {plain(note.text)}")


def _tags(tags: Mapping[str, str]) -> str:
    from mlgitops.bot.inert import plain

    return " ".join(f"{plain(name, 40)}={plain(value, 40)}" for name, value in sorted(tags.items()))
