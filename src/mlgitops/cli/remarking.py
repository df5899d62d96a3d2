"""What the verbs ``tag``, ``note`` and ``describe`` share: of what something is said, and who says it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from mlgitops import config

EXPERIMENT = "experiment:"
SubjectArgument = Annotated[str, typer.Argument(help="A run's id, or its beginning; or experiment:NAME.")]
RootOption = Annotated[
    Path | None, typer.Option("--root", help="Where records lie; default: as for training.", show_default=False)
]


def folder_of(subject: str, root: Path | None) -> Path:
    """Return the folder of a run or an experiment.

    Raises:
        NotFoundError: there is none; the message lists what there is.
    """
    from mlgitops import tracking
    from mlgitops.errors import NotFoundError

    place = root or tracking.root()
    if not subject.startswith(EXPERIMENT):
        return tracking.find(place, subject)
    name = subject.removeprefix(EXPERIMENT)
    known = {experiment.name: experiment.folder for experiment in tracking.experiments(place)}
    if name in known:
        return known[name]
    raise NotFoundError(f"{place} has no experiment {name!r}; known: {', '.join(sorted(known)) or 'none'}")


def author() -> str:
    """Return who says something: git's user, else the machine's."""
    try:
        done = subprocess.run(["git", "config", "--get", "user.name"], capture_output=True, text=True, timeout=10)
        name = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        name = ""
    return name or config.user()
