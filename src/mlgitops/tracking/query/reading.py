"""What the folder of a run says, as an index keeps it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking import places
from mlgitops.tracking.query.rows import Rows, rows_of
from mlgitops.tracking.query.tails import Tails
from mlgitops.tracking.records import read

SETTLED = 2_000_000_000  # nanoseconds
LONGEST = 400  # characters of what is wrong with a record
NEVER, FILES, LIFE = range(3)  # what else to watch, see the table in ``index``


class Watched(NamedTuple):
    """What the index remembers of a run that may say something new though its folder did not change."""

    stamp: int
    meta: int
    watch: int
    seen: str


class Found(NamedTuple):
    """What was read of a run.

    ``tails`` is how far its files were read, and ``continued`` says that the index knew them and they only grew.
    """

    run_id: str
    marks: Watched
    rows: Rows
    tails: str = ""
    continued: bool = False


class Unreadable(NamedTuple):
    """What is no record that this version can read.

    ``stamp`` shows whether it changed; ``why`` is empty where nothing is amiss.
    """

    stamp: str
    why: str


def examine(folder: Path, stamp: int, tails_before: str = "") -> Found | Unreadable:
    """Read a run whose folder has this change time (nanoseconds).

    ``tails_before`` is how far its files were read, empty when they were not.
    """
    # In a folder that changed a file may be another one of the same name, and even of the same inode.
    tails = Tails(tails_before)
    now, meta = time.time_ns(), changed(f"{folder}/{places.META}")
    head = changed(f"{folder}/{places.RUN}")
    try:
        record = read(folder, tails.sum_up)
    except NotFoundError:
        return Unreadable(_settled(now, stamp, head), "")  # a start that was cut short, or no record of ours
    except (InputError, OSError) as error:
        return Unreadable(_settled(now, stamp, head), ascii(str(error))[1:-1][:LONGEST])
    if record.id != folder.name:
        # The name of its folder is what it is found, shown and removed by.
        problem = f"its {places.RUN} is of another run, {record.id[:26]}"
        record = replace(record, id=folder.name, problems=(*record.problems, problem))
    live = record.status == "running" or record.capture == "pending" or bool(record.saving)
    watch = LIFE if live else FILES if tails.sizes else NEVER
    if max(stamp, meta) > now - SETTLED:
        stamp = 0
    marks = Watched(stamp, meta, watch, seen(tails.sizes))
    if not tails.sizes:
        return Found(folder.name, marks, rows_of(record))
    return Found(folder.name, marks, rows_of(record), tails.dump(), tails.continued)


def stamp_of(folder: Path, stamp: int) -> str:
    """Return what shows that a folder with this change time, of what is no readable record, says something new."""
    return f"{stamp} {changed(f'{folder}/{places.RUN}')}"


def _settled(now: int, stamp: int, head: int) -> str:
    return f"{stamp} {head}" if max(stamp, head) <= now - SETTLED else ""


def sizes(folder: Path, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return the size (bytes) and time (nanoseconds) of those files that are there."""
    found = {}
    for name in names:
        with contextlib.suppress(OSError):
            status = os.lstat(f"{folder}/{name}")
            found[name] = (status.st_size, status.st_mtime_ns)
    return found


def seen(sizes: Mapping[str, tuple[int, int]]) -> str:
    """Return sizes and times of files as the text that an index compares."""
    return "\n".join(f"{name}\t{size}\t{time}" for name, (size, time) in sizes.items())


def changed(path: str) -> int:
    """Return the change time (nanoseconds) of what is at a path, 0 when nothing is."""
    try:
        return os.lstat(path).st_ctime_ns
    except OSError:
        return 0
