"""The end of a run: its sums, its seal, and one line for the person who waited for it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlgitops import config
from mlgitops.errors import MlgitopsError, OutsideError
from mlgitops.files import write_atomic
from mlgitops.tracking import contents, life, locks, places, records, seeds, unsaved
from mlgitops.tracking.points import from_number

if TYPE_CHECKING:
    from mlgitops.tracking.run import Run

_LONGEST = 2000  # characters of an error
_PATIENCE = 1.0  # seconds for another process that adds up the same record, which takes milliseconds


def end(run: Run) -> None:
    """Write the final ``run.json`` and the manifest, push the record where a store is set, and tell what is next.

    A process that joined the run leaves it, and brings the record up to date when its owner ended before.

    Raises:
        OSError: the record cannot be written.
    """
    if not run.is_owner:
        add_up_again(run.folder, run.problems)
        return
    seeds.log(run)
    run.finish_capture()
    try:
        found = sum_up(run.folder, run.head(), run.problems)
    except OSError as error:
        run.failed("the end of the run", error)
        _write_without_sums(run)
        return
    finally:
        _give_back_reserve(run)
    if run.parent:  # the parent's end tells where both are; of a hundred trials a hundred lines would tell nothing
        push(run.folder)
        return
    print(f"mlgitops: run {run.id} {run.status} after {run.seconds:.1f} s, kept in {run.folder}", file=sys.stderr)
    push(run.folder)
    if run.status == "finished" and (found.models or found.saving):
        unclean = source_warning(records.read(run.folder))
        if unclean:
            print(f"mlgitops: warning: {unclean}", file=sys.stderr)
        if found.saving:
            print("mlgitops: its model is still being saved; the next command waits for it", file=sys.stderr)
        print(f"mlgitops: next: mlgitops propose {run.id}", file=sys.stderr)
    else:
        print("mlgitops: next: mlgitops runs", file=sys.stderr)


def source_warning(record: records.RunRecord) -> str:
    """Return what to warn of when no commit holds the code of a run; empty when one does."""
    source = record.source
    if source is None or not source.commit:
        return "trained from no known commit, which a last stage refuses; train from committed code"
    if source.dirty:
        return "trained from uncommitted changes, which a last stage refuses; commit them and train again"
    return ""


def add_up_again(
    folder: Path, problems: Sequence[str] = (), *, finished_at: str | None = None, patience: float = _PATIENCE
) -> bool:
    """Bring a record up to date that a process wrote to after its owner had ended; say whether that was to be done.

    Args:
        folder: of the run.
        problems: what the record lacks besides what it says already.
        finished_at: when it shall count as ended, by default now.
        patience: seconds to wait for another process that adds up the same record.

    Raises:
        OSError: the record cannot be written.
    """
    deadline = time.monotonic() + patience
    while records.read_head(folder).get("status") in life.ENDED:  # else its owner adds up, at its end
        lock = locks.claim(folder / places.OWNER)
        if lock is not None:
            try:
                raw, told = records.read_head(folder), list(records.told_problems(folder))
                told += [problem for problem in problems if problem not in told]
                sum_up(folder, raw, told, finished_at=finished_at)
            finally:
                lock.close()
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return False


def add_up_late(run: Run) -> None:
    """Take in what was logged by the handle of a run that had ended; its time of ending stays."""
    if not run.writer.is_open:
        return  # whoever wrote it has added it up
    try:
        run.writer.close()
        add_up_again(run.folder, run.problems, finished_at=records.read_head(run.folder).get("finished_at"))
    except (OSError, MlgitopsError) as error:
        run.failed("what was logged after the end of the run", error)


def sum_up(
    folder: Path, head: Mapping[str, object], problems: list[str], *, finished_at: str | None = None
) -> records.Contents:
    """Write the final ``run.json`` of a run, which ends now or ended then, and its manifest.

    Raises:
        OSError: the record cannot be written.
    """
    found = _sum_up(folder, head, problems, finished_at)
    if any(unsaved.is_answered(folder, token) for token in found.saving):
        # Whoever saves a model looks whether the run has ended after it has made its file; it leaves to us
        # what it began before that.
        found = _sum_up(folder, head, problems, finished_at)
    return found


def _sum_up(folder: Path, head: Mapping[str, object], problems: list[str], finished_at: str | None) -> records.Contents:
    found = records.summarise(folder)
    problems = [*problems, *(problem for problem in found.unsaid() if problem not in problems)]
    final = {**head, "finished_at": finished_at or places.utc(time.time()), **sums_of(found), "problems": problems}
    content = json.dumps(final, indent=1).encode() + b"\n"
    if len(content) > records.LARGEST_RUN:  # which no reader takes; it adds up the lines
        said = {**head, "finished_at": final["finished_at"], "problems": problems, "summed": False}
        content = json.dumps(said).encode() + b"\n"
    write_atomic(folder / places.RUN, content)
    contents.seal(folder)
    return found


def sums_of(found: records.Contents) -> dict[str, Any]:
    """Return what the lines of a run add up to, as ``run.json`` says it."""
    metrics = {
        name: {key: from_number(value) if isinstance(value, float) else value for key, value in asdict(summary).items()}
        for name, summary in found.metrics.items()
    }
    return {
        "params": found.params,
        "metrics": metrics,
        **({"shared": {name: asdict(one) for name, one in found.shared.items()}} if found.shared else {}),
        "tags": found.tags,
        "seeds": found.seeds,
        "datasets": [asdict(dataset) | ({} if dataset.digest else {"pending": True}) for dataset in found.datasets],
        "models": [asdict(model) for model in found.models],
        "saving": [{"name": name, "token": token} for token, name in found.saving.items()],
        "media": [asdict(media) for media in found.media],
        "damaged": found.damaged,
    }


def _write_without_sums(run: Run) -> None:
    """Say at least how the run ended and what it lacks, on a disk that is full; readers add up its lines.

    Raises:
        OSError: not even that can be written.
    """
    _give_back_reserve(run)
    short = {**run.head(), "finished_at": places.utc(time.time()), "problems": run.problems, "summed": False}
    write_atomic(run.folder / places.RUN, json.dumps(short).encode())


def _give_back_reserve(run: Run) -> None:
    if run.owner_lock and run.owner_lock.descriptor >= 0:
        with contextlib.suppress(OSError):
            os.truncate(run.owner_lock.descriptor, 0)


def push(folder: Path) -> None:
    """Push the record to the store that the configuration names; a store that fails costs a line, not the run."""
    try:
        store = config.load().get("store.url")
        if not store:
            return
        # The writer still holds its lock, but nothing is written any more.
        run_uri = _push_from_a_child(folder, store) if _is_exiting() else _push_from_here(folder, store)
    except MlgitopsError as error:
        if places.is_strict():
            raise
        print(f"mlgitops: not pushed: {error}; later: mlgitops push {folder.name}", file=sys.stderr)
        return
    print(f"mlgitops: pushed to {run_uri}", file=sys.stderr)


def _push_from_here(folder: Path, store: str) -> str:
    from mlgitops.tracking import remote

    return remote.push(records.read(folder), store).run_uri


def _push_from_a_child(folder: Path, store: str) -> str:
    """Push from a process of its own, because one that exits cannot start threads any more; return the run's URI."""
    import subprocess

    command = [sys.executable, "-P", "-m", "mlgitops.tracking.remote", str(folder), store]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise OutsideError(done.stderr.strip()[-_LONGEST:] or f"the process that pushes ended with {done.returncode}")
    return done.stdout.strip()


def _is_exiting() -> bool:
    return not threading.main_thread().is_alive()
