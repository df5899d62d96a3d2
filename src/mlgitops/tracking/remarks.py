"""What is said about a run or an experiment afterwards: tags, notes, a description.

Each is a file of its own below ``meta/``, named by a ULID and never changed. So two people never
conflict, on a disk or in a store, and a folder's time tells that something is new. The
record's digest does not cover them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlgitops.errors import InputError, OutsideError
from mlgitops.files import write_atomic
from mlgitops.tracking import places
from mlgitops.tracking.points import open_plain, to_object
from mlgitops.tracking.shapes import Note

LONGEST = 1 << 20  # bytes of one file
EXPERIMENTS = "experiments"
EXPERIMENT = "experiment.json"


@dataclass(frozen=True, slots=True)
class Added:
    """What was added to a run or an experiment; a tag that is None was taken away."""

    description: str = ""
    tags: Mapping[str, str | None] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Experiment:
    """What runs have in common, and what was said about it."""

    name: str
    description: str
    tags: Mapping[str, str]
    notes: tuple[Note, ...]
    folder: Path


class Place(Protocol):
    """Where something is said about a run or an experiment that lies in no folder of this machine."""

    def add(self, name: str, content: bytes) -> None:
        """Put a new file into its ``meta/``.

        Raises:
            OutsideError: it cannot be written.
        """


def tag(subject: Path | Place, name: str, value: str | None, by: str = "") -> None:
    """Set a tag of a run or an experiment, or take it away (None).

    Raises:
        InputError: it is too long.
        OutsideError: it cannot be written.
    """
    _add(subject, {"tag": name, "value": value}, by)


def note(subject: Path | Place, text: str, by: str = "") -> None:
    """Add a note to a run or an experiment; see ``tag``."""
    _add(subject, {"note": text}, by)


def describe(subject: Path | Place, text: str, by: str = "") -> None:
    """Say what a run or an experiment is about; the last description counts. See ``tag``."""
    _add(subject, {"description": text}, by)


def describe_experiment(root: Path, name: str, description: str | None, tags: Mapping[str, object]) -> None:
    """Describe an experiment, which is made when it is new; what it says already is not said again.

    Raises:
        OutsideError: it cannot be written.
    """
    from mlgitops.tracking.beginning import write_experiment

    try:
        places.prepare(root)
        write_experiment(root, name)
    except OSError as error:
        raise OutsideError(f"experiment {name!r} cannot be written: {error}") from error
    folder = experiment_folder(root, name)
    known = read(folder)
    if description is not None and description != known.description:
        describe(folder, description)
    for key, value in tags.items():
        if known.tags.get(str(key)) != str(value):
            tag(folder, str(key), str(value))


def experiment_folder(root: Path, name: str) -> Path:
    """Return where an experiment lies."""
    return root / EXPERIMENTS / places.slug(name)


def experiments(root: Path | str) -> tuple[Experiment, ...]:
    """Return the experiments below a root, in order of name; ``s3://…`` and ``file://…`` are stores.

    Raises:
        OutsideError: a store cannot be reached, or refuses.
    """
    from mlgitops.tracking.query.roots import records_of

    return records_of(root).experiments()


def experiments_of_folder(root: Path) -> tuple[Experiment, ...]:
    """Return the experiments below a folder, in order of name."""
    found = []
    try:
        folders = list((root / EXPERIMENTS).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    for folder in folders:
        name = _read_object(folder / EXPERIMENT).get("name")
        if isinstance(name, str):
            found.append(experiment(name, read(folder), folder))
    return tuple(sorted(found, key=lambda experiment: experiment.name))


def experiment(name: str, added: Added, folder: Path) -> Experiment:
    """Return an experiment as what was added to it says it."""
    tags = {key: value for key, value in added.tags.items() if value is not None}
    return Experiment(name, added.description, tags, added.notes, folder)


def read(folder: Path) -> Added:
    """Return what was added to a run or an experiment, the newest last; what makes no sense is left out."""
    try:
        with os.scandir(f"{folder}/{places.META}") as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(".json"))
    except OSError:
        return _NOTHING
    return fold([_read_object(folder / places.META / name) for name in names])


def fold(found: list[dict[str, Any]]) -> Added:
    """Return what the files of ``meta/``, in order of their names, say together."""
    description, tags, notes = "", {}, []
    for raw in found:
        name, value, said = raw.get("tag"), raw.get("value"), raw.get("note")
        if isinstance(raw.get("description"), str):
            description = raw["description"]
        elif isinstance(name, str) and (value is None or isinstance(value, str)):
            tags[name] = value
        elif isinstance(said, str):
            time, by = raw.get("time"), raw.get("by")
            notes.append(Note(said, time if isinstance(time, str) else "", by if isinstance(by, str) else ""))
    return Added(description, tags, tuple(notes))


_NOTHING = Added()


def _add(subject: Path | Place, what: Mapping[str, object], by: str) -> None:
    import time

    now = places.utc(time.time())
    content = json.dumps({"format": places.FORMAT, "time": now, "by": by, **what}).encode() + b"\n"
    if len(content) > LONGEST:
        raise InputError(f"{len(content)} bytes are too long for a tag, note or description; at most {LONGEST}")
    name = f"{places.new_run_id()}.json"
    if not isinstance(subject, Path):
        subject.add(name, content)
        return
    try:
        write_atomic(subject / places.META / name, content)
    except OSError as error:
        raise OutsideError(f"{subject} cannot be written: {error}") from error


def _read_object(path: Path) -> dict[str, Any]:
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            return to_object(file.read(LONGEST + 1))
    except OSError:
        return {}
