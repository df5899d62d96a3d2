"""The end of a run: its sums, its seal, and one line for the person who waited for it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlgitops import config
from mlgitops.errors import MlgitopsError
from mlgitops.files import write_atomic
from mlgitops.tracking import contents, places, records
from mlgitops.tracking.points import from_number

if TYPE_CHECKING:
    from mlgitops.tracking.run import Run


def end(run: Run) -> None:
    """Write the final ``run.json`` and the manifest, push the record where a store is set, and tell what is next.

    Raises:
        OSError: the record cannot be written.
    """
    run.finish_capture()
    found = records.summarise(run.folder)
    write_atomic(run.folder / places.RUN, json.dumps(_final(run, found), indent=1).encode() + b"\n")
    contents.seal(run.folder)
    print(f"mlgitops: run {run.id} {run.status} after {run.seconds:.1f} s, kept in {run.folder}", file=sys.stderr)
    pushed = _push(run)
    if run.status == "finished" and found.models:
        source = records.read(run.folder).source
        if source is not None and source.dirty:
            print("mlgitops: warning: trained from uncommitted changes, which a last stage refuses", file=sys.stderr)
        print(f"mlgitops: next: mlgitops propose {run.id}", file=sys.stderr)
    elif not pushed:
        print("mlgitops: next: mlgitops runs", file=sys.stderr)


def _final(run: Run, found: records.Contents) -> dict[str, Any]:
    metrics = {
        name: {key: from_number(value) if isinstance(value, float) else value for key, value in asdict(summary).items()}
        for name, summary in found.metrics.items()
    }
    return run.head() | {
        "finished_at": places.utc(time.time()),
        "params": found.params,
        "metrics": metrics,
        "tags": found.tags,
        "datasets": [asdict(dataset) for dataset in found.datasets],
        "models": [asdict(model) for model in found.models],
        "damaged": found.damaged,
        "problems": run.problems,
    }


def _push(run: Run) -> bool:
    """Push the record to the store that the configuration names; a store that fails costs a line, not the run."""
    try:
        store = config.load().get("store.url")
        if not store:
            return False
        from mlgitops.tracking import remote

        # The writer still holds its lock, but nothing is written any more.
        pushed = remote.push(records.read(run.folder), store)
    except MlgitopsError as error:
        print(f"mlgitops: not pushed: {error}; later: mlgitops push {run.id}", file=sys.stderr)
        return False
    print(f"mlgitops: pushed to {pushed.run_uri}", file=sys.stderr)
    return True
