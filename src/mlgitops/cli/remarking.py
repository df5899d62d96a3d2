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
    str | None, typer.Option("--root", help="Where records lie; default: as for training.", show_default=False)
]


def folder_of(subject: str, root: str | None) -> Path:
    """Return the folder of a run or an experiment.

    Raises:
        NotFoundError: there is none; the message lists what there is.
        InputError: the root is a store.
    """
    from mlgitops import tracking
    from mlgitops.errors import NotFoundError

    place = local(root)
    if not subject.startswith(EXPERIMENT):
        return tracking.find(place, subject)
    name = subject.removeprefix(EXPERIMENT)
    known = {experiment.name: experiment.folder for experiment in tracking.experiments(place)}
    if name in known:
        return known[name]
    raise NotFoundError(f"{place} has no experiment {name!r}; known: {', '.join(sorted(known)) or 'none'}")


def local(root: str | None) -> Path:
    """Return the folder in which records lie, by default as for training.

    Raises:
        InputError: it is a store, which keeps what was said of runs before they were pushed, and no experiments.
    """
    from mlgitops import tracking
    from mlgitops.errors import InputError

    if root and "://" in root:
        raise InputError(f"{root} is a store; runs and experiments are described where records are written: a folder")
    return Path(root) if root else tracking.root()


def author() -> str:
    """Return who says something: git's user, else the machine's."""
    try:
        done = subprocess.run(["git", "config", "--get", "user.name"], capture_output=True, text=True, timeout=10)
        name = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        name = ""
    return name or config.user()
