"""``mlgitops propose``: a run becomes a pull request."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgitops.cli.output import Output, OutputOption, emit

app = typer.Typer(add_completion=False)


@app.command()
def propose(
    run: Annotated[str, typer.Argument(help="The run's id, or the beginning of it.")],
    model: Annotated[
        str | None, typer.Option(help="The logged model, when the run has several; else the name that it gets.")
    ] = None,
    inbox: Annotated[bool, typer.Option("--inbox", help="Push a branch only; the bot opens the pull request.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """Upload a run's model by its digest and open the pull request that adds a version of it.

    Where the model is a version already whose code no commit holds, a run of committed code that made
    it again names its source instead.

    Where the registry's remote lets you push no more than a branch, it pushes one, and the bot opens
    the pull request.

    Examples:
      mlgitops propose 01JD8C
      mlgitops propose 01JD8C --model iris   as autologging calls each model "model"
      mlgitops propose 01JD8C --inbox        with nothing but the right to push a branch
    """
    from mlgitops.bot.context import open_context
    from mlgitops.bot.propose import propose as verb

    done = verb(open_context(), run, model=model, inbox=inbox)
    data = {
        "model": done.model,
        "version": done.version,
        "digest": done.digest,
        "title": done.title,
        "pull": done.pull.number if done.pull else None,
        "branch": done.branch or None,
        "refusal": done.refusal or None,
    }
    if done.pull:
        text = f"pull request {done.pull.number}: {done.title}\nnext: mlgitops pr show {done.pull.number}"
    else:
        text = f"pushed {done.branch}; the registry's bot opens the pull request"
        if done.refusal:
            text = f"no right to open it from here: {done.refusal}\n{text}"
    if done.warning:
        typer.echo(f"mlgitops: warning: {done.warning}", err=True)
    emit(output, data, text)
