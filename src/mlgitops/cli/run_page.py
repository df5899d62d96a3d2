"""One run in full on a terminal; what its record says is text and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlgitops.bot.inert import plain

if TYPE_CHECKING:
    from mlgitops.tracking import RunRecord
    from mlgitops.tracking.records import Shared

MOST = 50  # of each kind


def page(record: RunRecord) -> str:
    """Return a run's page: a heading and its lines for each kind of thing that the record has."""
    lines = []
    for heading, pairs in _parts(record):
        shown = [(plain(name, 60), plain(value)) for name, value in pairs if value not in ("", None)]
        if shown:
            width = min(40, max(len(name) for name, _ in shown))
            lines += ["", heading] if heading else []
            lines += [f"  {name:<{width}}  {value}".rstrip() for name, value in shown[:MOST]]
            lines += [f"  … and {len(shown) - MOST} more" for _ in shown[MOST : MOST + 1]]
    return "\n".join(lines)


def code(record: RunRecord) -> str:
    """Return a run's commit, ``*`` after it when it is not the whole truth, or why it is not known."""
    if record.source is None:
        return record.capture
    return (record.source.commit[:8] or "-") + ("*" if record.source.commit and record.source.dirty else "")


def _shared(several: Shared | None) -> str:
    """Return what to say of a metric that several processes logged."""
    if several is None:
        return ""
    return f"  of {several.writers} writers, the last is of {several.last or 'the highest step'}"


def _rows(count: int | None) -> str:
    return "" if count is None else f"{count} row{'s' if count != 1 else ''}"


def _parts(record: RunRecord) -> Iterator[tuple[str, list[tuple[str, object]]]]:
    from mlgitops.tracking.records import told_at_start

    source, environment = record.source, record.environment
    yield (
        "",
        [
            ("run", record.id),
            ("name", record.name),
            ("experiment", record.experiment),
            ("description", record.description),
            ("status", record.status),
            ("started", record.started_at),
            ("resumed", " ".join(record.resumed_at)),
            ("ended", record.finished_at),
            ("parent", record.parent),
            ("group", record.group),
            ("code", code(record)),
            ("branch", source and source.branch),
            ("repository", source and source.repository),
            ("script", source and " ".join((source.entry_point, *(environment.argv if environment else ())))),
            ("host", environment and f"{environment.host}, {environment.cpus} cores, Python {environment.python}"),
            ("gpus", environment and "; ".join(environment.gpus)),
            ("folder", record.folder),
        ],
    )
    yield "params", [(name, str(value)) for name, value in record.params.items()]
    yield (
        "metrics",
        [
            (
                name,
                f"{one.last:.6g}  min {one.min:.6g}  max {one.max:.6g}  points {one.count}  step {one.step}"
                + _shared(record.shared.get(name)),
            )
            for name, one in sorted(record.metrics.items())
        ],
    )
    yield "tags", list(record.tags.items())
    pending = "digest pending" if record.status == "running" else "no digest"
    yield "seeds", [(name, str(value)) for name, value in record.seeds.items()]
    yield (
        "data",
        [
            (data.name, " ".join(filter(None, (data.context, data.digest[:19] or pending, _rows(data.rows), data.uri))))
            for data in record.datasets
        ],
    )
    yield (
        "models",
        [
            *((model.name, f"{model.format} {model.digest[:19]} {model.path}") for model in record.models),
            *((name, "still being saved") for name in record.saving),
        ],
    )
    yield "kept", [(one.kind, one.path) for one in record.media]
    yield "notes", [(f"{note.time[:16].replace('T', ' ')} {note.by}", note.text) for note in record.notes]
    yield "problems", [("!", problem) for problem in record.problems]
    yield "told at its start", [("!", warning) for warning in told_at_start(record.folder)]
