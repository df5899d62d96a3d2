"""Models of a run that a process beside training still saves.

Of each there is an empty file ``models/.saving-<name>.<token>``, locked. The lock is the open file's and no
process's: it is handed on with it, so that somebody holds it at any time: training, the queue in the kernel, the
process that saves. Where nobody does any longer and the record has no answer, the model is lost. Where the file
is gone, something newer of the same name has taken its place.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlgitops.tracking import locks
from mlgitops.tracking.places import MODELS

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # of a model
_TOKEN = re.compile(r"[0-9a-f]{16}")
_PREFIX = ".saving-"


def new_token() -> str:
    """Return what tells one promise from another."""
    return os.urandom(8).hex()


def is_promise(name: str, token: str) -> bool:
    """Say whether that is a model's name and a token, as a record that may come from anywhere has them."""
    return bool(NAME.fullmatch(name) and _TOKEN.fullmatch(token))


def promise(folder: Path, name: str, token: str) -> locks.Held:
    """Say that a model of this name will be there; what was promised under the name before is not wanted any more.

    Raises:
        OSError: the file cannot be made.
    """
    withdraw(folder, name)
    held = locks.Held()
    held.descriptor = os.open(path(folder, name, token), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    locks.wait_for(held.descriptor)
    return held


def withdraw(folder: Path, name: str) -> None:
    """Take back what was promised under a name."""
    for found in (folder / MODELS).glob(f"{_PREFIX}{name}.*"):
        if _TOKEN.fullmatch(found.name.removeprefix(f"{_PREFIX}{name}.")):
            found.unlink(missing_ok=True)


def path(folder: Path, name: str, token: str) -> Path:
    """Return the file that stands for a promise."""
    return folder / MODELS / f"{_PREFIX}{name}.{token}"


def broken(folder: Path, promises: Mapping[str, str]) -> set[str]:
    """Return the tokens of models that nobody saves any longer, of those that were promised, names by token."""
    return {token for token, name in promises.items() if not locks.is_locked(path(folder, name, token))}


def lost(name: str) -> str:
    """Return what is said of such a model."""
    return f"the saving of model {name} did not end"


def held(folder: Path) -> list[str]:
    """Return the names of models that somebody still saves, or is about to make part of the record's sums."""
    found = sorted((folder / MODELS).glob(f"{_PREFIX}*"))
    return [one.name.removeprefix(_PREFIX).rpartition(".")[0] for one in found if locks.is_locked(one)]


def is_answered(folder: Path, token: str) -> bool:
    """Say whether the process that saves a model has begun to write what came of it."""
    return any(folder.glob(f"w-*-{token}.jsonl"))


@contextlib.contextmanager
def placing(folder: Path) -> Iterator[None]:
    """Be the only one who puts a model into a run's folder and says so; a matter of milliseconds.

    Raises:
        OSError: the folder for models is not there.
    """
    held = locks.Held()
    held.descriptor = os.open(folder / MODELS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        locks.wait_for(held.descriptor)
        yield
    finally:
        held.close()
