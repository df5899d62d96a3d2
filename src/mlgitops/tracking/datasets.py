"""Which data a run used: a digest of its full content, whatever it lies in.

Files and folders have the digests of ``mlgitops.digest``; data in memory those of ``values``. Large
files are digested beside training (``digesting``), and nothing that has not changed is read twice
(``filedigests``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlgitops.errors import InputError
from mlgitops.tracking import filedigests
from mlgitops.tracking.records import Dataset
from mlgitops.tracking.values import of_value as of_value

if TYPE_CHECKING:
    from mlgitops.tracking.digesting import Digesting

LARGE = 64 << 20  # bytes that are not digested while training waits


def describe(
    data: object, name: str | None, context: str | None, folder: Path, wait: bool = False
) -> tuple[Dataset, dict[str, Any], Digesting | None]:
    """Return a data set as the record has it, its line, and what digests it meanwhile; see ``Run.log_dataset``."""
    if not isinstance(data, str | os.PathLike):
        found = Dataset(name or "data", of_value(data), context, None, _rows(data))
        return found, _line(found), None
    path = Path(data)
    if "://" in str(data):
        raise InputError(f"{data} is not on this machine; download it and log the file, so that it can be digested")
    found = Dataset(name or path.name, "", context, path.absolute().as_uri(), _rows_of_file(path))
    with filedigests.cached() as digests:
        if not wait and path.exists() and digests.unread(path) > LARGE:
            from mlgitops.tracking.digesting import Digesting

            return found, {**_line(found), "pending": True}, Digesting(folder, path, _line(found))
        found = Dataset(found.name, digests.of(path), context, found.uri, found.rows)
    return found, _line(found), None


def _line(dataset: Dataset) -> dict[str, Any]:
    line = {name: getattr(dataset, name) for name in ("name", "digest", "context", "uri", "rows")}
    return {name: value for name, value in line.items() if value not in (None, "")}


def _rows(data: object) -> int | None:
    """Return how many rows data has: those of its first array or frame."""
    if isinstance(data, Mapping):
        data = list(data.values())
    if isinstance(data, tuple | list):
        return _rows(data[0]) if data and hasattr(data[0], "shape") else len(data)
    shape = getattr(data, "shape", ())
    if shape:
        return int(shape[0])
    return len(data) if hasattr(data, "__len__") and not isinstance(data, str | bytes) else None


def _rows_of_file(path: Path) -> int | None:
    """Return how many rows a Parquet file says that it has, where what reads it is there already."""
    pyarrow: Any = sys.modules.get("pyarrow.parquet")
    if pyarrow is None or path.suffix != ".parquet" or not path.is_file():
        return None
    try:
        return int(pyarrow.read_metadata(path).num_rows)
    except (OSError, ValueError):
        return None
