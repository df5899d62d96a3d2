"""``mlgitops validate``: every mistake of a registry at once, by file and line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption, inert
from mlgitops.errors import Problem

app = typer.Typer(add_completion=False, help="Find every mistake in a registry.")

_INVALID = 2


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(help="The registry, or a file or folder in it.")] = Path(),
    base: Annotated[str, typer.Option(help="A commit that it shall replace; finds what must not change.")] = "",
    output: OutputOption = Output.table,
) -> None:
    """Print every mistake of a registry with file, line, field and cure; exit 2 when there is one.

    Examples: mlgitops validate
              mlgitops validate registry/models/iris --base origin/main
    """
    from mlgitops import registry

    path = path.resolve()
    root = registry.layout.root_above(path)
    verdict = registry.examine(root, base)
    below = path.relative_to(root).as_posix()
    problems = [problem for problem in verdict.problems if _concerns(problem, below)]
    if output is Output.json:
        found = [dataclasses.asdict(problem) for problem in problems]
        typer.echo(json.dumps({"ok": not problems, "objects": verdict.objects, "problems": found}))
    else:
        for problem in problems:
            # A line each, whatever a file's name or text has in it.
            typer.echo(inert(str(problem)).replace("\n", "\\n"))
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}" if problems else "no problems"
        typer.echo(f"{verdict.objects} objects read, {count}", err=bool(problems))
    if problems:
        raise typer.Exit(_INVALID)


def _concerns(problem: Problem, below: str) -> bool:
    return below == "." or problem.file == below or problem.file.startswith(f"{below}/")
