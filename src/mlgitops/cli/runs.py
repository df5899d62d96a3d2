"""``mlgitops runs``: the run records of this folder, the newest first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlgitops.cli.output import Output, OutputOption

if TYPE_CHECKING:
    from mlgitops.tracking import RunRecord

app = typer.Typer(add_completion=False)

_HEADINGS = ("RUN", "STARTED", "STATUS", "CODE", "NAME", "MODELS", "METRICS")
# Which gives way first where a line is too long, and what it keeps: an id that is cut cannot be copied, and
# metrics are seen in full with a run's own page.
_YIELDING = {6: 0, 4: 12, 5: 8, 1: 10}
_NARROW = 100  # columns; with less a run shows the day that it began, for a time that is cut shows not even that


@app.command(epilog="Examples: mlgitops runs · mlgitops runs 01K --output json")
def runs(
    run: Annotated[str | None, typer.Argument(help="Only this run: its id, or the beginning of it.")] = None,
    root: Annotated[
        str | None,
        typer.Option("--root", help="A folder or store with records; default: as for training.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many runs.")] = 50,
    output: OutputOption = Output.table,
) -> None:
    """List the runs, their state, code, metrics and models; of one run show everything."""
    from mlgitops import tracking
    from mlgitops.tracking.query.roots import FolderRecords, records_of
    from mlgitops.tracking.query.search import search_runs

    records = records_of(root)
    if run:
        found: tuple[RunRecord, ...] = (records.read(run),)
    elif isinstance(records, FolderRecords):
        found = tracking.list_runs(records.folder, limit)
        _tell_unreadable(records.folder, limit)
    else:
        found = search_runs(limit=limit, root=root)
    if output is Output.json:
        import json

        typer.echo(json.dumps([to_json(record) for record in found], indent=1))
        return
    if not found:
        typer.echo(f"no runs in {records.name}; write one with: mlgitops.start_run()", err=True)
        return
    if run:
        from mlgitops.cli.run_page import page

        typer.echo(page(found[0]))
    else:
        print_table(found)


def _tell_unreadable(root: Path, newest: int) -> None:
    from mlgitops.bot.inert import plain
    from mlgitops.tracking.records import unreadable

    for why in unreadable(root, newest).values():
        typer.echo(f"left out: {plain(why, 400)}", err=True)


def to_json(record: RunRecord) -> dict[str, Any]:
    """Return a record as JSON can write it; numbers that JSON has not are text."""
    from dataclasses import asdict

    from mlgitops.tracking.points import from_number

    raw = asdict(record) | {"folder": str(record.folder)}
    for summary in raw["metrics"].values():
        summary.update({key: from_number(value) for key, value in summary.items() if isinstance(value, float)})
    return raw


def print_table(records: tuple[RunRecord, ...]) -> None:
    """Print runs a line each, what a record says being text and nothing else."""
    from mlgitops.bot.inert import plain
    from mlgitops.cli import lines

    lines.put(table(records, lines.room()))
    for record in records:
        for problem in record.problems:
            typer.echo(f"{plain(record.id)}: {plain(problem)}", err=True)


def table(records: tuple[RunRecord, ...], width: int | None) -> list[str]:
    """Return the lines of runs, headings first, for a terminal of so many columns; None cuts nothing."""
    from mlgitops.bot.inert import plain
    from mlgitops.cli import lines
    from mlgitops.cli.run_page import code

    rows = []
    shown = len("2026-11-28") if width is not None and width < _NARROW else len("2026-11-28 16:02")
    for record in records:
        metrics = [f"{plain(name, 40)}={summary.last:.6g}" for name, summary in sorted(record.metrics.items())]
        cells = (
            record.id,
            record.started_at[:shown].replace("T", " "),
            record.status + ("!" if record.problems else ""),
            code(record),
            f"{record.experiment[:30]}/{record.name[:30]}",
            " ".join([*(model.name for model in record.models), *(f"{name}…" for name in record.saving)]) or "-",
        )
        rows.append((*map(plain, cells), " ".join(metrics) or "-"))
    return lines.laid_out(_HEADINGS, rows, width, _YIELDING)
