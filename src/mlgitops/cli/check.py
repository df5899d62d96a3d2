"""``mlgitops check``: may this be merged?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption, inert

app = typer.Typer(add_completion=False)


@app.command()
def check(
    base: Annotated[str, typer.Option(help="The branch or commit that the change shall be merged into.")] = "main",
    pr: Annotated[int | None, typer.Option(help="The pull request; default: what is checked out.")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Reserve nothing and write nothing.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """Judge the merge of a change into its base: form, evidence, gates, and what the cluster would do.

    With --pr the verdict is also written on the pull request: one comment that is updated, and a check.
    Exit code 1 says that it must not be merged.

    Examples:
      mlgitops check --base origin/main
      mlgitops check --base main --pr 7
    """
    from mlgitops.bot.check import publish
    from mlgitops.bot.question import ask

    if pr is None:
        _note_uncommitted(Path.cwd())
    report, forge = ask(Path.cwd(), base=base, pull=pr, read_only=read_only)
    if forge is not None and pr is not None and not read_only:
        publish(report, forge, pr)
    typer.echo(json.dumps(report.to_json()) if output is Output.json else inert(report.text()))
    raise typer.Exit(0 if report.passed else 1)


def _note_uncommitted(folder: Path) -> None:
    """Say that only commits are judged, to whoever might believe that the work tree is."""
    from mlgitops import registry
    from mlgitops.git import Repository

    files = Repository.open(folder).uncommitted(registry.layout.ROOT)
    if files:
        known = f"{inert(files[0])} and {len(files) - 1} more" if len(files) > 1 else inert(files[0])
        typer.echo(f"note: uncommitted changes are not judged ({known}); mlgitops plan shows them", err=True)
