"""What the verbs ``tag``, ``note`` and ``describe`` share: of what something is said, and who says it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlgitops import config

if TYPE_CHECKING:
    from mlgitops.tracking.remarks import Place

EXPERIMENT = "experiment:"
SubjectArgument = Annotated[str, typer.Argument(help="A run's id, or its beginning; or experiment:NAME.")]
RootOption = Annotated[
    str | None,
    typer.Option("--root", help="A folder or store with records; default: as for training.", show_default=False),
]


def place_of(subject: str, root: str | None) -> Path | Place:
    """Return where something is said about a run or an experiment, in a folder or in a store.

    Raises:
        NotFoundError: there is none; the message lists what there is.
        OutsideError: the store cannot be reached, or refuses.
    """
    from mlgitops.errors import NotFoundError
    from mlgitops.tracking.query.roots import records_of

    records = records_of(root)
    if not subject.startswith(EXPERIMENT):
        return records.place(subject)
    name = subject.removeprefix(EXPERIMENT)
    known = {experiment.name: experiment for experiment in records.experiments()}
    if name in known:
        return records.place_of(known[name])
    raise NotFoundError(f"{records.name} has no experiment {name!r}; known: {', '.join(sorted(known)) or 'none'}")


def author() -> str:
    """Return who says something: git's user, else the machine's."""
    try:
        done = subprocess.run(["git", "config", "--get", "user.name"], capture_output=True, text=True, timeout=10)
        name = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        name = ""
    return name or config.user()
