"""What a run record says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """What a metric's points add up to; ``last`` is the one of the highest step, and ``step`` is that.

    Of a metric that several processes of a run logged, ``last`` and ``step`` are the owner's, else of the lowest rank
    that logged it (``RunRecord.shared``); everything else is over the points of all.
    """

    last: float
    min: float
    max: float
    mean: float
    count: int
    step: int


@dataclass(frozen=True, slots=True)
class Shared:
    """Of a metric that several processes of a run logged: how many, and which of them its last value is of.

    ``last`` is ``owner`` or such as ``rank 3``; empty when only workers logged it, of whom the highest step counts.
    """

    writers: int
    last: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data that a run used; the digest is of its full content, and empty while it is being made."""

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
class Media:
    """A picture, figure, table, text, sound, page or object; ``path`` is relative to the record's folder."""

    kind: str
    name: str
    path: str
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The code of a run; ``commit`` is empty outside of a git repository."""

    repository: str
    commit: str
    dirty: bool
    entry_point: str
    branch: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a run ran; ``memory`` is in bytes, 0 when it is not known."""

    host: str
    platform: str
    python: str
    cpus: int
    memory: int
    gpus: tuple[str, ...]
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody said about a run afterwards; ``time`` is RFC 3339 in UTC."""

    text: str
    time: str
    by: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as its record tells it.

    ``status`` is running, finished, failed, preempted, killed or stale (``tracking.life``); ``capture`` (of code
    and environment) is complete, pending or lost; ``problems`` is what the record lacks. ``metrics`` is by series
    (``tracking.series``), and ``shared`` names those that several processes logged. ``saving`` names models that a
    process beside training still saves (``tracking.unsaved``). Times are RFC 3339 in UTC. ``source`` and
    ``environment`` are None until the capture is complete.
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
    parent: str = ""
    group: str = ""
    resumed_at: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)
    environment: Environment | None = None
    description: str = ""
    notes: tuple[Note, ...] = ()
    saving: tuple[str, ...] = ()
    shared: Mapping[str, Shared] = field(default_factory=dict)
