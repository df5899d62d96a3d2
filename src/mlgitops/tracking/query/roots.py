"""Where records lie that somebody asks about: a folder, as for training unless told otherwise."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from mlgitops.tracking import places

Root = str | PathLike[str] | None


def local(root: Root) -> Path:
    """Return the folder whose ``runs`` hold the records of a root; None means ``mlgitops.tracking.root()``."""
    return places.root() if root is None else Path(root)


def source(root: Root) -> str:
    """Return the one name of a root, however it was written."""
    return str(local(root).resolve())
