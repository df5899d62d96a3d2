"""``mlgitops gc``: clean up run records and artifacts that nothing names, the plan first."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlgitops.cli.output import Output, OutputOption, inert

if TYPE_CHECKING:
    from mlgitops.bot.cleaning import Cleaning
    from mlgitops.bot.named import Named
    from mlgitops.bot.sweeping import Sweep

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Clean up what nothing names; shows the plan first.")

_MOST = 50  # lines of a plan
Yes = Annotated[bool, typer.Option("--yes", help="Remove what the plan shows; else nothing is removed.")]
Also = Annotated[
    list[str] | None,
    typer.Option(
        "--also", metavar="URL", help="Another registry that uses this store; may repeat.", show_default=False
    ),
]


@app.command(
    epilog="Examples: mlgitops gc runs \"status in ('failed', 'killed')\" --older-than 30d · "
    'mlgitops gc runs "tags.keep is null" --keep-last 20 --yes'
)
def runs(
    filter_string: Annotated[
        str, typer.Argument(metavar="[FILTER]", help="Which runs may go, as for mlgitops search.", show_default=False)
    ] = "",
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Only runs that ended so long ago: 12h, 30d, 6w.")
    ] = None,
    keep_last: Annotated[
        int, typer.Option("--keep-last", min=0, help="Of every experiment so many of the newest runs stay.")
    ] = 0,
    without_registry: Annotated[
        bool, typer.Option("--without-registry", help="No registry names these runs, so none is asked.")
    ] = False,
    root: Annotated[
        str | None,
        typer.Option("--root", help="A folder or store with records; default: as for training.", show_default=False),
    ] = None,
    yes: Yes = False,
    output: OutputOption = Output.table,
) -> None:
    """Remove run records by age, number or what they say.

    Runs that still write, and runs that a version on any branch, an open pull request or a reserved
    number names (or whose model one names), stay whatever is asked.
    """
    from mlgitops.bot import cleaning
    from mlgitops.bot.named import Named

    policy = cleaning.Policy(filter_string, cleaning.age(older_than) if older_than else None, keep_last)
    named = Named(frozenset(), frozenset()) if without_registry else _named(())
    found = cleaning.plan(root, policy, named)
    if output is Output.table:
        _show_runs(found, root)
    spared = cleaning.remove(root, found.going) if yes else ()
    if output is Output.json:
        staying = {str(why): [run.id for run in kept] for why, kept in found.staying.items()}
        _emit({"going": [run.id for run in found.going], "staying": staying}, spared, done=yes)
    else:
        _conclude(len(found.going), spared, done=yes)


@app.command(epilog="Example: mlgitops gc artifacts --older-than 90d --yes")
def artifacts(
    older_than: Annotated[
        str, typer.Option("--older-than", help="Only packages that were uploaded so long ago: 12h, 30d, 6w.")
    ] = "30d",
    store: Annotated[
        str | None, typer.Option("--store", help="The store; default: store.url of mlgitops.toml.")
    ] = None,
    also: Also = None,
    yes: Yes = False,
    output: OutputOption = Output.table,
) -> None:
    """Remove model packages from the store that no registry names.

    A package stays when its digest stands on any branch of the registry, in an open pull request or beside
    a reserved number. Name every other registry that uses the same store with --also.
    """
    from mlgitops import config
    from mlgitops.artifacts import open_store
    from mlgitops.bot import cleaning, sweeping

    grace = cleaning.age(older_than)
    opened = open_store(store or config.load().require("store.url"))
    found = sweeping.plan(opened, _named(also or ()), grace=grace)
    if output is Output.table:
        _show_packages(found, opened.uri)
    # The registry is asked again: listing a large store takes minutes, in which a number may be reserved.
    spared = sweeping.remove(opened, found.going, _named(also or ())) if yes else ()
    if output is Output.json:
        data = {"going": [package.place for package in found.going], "named": found.named, "young": found.young}
        _emit(data, spared, done=yes)
    else:
        _conclude(len(found.going), spared, done=yes)


def _named(also: Iterable[str]) -> Named:
    from mlgitops.bot.context import open_context
    from mlgitops.bot.named import named

    return named(open_context(), also)


def _show_runs(found: Cleaning, root: str | None) -> None:
    from mlgitops.bot import cleaning
    from mlgitops.cli import grid

    headings = ("RUN", "STARTED", "STATUS", "NAME", "SIZE")
    rows = [
        [run.id, run.started_at[:10], run.status, grid.shown(f"{run.experiment}/{run.name}"), _bytes(size)]
        for run in found.going[:_MOST]
        for size in [cleaning.size(root, run)]
    ]
    if rows:
        grid.show(headings, rows)
    _more(len(found.going))
    for why, kept in found.staying.items():
        typer.echo(f"{len(kept)} more stay: {why}")


def _show_packages(found: Sweep, uri: str) -> None:
    from datetime import UTC, datetime

    from mlgitops.cli import grid

    rows = [
        [package.place, datetime.fromtimestamp(package.modified, UTC).date().isoformat(), _bytes(package.size)]
        for package in found.going[:_MOST]
    ]
    if rows:
        grid.show(("PACKAGE", "UPLOADED", "SIZE"), rows)
    _more(len(found.going))
    typer.echo(inert(f"{uri}: {found.named} packages stay because something names them, {found.young} are too young"))


def _more(count: int) -> None:
    if count > _MOST:
        typer.echo(f"and {count - _MOST} more; see all of them with --output json")


def _conclude(going: int, spared: tuple[str, ...], *, done: bool) -> None:
    for name in spared:
        typer.echo(inert(f"{name} is in use again and stays"))
    if not going:
        typer.echo("nothing goes")
    elif done:
        typer.echo(f"removed {going - len(spared)}")
    else:
        typer.echo(f"{going} would go; remove them with --yes")


def _emit(data: dict[str, Any], spared: tuple[str, ...], *, done: bool) -> None:
    typer.echo(json.dumps(data | {"spared": list(spared), "done": done}))


def _bytes(size: int) -> str:
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
