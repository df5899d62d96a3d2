"""Finds and reads run records, whoever wrote them and whether or not they ended.

A run that ended is its ``run.json``. A run that is still going, or died, is the sum of its
writers' lines. What was added later lies in ``meta/``. Records come from anywhere: wrong types are
left out, paths that leave the record are left out, and text is only ever text; whoever shows it
makes it inert.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking import life, places, remarks, unsaved
from mlgitops.tracking.life import SILENT as SILENT
from mlgitops.tracking.life import is_alive as is_alive
from mlgitops.tracking.locks import is_locked
from mlgitops.tracking.points import open_plain
from mlgitops.tracking.shapes import Dataset as Dataset
from mlgitops.tracking.shapes import Environment as Environment
from mlgitops.tracking.shapes import LoggedModel as LoggedModel
from mlgitops.tracking.shapes import Media as Media
from mlgitops.tracking.shapes import MetricSummary as MetricSummary
from mlgitops.tracking.shapes import Note as Note
from mlgitops.tracking.shapes import RunRecord as RunRecord
from mlgitops.tracking.shapes import Scalar as Scalar
from mlgitops.tracking.shapes import Shared as Shared
from mlgitops.tracking.shapes import Source as Source
from mlgitops.tracking.sums import Contents as Contents
from mlgitops.tracking.sums import of_run_json, text
from mlgitops.tracking.sums import summarise as summarise
from mlgitops.tracking.sums import take as take

PATIENCE = 120.0  # seconds that whoever needs a run's model waits for it
_OFTEN = 0.05  # seconds between two looks
LARGEST_RUN = 256 << 20  # bytes of a run.json
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL)  # nothing, a link, no plain file


def read(folder: Path, sum_up: Callable[[Path], Contents] | None = None) -> RunRecord:
    """Read a run record; ``sum_up`` adds up the lines of one that did not end, default ``summarise``.

    Raises:
        NotFoundError: the folder is no run record.
        InputError: its ``run.json`` cannot be read, or is of a newer format.
    """
    raw, status, contents = _look(folder, sum_up or summarise)
    broken = unsaved.broken(folder, contents.saving)
    if broken:
        raw, status, contents = _look(folder, sum_up or summarise)  # what is saved just now was said before that
        broken &= contents.saving.keys()
    captured, capture = _read_capture(folder)
    return _record(raw, status, contents, captured, capture, folder, remarks.read(folder), broken)


def _look(folder: Path, sum_up: Callable[[Path], Contents]) -> tuple[dict[str, Any], str, Contents]:
    raw = read_head(folder)
    status = raw.get("status")
    if status in life.ENDED and raw.get("summed") is not False:
        return raw, str(status), of_run_json(raw)
    return raw, str(status) if status in life.ENDED else life.state(folder), sum_up(folder)


def settled(record: RunRecord, patience: float = PATIENCE) -> RunRecord:
    """Return a record whose models are saved: read again, once the process beside its training is done.

    Args:
        record: as it was read.
        patience: seconds to wait; that it waits is told on standard error.

    Raises:
        InputError: a model is still being saved after that.
    """
    deadline, is_told = time.monotonic() + patience, False
    while names := unsaved.held(record.folder):
        told = f"model {', '.join(names)!a} of run {record.id}"
        if time.monotonic() > deadline:
            raise InputError(f"{told} is still being saved; try again later")
        if not is_told:
            print(f"mlgitops: waiting for {told}, which is being saved", file=sys.stderr)
            is_told = True
        time.sleep(_OFTEN)
    return read(record.folder) if is_told or record.saving else record


def from_parts(run: Mapping[str, Any], capture: Mapping[str, Any] | None, folder: Path, status: str = "") -> RunRecord:
    """Return the record of a run whose ``run.json``, sums included, and ``capture.json`` came from elsewhere.

    ``folder`` is where it would lie; ``status`` is what is known better than the ``run.json``.
    """
    contents, found = of_run_json(run), status or text(run.get("status"))
    lost = "pending" if found == "running" else "lost"
    added = remarks.Added()
    return _record(run, found, contents, capture, "complete" if capture is not None else lost, folder, added)


def read_head(folder: Path) -> dict[str, Any]:
    """Return a run's ``run.json``.

    Raises:
        NotFoundError: the folder is no run record.
        InputError: it cannot be read, or is of a newer format.
    """
    return _read_json(folder, places.RUN)


def told_problems(folder: Path) -> tuple[str, ...]:
    """Return what the owner of a run said that its record lacks."""
    found = read_head(folder).get("problems")
    return tuple(problem for problem in found if isinstance(problem, str)) if isinstance(found, list) else ()


def find(root: Path, run_id_or_prefix: str) -> Path:
    """Return the folder of a run by its id or a prefix of it, upper or lower case.

    Raises:
        NotFoundError: there is none, or the prefix fits several.
    """
    return root / "runs" / choose(_run_ids(root), run_id_or_prefix, str(root))


def choose(run_ids: Iterable[str], run_id_or_prefix: str, where: str) -> str:
    """Return the one id that is meant, upper or lower case.

    Raises:
        NotFoundError: there is none, or the prefix fits several.
    """
    wanted = run_id_or_prefix.removeprefix("runs:/").upper()
    known = sorted(run_ids, reverse=True)
    matching = [run_id for run_id in known if wanted and run_id.startswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NotFoundError(f"{len(matching)} runs begin with {wanted}: {', '.join(matching[:5])}; give more of the id")
    newest = ", ".join(known[:5]) or "none"
    raise NotFoundError(f"{where} has no run {run_id_or_prefix!r}; the newest are: {newest}; see: mlgitops runs")


def list_runs(root: Path, limit: int | None = None) -> tuple[RunRecord, ...]:
    """Return the readable runs below a root, or so many of them, the newest first."""
    found: list[RunRecord] = []
    for run_id in sorted(_run_ids(root), reverse=True):
        if len(found) == limit:
            break
        try:
            found.append(read(root / "runs" / run_id))
        except InputError:
            continue  # a start that was cut short, or no record of ours
    return tuple(found)


def unreadable(root: Path, newest: int | None = None) -> dict[str, str]:
    """Return why some of the (so many newest) runs below a root cannot be read; a start that was cut short is none."""
    found = {}
    for run_id in sorted(_run_ids(root), reverse=True)[:newest]:
        try:
            read_head(root / "runs" / run_id)
        except NotFoundError:
            continue
        except InputError as error:
            found[run_id] = str(error)
    return found


def _record(
    raw: Mapping[str, Any],
    status: str,
    contents: Contents,
    captured: Mapping[str, Any] | None,
    capture: str,
    folder: Path,
    added: remarks.Added,
    broken: Collection[str] = (),
) -> RunRecord:
    resumed, problems = raw.get("resumed_at"), raw.get("problems")
    told = [text(problem) for problem in problems] if isinstance(problems, list) else []
    of_lines = contents.problems(is_running=status == "running")
    lacking = [*of_lines, *(unsaved.lost(name) for token, name in contents.saving.items() if token in broken)]
    tags: dict[str, str | None] = {**contents.tags, **added.tags}
    return RunRecord(
        id=text(raw.get("id")) or folder.name,
        name=text(raw.get("name")),
        experiment=text(raw.get("experiment")),
        status=status,
        started_at=text(raw.get("started_at")),
        finished_at=text(raw.get("finished_at")) or None,
        params=contents.params,
        metrics=contents.metrics,
        tags={name: value for name, value in tags.items() if value is not None},
        datasets=tuple(contents.datasets),
        models=tuple(model for model in contents.models if _is_inside(folder, model.path)),
        source=_source(captured),
        folder=folder,
        capture=capture,
        problems=(*told, *(problem for problem in lacking if problem not in told)),
        parent=text(raw.get("parent")),
        group=text(raw.get("group")),
        resumed_at=tuple(text(time) for time in resumed) if isinstance(resumed, list) else (),
        media=tuple(media for media in contents.media if _is_inside(folder, media.path)),
        seeds=contents.seeds,
        environment=_environment(captured),
        description=added.description,
        notes=added.notes,
        saving=tuple(name for token, name in contents.saving.items() if token not in broken),
        shared=contents.shared,
    )


def _run_ids(root: Path) -> list[str]:
    try:
        return [path.name for path in (root / "runs").iterdir() if places.is_run_id(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    path = f"{folder}/{name}"  # two files of every run: building paths would take longer than reading them
    try:
        raw = json.loads(_content(path))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno in _NO_FILE:
            raise NotFoundError(f"{folder} is not a run record: it has no {name}") from error
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path} is not an object")
    if raw.get("format") != places.FORMAT:
        raise InputError(f"{path} is of format {raw.get('format')!r}, known is {places.FORMAT}; update mlgitops")
    return raw


def _content(path: str) -> bytes:
    # Without a file object, which would take longer than the reading.
    descriptor = open_plain(path)
    try:
        size = os.fstat(descriptor).st_size
        if size > LARGEST_RUN:
            raise InputError(f"{path} is larger than {LARGEST_RUN} bytes; it is not ours")
        return b"".join(iter(lambda: os.read(descriptor, size + 1), b""))
    finally:
        os.close(descriptor)


def _read_capture(folder: Path) -> tuple[Mapping[str, Any] | None, str]:
    try:
        return _read_json(folder, places.CAPTURE), "complete"
    except InputError:
        return None, "pending" if is_alive(folder) or is_locked(folder) else "lost"


def told_at_start(folder: Path) -> tuple[str, ...]:
    """Return what a run was told at its start that would fail at its end (``preflight``)."""
    captured, _ = _read_capture(folder)
    return _texts((captured or {}).get("preflight"))


def _source(captured: Mapping[str, Any] | None) -> Source | None:
    if captured is None:
        return None
    code = captured.get("code")
    code = code if isinstance(code, dict) else {}
    return Source(
        repository=text(code.get("repository")),
        commit=text(code.get("commit")),
        dirty=code.get("dirty") is not False,
        entry_point=text(captured.get("entry_point")),
        branch=text(code.get("branch")),
    )


def _environment(captured: Mapping[str, Any] | None) -> Environment | None:
    if captured is None:
        return None
    python = captured.get("python")
    version = python.get("version") if isinstance(python, dict) else ""
    return Environment(
        host=text(captured.get("host")),
        platform=text(captured.get("platform")),
        python=text(version),
        cpus=_whole(captured.get("cpus")),
        memory=_whole(captured.get("memory")),
        gpus=_texts(captured.get("gpus")),
        argv=_texts(captured.get("argv")),
    )


def _is_inside(folder: Path, path: str) -> bool:
    return bool(path) and not Path(path).is_absolute() and (folder / path).resolve().is_relative_to(folder.resolve())


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _whole(value: object) -> int:
    return value if type(value) is int else 0
