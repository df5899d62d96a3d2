"""``mlgitops pr``: the registry's pull requests, for forges without web pages of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlgitops.cli.output import Output, OutputOption, emit, inert

if TYPE_CHECKING:
    from mlgitops.forge import Pull

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List, read, approve, merge and close the registry's pull requests.",
)

Number = Annotated[int, typer.Argument(help="The pull request's number.", min=1)]


@app.command("list")
def list_pulls(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are merged or closed.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """List the open pull requests, oldest first.

    Example: mlgitops pr list --all --output json
    """
    from mlgitops.bot.context import open_remote
    from mlgitops.forge import State

    pulls = open_remote().forge.pulls(None if everything else State.OPEN)
    lines = [f"{pull.number:>5}  {pull.state.value:<6}  {pull.title}  ({pull.author})" for pull in pulls]
    emit(output, {"pulls": [_row(pull) for pull in pulls]}, "\n".join(lines) or "no open pull request")


@app.command()
def show(number: Number, output: OutputOption = Output.table) -> None:
    """Show a pull request with its checks and comments.

    Example: mlgitops pr show 7
    """
    from mlgitops.bot.context import open_remote

    forge = open_remote().forge
    pull, checks, comments = forge.pull(number), forge.checks(number), forge.comments(number)
    approvals = forge.approvals(number)
    data = {
        **_row(pull),
        "body": pull.body,
        "checks": [
            {"name": c.name, "head": c.head, "base": c.base, "passed": c.passed, "summary": c.summary} for c in checks
        ],
        "approvals": [{"by": a.by, "head": a.head, "at": a.at} for a in approvals],
        "comments": [{"author": c.author, "marker": c.marker, "body": c.body, "at": c.at} for c in comments],
    }
    by = f" by {pull.by}" if pull.by else ""
    forced = ", without a passing check" if pull.forced else ""
    lines = [
        f"{pull.number}: {pull.title}",
        f"{pull.state.value}{by}{forced}; {pull.author} wants {pull.head[:12]} ({pull.head_ref}) in {pull.base}",
        "",
        pull.body,
    ]
    lines += ["", *(f"check {c.name}: {'passed' if c.passed else 'failed'}: {c.summary}" for c in checks)]
    lines += [f"approved by {approval.by}, {approval.at}" for approval in approvals]
    lines += [line for comment in comments for line in ("", f"-- {comment.author}, {comment.at}", comment.body)]
    emit(output, data, "\n".join(lines).rstrip())


@app.command()
def diff(number: Number) -> None:
    """Print what a merge would change, or has changed, as a patch.

    Example: mlgitops pr diff 7
    """
    from mlgitops.bot.context import open_remote

    typer.echo(inert(open_remote().forge.diff(number)), nl=False)


@app.command("open")
def open_pull(
    branch: Annotated[str, typer.Argument(help="A branch that is on the registry's remote.")],
    title: Annotated[str, typer.Option(help="What it does, in a line.")],
    body: Annotated[str, typer.Option(help="Why.")] = "",
    output: OutputOption = Output.table,
) -> None:
    """Open a pull request from a branch that you pushed.

    Example: mlgitops pr open fix-owners --title "Name the new owners"
    """
    from mlgitops.bot.context import open_remote
    from mlgitops.bot.pulls import open_from_branch

    pull = open_from_branch(open_remote(), branch, title, body)
    emit(output, _row(pull), f"pull request {pull.number}: {pull.title}\nnext: mlgitops check --pr {pull.number}")


@app.command()
def approve(
    number: Number,
    head: Annotated[str, typer.Option(help="The commit that you looked at; refused when there is a newer one.")] = "",
    output: OutputOption = Output.table,
) -> None:
    """Agree to a pull request of somebody else; a new commit in it needs a new approval.

    Example: mlgitops pr approve 7
    """
    from mlgitops.bot.context import open_remote
    from mlgitops.bot.pulls import approve as verb

    pull = verb(open_remote(), number, head)
    emit(
        output, _row(pull), f"approved pull request {pull.number}: {pull.title}\nnext: mlgitops pr merge {pull.number}"
    )


@app.command()
def merge(
    number: Number,
    force: Annotated[bool, typer.Option("--force", help="Merge whatever the check says; it is recorded.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """Merge a pull request whose check passes for exactly this head and base; checks again when it must.

    Example: mlgitops pr merge 7
    """
    from mlgitops.bot.context import open_remote
    from mlgitops.bot.pulls import merge as verb

    pull = verb(open_remote(), number, force=force)
    emit(output, _row(pull), f"merged pull request {pull.number} as {(pull.merge_commit or '')[:12]}: {pull.title}")


@app.command()
def close(number: Number, output: OutputOption = Output.table) -> None:
    """Close a pull request without merging it.

    Example: mlgitops pr close 7
    """
    from mlgitops.bot.context import open_remote

    pull = open_remote().forge.close(number)
    emit(output, _row(pull), f"closed pull request {pull.number}: {pull.title}")


def _row(pull: Pull) -> dict[str, Any]:
    return {
        "number": pull.number,
        "state": pull.state.value,
        "title": pull.title,
        "author": pull.author,
        "base": pull.base,
        "head": pull.head,
        "head_ref": pull.head_ref,
        "created_at": pull.created_at,
        "merge_commit": pull.merge_commit,
        "by": pull.by,
        "forced": pull.forced,
    }
