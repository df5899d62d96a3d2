"""``mlgitops describe``: what a run or an experiment is about."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgitops.cli.remarking import RootOption, SubjectArgument, author, place_of

app = typer.Typer(add_completion=False)


@app.command(epilog='Example: mlgitops describe experiment:iris "which of three flowers it is"')
def describe(
    subject: SubjectArgument,
    text: Annotated[str, typer.Argument(help="The description; it takes the place of one of before.")],
    root: RootOption = None,
) -> None:
    """Say what a run or an experiment is about."""
    from mlgitops.tracking import remarks

    remarks.describe(place_of(subject, root), text, author())
