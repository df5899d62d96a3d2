"""``mlgitops tag``: tags of a run or an experiment, set or taken away afterwards."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgitops.cli.remarking import RootOption, SubjectArgument, author, place_of

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: mlgitops tag 01K team=flowers · mlgitops tag experiment:iris owner=ann · "
    "mlgitops tag 01K --remove team"
)
def tag(
    subject: SubjectArgument,
    tags: Annotated[list[str] | None, typer.Argument(help="NAME=VALUE, any number of them.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="Take this tag away.")] = None,
    root: RootOption = None,
) -> None:
    """Tag a run or an experiment; the record itself and its digest stay as they are."""
    from mlgitops.errors import InputError
    from mlgitops.tracking import remarks

    pairs = [text.partition("=") for text in tags or []]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise InputError(f"{name!r} is no tag; expected NAME=VALUE")
    if not pairs and not remove:
        raise InputError("nothing to do; give NAME=VALUE, or --remove NAME")
    place, by = place_of(subject, root), author()
    for name, _, value in pairs:
        remarks.tag(place, name, value, by)
    for name in remove or []:
        remarks.tag(place, name, None, by)
