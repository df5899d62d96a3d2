"""What a run record says, whoever wrote it and whether or not it ended.

A finished run is its ``run.json``. A run that is still going, or died, is the sum of its
writers' lines. Records come from anywhere: wrong types are left out, paths that leave the
record are left out, and text is only ever text; whoever shows it makes it inert.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlgitops import digest as digests
from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking import places
from mlgitops.tracking.points import Summing, lines, open_plain, to_number, to_point, writers
from mlgitops.tracking.writer import is_locked

SILENT = 600.0  # seconds without a line, after which a run of another machine counts as dead
LARGEST_RUN = 256 << 20  # bytes of a run.json
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL)  # nothing, a link, no plain file
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """What a metric's points add up to; ``last`` is the one of the highest step."""

    last: float
    min: float
    max: float
    mean: float
    count: int
    step: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data that a run used; the digest is of its full content."""

    name: str
    digest: str
    context: str | None = None
    uri: str | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model package of a run; ``path`` is relative to the record's folder."""

    name: str
    path: str
    digest: str
    format: str


@dataclass(frozen=True, slots=True)
class Source:
    """The code of a run; ``commit`` is empty outside of a git repository."""

    repository: str
    commit: str
    dirty: bool
    entry_point: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as its record tells it.

    ``status`` is running, finished, failed or killed; ``capture`` (of code and environment) is
    complete, pending or lost; ``problems`` is what the record lacks. Times are RFC 3339 in UTC.
    """

    id: str
    name: str
    experiment: str
    status: str
    started_at: str
    finished_at: str | None
    params: Mapping[str, Scalar]
    metrics: Mapping[str, MetricSummary]
    tags: Mapping[str, str]
    datasets: tuple[Dataset, ...]
    models: tuple[LoggedModel, ...]
    source: Source | None
    folder: Path
    capture: str = "complete"
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Contents:
    """What the lines of a run's writers add up to."""

    params: dict[str, Scalar] = field(default_factory=dict)
    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[Dataset] = field(default_factory=list)
    models: list[LoggedModel] = field(default_factory=list)
    damaged: int = 0


def read(folder: Path, sum_up: Callable[[Path], Contents] | None = None) -> RunRecord:
    """Read a run record; ``sum_up`` adds up the lines of one that did not end, default ``summarise``.

    Raises:
        NotFoundError: the folder is no run record.
        InputError: its ``run.json`` cannot be read, or is of a newer format.
    """
    raw = _read_json(folder, places.RUN)
    status = raw.get("status")
    if status in ("finished", "failed"):
        contents = _from_run_json(raw)
    else:
        status, contents = "running" if is_alive(folder) else "killed", (sum_up or summarise)(folder)
    source, capture = _read_capture(folder)
    return RunRecord(
        id=_text(raw.get("id")) or folder.name,
        name=_text(raw.get("name")),
        experiment=_text(raw.get("experiment")),
        status=status,
        started_at=_text(raw.get("started_at")),
        finished_at=_text(raw.get("finished_at")) or None,
        params=contents.params,
        metrics=contents.metrics,
        tags={**_tags(raw.get("tags")), **contents.tags},
        datasets=tuple(contents.datasets),
        models=tuple(model for model in contents.models if _is_inside(folder, model.path)),
        source=source,
        folder=folder,
        capture=capture,
        problems=_problems(raw, contents),
    )


def find(root: Path, run_id_or_prefix: str) -> Path:
    """Return the folder of a run by its id or a prefix of it, upper or lower case.

    Raises:
        NotFoundError: there is none, or the prefix fits several.
    """
    wanted = run_id_or_prefix.removeprefix("runs:/").upper()
    known = sorted(_run_ids(root), reverse=True)
    matching = [run_id for run_id in known if wanted and run_id.startswith(wanted)]
    if len(matching) == 1:
        return root / "runs" / matching[0]
    if matching:
        raise NotFoundError(f"{len(matching)} runs begin with {wanted}: {', '.join(matching[:5])}; give more of the id")
    newest = ", ".join(known[:5]) or "none"
    raise NotFoundError(f"{root} has no run {run_id_or_prefix!r}; the newest are: {newest}; see: mlgitops runs")


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


def summarise(folder: Path) -> Contents:
    """Add up the lines of a run's writers."""
    contents = Contents()
    sums: dict[str, Summing] = {}
    for path in writers(folder):
        for line in lines(path):
            if point := to_point(line):
                summing = sums.get(point.metric)
                if summing is None:
                    summing = sums[point.metric] = Summing()
                summing.add(point)
            elif not take(line, contents):
                contents.damaged += 1
    contents.metrics = {name: MetricSummary(*summing.values()) for name, summing in sums.items()}
    return contents


def is_alive(folder: Path) -> bool:
    """Say whether some process still writes to a run.

    On this machine its lock tells; a file of another machine is taken for alive until it has been
    silent for ``SILENT`` seconds.
    """
    from mlgitops.tracking.writer import hostname

    for path in writers(folder):
        if is_locked(path):
            return True
        header = next(lines(path), {}).get("writer")
        host = header.get("host") if isinstance(header, dict) else None
        if host != hostname() and time.time() - path.stat().st_mtime < SILENT:
            return True
    return False


def _run_ids(root: Path) -> list[str]:
    try:
        return [path.name for path in (root / "runs").iterdir() if places.is_run_id(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    path = f"{folder}/{name}"  # two files of every run: building paths would take longer than reading them
    try:
        with os.fdopen(open_plain(path), "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > LARGEST_RUN:
                raise InputError(f"{path} is larger than {LARGEST_RUN} bytes; it is not ours")
            raw = json.loads(file.read())
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno in _NO_FILE:
            raise NotFoundError(f"{folder} is not a run record: it has no {name}") from error
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path} is not an object")
    if raw.get("format") != places.FORMAT:
        raise InputError(f"{path} is of format {raw.get('format')!r}, known is {places.FORMAT}; update mlgitops")
    return raw


def _read_capture(folder: Path) -> tuple[Source | None, str]:
    try:
        raw = _read_json(folder, places.CAPTURE)
    except InputError:
        return None, "pending" if is_alive(folder) or is_locked(folder) else "lost"
    code = raw.get("code")
    code = code if isinstance(code, dict) else {}
    repository, commit = _text(code.get("repository")), _text(code.get("commit"))
    return Source(repository, commit, code.get("dirty") is not False, _text(raw.get("entry_point"))), "complete"


def _from_run_json(raw: Mapping[str, Any]) -> Contents:
    """Return what a finished run.json says."""
    contents = Contents()
    for name, value in _pairs(raw.get("params")):
        if _is_scalar(value):
            contents.params[name] = value
    for name, value in _pairs(raw.get("metrics")):
        summary = _summary(value) if isinstance(value, dict) else None
        if summary:
            contents.metrics[name] = summary
    for kind in ("dataset", "model"):
        found = raw.get(f"{kind}s")
        for item in found if isinstance(found, list) else []:
            take({kind: item}, contents)
    contents.damaged = raw["damaged"] if type(raw.get("damaged")) is int else 0
    return contents


def _summary(raw: Mapping[str, Any]) -> MetricSummary | None:
    numbers = [raw.get("last"), raw.get("min"), raw.get("max"), raw.get("mean")]
    last, lowest, highest, mean = [value if type(value) is float else to_number(value) for value in numbers]
    count, step = raw.get("count"), raw.get("step")
    if last is None or lowest is None or highest is None or mean is None:
        return None
    if type(count) is not int or type(step) is not int:
        return None
    return MetricSummary(last, lowest, highest, mean, count, step)


def take(line: Mapping[str, Any], contents: Contents) -> bool:
    """Take in a line that is no point; say whether it made sense."""
    name, value, item = line.get("param"), line.get("value"), line.get("dataset") or line.get("model")
    if isinstance(name, str) and _is_scalar(value):
        contents.params[name] = value
    elif isinstance(tag := line.get("tag"), str) and isinstance(value, str):
        contents.tags[tag] = value
    elif isinstance(item, dict):
        return _take_item(item, "dataset" in line, contents)
    else:
        return "writer" in line
    return True


def _take_item(item: Mapping[str, Any], is_dataset: bool, contents: Contents) -> bool:
    name, digest = _text(item.get("name")), _text(item.get("digest"))
    if not name or not digests.PATTERN.fullmatch(digest):
        return False
    if is_dataset:
        rows = item.get("rows")
        contents.datasets.append(
            Dataset(
                name=name,
                digest=digest,
                context=_text(item.get("context")) or None,
                uri=_text(item.get("uri")) or None,
                rows=rows if type(rows) is int and rows >= 0 else None,
            )
        )
    else:
        # A name that was logged again names the newest model only.
        contents.models = [model for model in contents.models if model.name != name]
        contents.models.append(LoggedModel(name, _text(item.get("path")), digest, _text(item.get("format"))))
    return True


def _problems(raw: Mapping[str, Any], contents: Contents) -> tuple[str, ...]:
    found = [_text(problem) for problem in raw["problems"]] if isinstance(raw.get("problems"), list) else []
    if contents.damaged:
        found.append(f"{contents.damaged} damaged lines were left out")
    return tuple(found)


def _is_inside(folder: Path, path: str) -> bool:
    return bool(path) and not Path(path).is_absolute() and (folder / path).resolve().is_relative_to(folder.resolve())


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _pairs(raw: object) -> list[tuple[str, Any]]:
    return list(raw.items()) if isinstance(raw, dict) else []


def _tags(raw: object) -> dict[str, str]:
    return {name: value for name, value in _pairs(raw) if isinstance(value, str)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
