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
    lines: list[str] = []
    for found in verb(open_context()):
        pull = found.proposed.pull if found.proposed else None
        told = f"pull request {pull.number}" if pull else f"refused: {found.problem}"
        if found.registered:
            told = f"deleted, its model is registered already as {found.registered}"
        lines.append(f"{found.branch}: {told}")
        rows.append(
            {
                "branch": found.branch,
                "pull": pull.number if pull else None,
                "problem": found.problem or None,
                "registered": found.registered or None,
            }
        )
    emit(output, {"branches": rows}, "\n".join(lines) or "no run waits in the inbox")
    if any(row["problem"] for row in rows):
        raise typer.Exit(1)


@app.command()
def evaluate(output: OutputOption = Output.table) -> None:
    """Evaluate what the gates of the next promotions wait for; exit 1 when one of them could not be.

    Where data sets lie stands in mlgitops.toml, in its table datasets. With nothing owed it does nothing.

    Example: mlgitops bot evaluate
    """
    from mlgitops.bot.context import open_context
    from mlgitops.bot.owed import evaluate_owed

    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    for answer in evaluate_owed(open_context()):
        owed, done = answer.owed, answer.evaluated
        lines.append(f"{owed}: {f'signed as statement {done.statement}' if done else answer.problem}")
        rows.append(
            {
                "model": owed.model,
                "version": owed.version,
                "stage": owed.stage,
                "dataset": owed.dataset,
                "statement": done.statement if done else None,
                "problem": answer.problem or None,
            }
        )
    emit(output, {"evaluations": rows}, "\n".join(lines) or "no evaluation is owed")
    if any(row["problem"] for row in rows):
        raise typer.Exit(1)
