"""``mlgitops plan``: what a merge would do to the clusters, from git alone or beside what a cluster holds."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlgitops.cli.output import inert
from mlgitops.errors import InputError, MlgitopsError, NotFoundError, Problem

if TYPE_CHECKING:
    from mlgitops.git import Repository
    from mlgitops.plan import Plan
    from mlgitops.registry import Tree

app = typer.Typer(add_completion=False, help="Show what a merge would do.")

_CHANGES = 2
_INVALID = 2
_COLOURS = {"+": typer.colors.GREEN, "-": typer.colors.RED, "~": typer.colors.YELLOW, "±": typer.colors.MAGENTA}


class Form(StrEnum):
    """How the plan is printed."""

    text = "text"
    json = "json"
    markdown = "markdown"


@app.command()
def plan(
    base: Annotated[str, typer.Option(help="The branch or commit that the change shall be merged into.")] = "main",
    pr: Annotated[int | None, typer.Option(help="The pull request; default: the work tree as it is.")] = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="How the plan is printed.")] = Form.text,
    live: Annotated[bool, typer.Option("--live", help="Compare with what a cluster holds, not with the base.")] = False,
    kubeconfig: Annotated[str, typer.Option(help="The cluster of --live; default: $KUBECONFIG.")] = "",
    context: Annotated[str, typer.Option(help="A context of the kubeconfig; default: its current one.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Default: the context's own.")] = "",
    environment: Annotated[str, typer.Option(help="Whose deployments the namespace holds; default: the one.")] = "",
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 0: no changes, 1: an error, 2: changes.")
    ] = False,
) -> None:
    """Show the objects that a merge would make, change and delete, and how traffic would move.

    What would be merged is the work tree with its changes, or a pull request; what others merged
    meanwhile is no part of it. When it is not valid, its problems are told too and the exit code
    is 2. Without --live nothing is asked of a cluster. With it the plan is
    what differs from the cluster as it stands: also what others merged and is not applied yet,
    and what somebody changed by hand. It only lists objects of one namespace.

    Examples:
      mlgitops plan --base origin/main
      mlgitops plan --pr 7 --output markdown
      mlgitops plan --live --context prod-eu --namespace models --detailed-exitcode
    """
    from mlgitops import plan as plans
    from mlgitops import registry

    try:
        before, after = _pull(pr, base) if pr is not None else _work_tree(Path.cwd(), base)
        if live or kubeconfig or context or namespace:
            found = _live(after, kubeconfig, context, namespace, environment)
        else:
            found = plans.diff(before, after)
        problems = registry.validate(after, before)
    except MlgitopsError as error:
        if not detailed_exitcode:
            raise
        typer.echo(f"error: {inert(str(error))}", err=True)
        raise typer.Exit(1) from error
    if output is Form.json:
        typer.echo(json.dumps(found.to_json()))
    else:
        typer.echo(inert(found.markdown()) if output is Form.markdown else _coloured(inert(found.text())))
    if problems:
        _refuse(problems)
        raise typer.Exit(1 if detailed_exitcode else _INVALID)
    if detailed_exitcode and not found.empty:
        raise typer.Exit(_CHANGES)


def _refuse(problems: Sequence[Problem]) -> None:
    """Say beside the plan why nobody may merge it."""
    for problem in problems:
        # A line each, whatever a file's name or text has in it.
        typer.echo(inert(str(problem)).replace("\n", "\\n"), err=True)
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    typer.echo(f"error: {count} of what would be merged; mlgitops check refuses it", err=True)


def _live(tree: Tree, kubeconfig: str, context: str, namespace: str, environment: str) -> Plan:
    from mlgitops import kube
    from mlgitops.bot import cluster
    from mlgitops.plan import live

    known = tree.environments
    if not environment and len(known) > 1:
        raise InputError(f"the registry has several environments; name one with --environment: {', '.join(known)}")
    if environment and environment not in known:
        raise NotFoundError(f"no environment {environment}; known: {', '.join(known) or 'none'}")
    credentials = kube.login(kubeconfig or None, context or None)
    there = asyncio.run(cluster.look(credentials, namespace))
    return live.diff(there, tree, environment or "".join(known), datetime.now(UTC))


def _pull(number: int, base: str) -> tuple[Tree, Tree]:
    from mlgitops.bot.context import open_remote

    remote = open_remote()
    start = remote.fetch(base.removeprefix("origin/"))
    return _trees(remote.repository, start, remote.forge.pull(number).head)


def _work_tree(folder: Path, base: str) -> tuple[Tree, Tree]:
    from mlgitops import registry
    from mlgitops.git import Repository

    repository = Repository.open(folder)
    if repository.root is None:
        raise NotFoundError(f"{folder} is a bare repository; name a pull request with --pr")
    place = registry.layout.root_above(folder.resolve())
    below = registry.below_top(place, repository)
    files, committed = registry.applied_files(place), registry.committed_files(repository, "HEAD", below)
    differing: dict[str, bytes | None] = {path: data for path, data in files.items() if committed.get(path) != data}
    differing |= {path: None for path in committed if path not in files}
    changes = {f"{below}{path}": data for path, data in differing.items()}
    # A commit that no branch names, because only commits can be merged.
    head = repository.commit("HEAD", changes, "The work tree, for mlgitops plan") if changes else "HEAD"
    try:
        start = repository.resolve(base)
    except NotFoundError as unknown:
        # CI's clones have the branch they work on, and of the others what the remote had.
        try:
            start = repository.resolve(f"refs/remotes/origin/{base}")
        except NotFoundError:
            raise unknown from None  # it names what was typed
    return _trees(repository, start, head, below)


def _trees(repository: Repository, base: str, head: str, below: str = "") -> tuple[Tree, Tree]:
    from mlgitops.registry import committed_files, load_files

    if repository.merge_base(base, head) is None:
        shallow = "; this clone is shallow, run: git fetch --unshallow" if repository.is_shallow else ""
        raise NotFoundError(f"{head[:12]} and {base[:12]} have no common commit, so nothing says what changed{shallow}")
    merged = repository.merge(base, head, "Plan")
    return load_files(committed_files(repository, base, below)), load_files(committed_files(repository, merged, below))


def _coloured(text: str) -> str:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return "\n".join(_coloured_line(line) for line in text.splitlines())


def _coloured_line(line: str) -> str:
    sign, space, _ = line.strip().partition(" ")
    return typer.style(line, fg=_COLOURS[sign]) if space and sign in _COLOURS else line
