"""``mlgitops bot``: what a bot does without being asked."""

from __future__ import annotations

from typing import Any

import typer

from mlgitops.cli.output import Output, OutputOption, emit

app = typer.Typer(add_completion=False, no_args_is_help=True, help="What the registry's bot does without being asked.")


@app.callback()
def bot() -> None:
    """What the registry's bot does without being asked."""


@app.command()
def inbox(output: OutputOption = Output.table) -> None:
    """Turn waiting inbox branches into pull requests; exit 1 when one of them was refused.

    Example: mlgitops bot inbox
    """
    from mlgitops.bot.context import open_context
    from mlgitops.bot.inbox import inbox as verb

    rows: list[dict[str, Any]] = []
    for found in verb(open_context()):
        pull = found.proposed.pull if found.proposed else None
        rows.append({"branch": found.branch, "pull": pull.number if pull else None, "problem": found.problem or None})
    lines = [
        f"{row['branch']}: " + (f"pull request {row['pull']}" if row["pull"] else f"refused: {row['problem']}")
        for row in rows
    ]
    emit(output, {"branches": rows}, "\n".join(lines) or "no run waits in the inbox")
    if any(row["problem"] for row in rows):
        raise typer.Exit(1)
