"""Where records lie that somebody asks about: a folder of this machine, or a store that runs were pushed to."""

from __future__ import annotations

import sqlite3
from os import PathLike
from pathlib import Path
from typing import Protocol

from mlgitops.tracking import places, records, remarks
from mlgitops.tracking.records import RunRecord
from mlgitops.tracking.remarks import Experiment, Place

Root = str | PathLike[str] | None


class Records(Protocol):
    """Records that an index can be brought up to date with."""

    @property
    def name(self) -> str:
        """What no other root is called."""

    @property
    def folder(self) -> Path:
        """The folder whose ``runs`` hold the records' folders, or would."""

    def refresh(self, connection: sqlite3.Connection, lock: Path | None) -> None:
        """Bring an index up to date; what writes it holds the lock."""

    def read(self, run_id_or_prefix: str) -> RunRecord:
        """Return one run with everything that it logged in its folder.

        Raises:
            NotFoundError: there is none, or the prefix fits several.
        """

    def experiments(self) -> tuple[Experiment, ...]:
        """Return the experiments, in order of name."""

    def place(self, run_id_or_prefix: str) -> Path | Place:
        """Return where something can be said about a run.

        Raises:
            NotFoundError: there is none, or the prefix fits several.
        """

    def place_of(self, experiment: Experiment) -> Path | Place:
        """Return where something can be said about one of the experiments."""


class FolderRecords:
    """The records of a folder, as training writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """The folder's real path."""
        return str(self.folder.resolve())

    def refresh(self, connection: sqlite3.Connection, lock: Path | None) -> None:
        """Read what is new in the folder."""
        from mlgitops.tracking.query.refresh import refresh

        refresh(connection, self.folder, lock)

    def read(self, run_id_or_prefix: str) -> RunRecord:
        """Read the run's folder."""
        return records.read(self.place(run_id_or_prefix))

    def experiments(self) -> tuple[Experiment, ...]:
        """Read the folder's experiments."""
        return remarks.experiments_of_folder(self.folder)

    def place(self, run_id_or_prefix: str) -> Path:
        """Find the run's folder."""
        return records.find(self.folder, run_id_or_prefix)

    def place_of(self, experiment: Experiment) -> Path:
        """Return the experiment's folder."""
        return experiment.folder


def records_of(root: Root) -> Records:
    """Return the records of a root: ``s3://…`` and ``file://…`` are stores, None is ``mlgitops.tracking.root()``.

    Raises:
        InputError: it is the URI of no store.
        MissingExtraError: boto3 is not installed.
    """
    if isinstance(root, str) and "://" in root:
        from mlgitops.tracking.query.distant import StoreRecords

        return StoreRecords(root)
    return FolderRecords(places.root() if root is None else Path(root))
