"""``mlgitops note``: what somebody noticed about a run or an experiment."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgitops.cli.remarking import RootOption, SubjectArgument, author, place_of

app = typer.Typer(add_completion=False)


@app.command(epilog='Example: mlgitops note 01K "the loss jumps when the rate warms up"')
def note(
    subject: SubjectArgument,
    text: Annotated[str, typer.Argument(help="What there is to say.")],
    root: RootOption = None,
) -> None:
    """Add a note to a run or an experiment, with your name and the time."""
    from mlgitops.tracking import remarks

    remarks.note(place_of(subject, root), text, author())
