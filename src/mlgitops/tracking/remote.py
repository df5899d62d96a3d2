"""Takes a run to where others see it: its record and its models, each by its digest.

``python -m mlgitops.tracking.remote RUN_FOLDER STORE`` does it in a process of its own and prints the run's URI.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlgitops import artifacts, digest
from mlgitops.errors import InputError, MlgitopsError
from mlgitops.tracking import ending, life, live, records
from mlgitops.tracking.contents import seal
from mlgitops.tracking.records import RunRecord


@dataclass(frozen=True, slots=True)
class Pushed:
    """Where a run lies in a store; ``models`` are the packages' URIs by their logged names."""

    run_uri: str
    run_digest: str
    models: Mapping[str, str]


def push(record: RunRecord, store_uri: str) -> Pushed:
    """Upload a run that has ended: models to ``<store>/<name>/sha256-…``, the record to ``<store>/runs/<id>/sha256-…``.

    ``current.json`` beside it then says what the run is (0013), and what was pushed while it ran is removed.
    Doing it again uploads nothing that is there.

    Raises:
        InputError: the run is still going, or the URI is no store.
        IntegrityError: a model is no longer what was logged.
        OutsideError: the store cannot be reached, or refuses.
    """
    if record.status == "running":
        raise InputError(f"run {record.id} is still going; push it when it has ended")
    models = {}
    for model in record.models:
        digest.verify(record.folder / model.path, model.digest)
        models[model.name] = artifacts.upload(record.folder / model.path, store_uri, model.name)
    manifest = seal(record.folder)
    # Beside the record, so that hard links do and no byte is copied.
    staging = Path(tempfile.mkdtemp(dir=record.folder.parent, prefix=".push-"))
    try:
        for path in (*(entry.path for entry in manifest.files), digest.MANIFEST):
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            _link(record.folder / path, staging / path)
        run_uri = artifacts.upload(staging, store_uri, f"runs/{record.id}")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _say(record, store_uri, manifest.digest, models)
    return Pushed(run_uri, manifest.digest, models)


def _say(record: RunRecord, store_uri: str, run_digest: str, models: Mapping[str, str]) -> None:
    """Write what lists of runs show, after all that it names."""
    store = artifacts.open_store(artifacts.join(store_uri, "runs", record.id))
    live.push_remarks(record.folder, store, {})
    run = records.read_head(record.folder)
    if run.get("status") not in life.ENDED or run.get("summed") is False:
        run |= ending.sums_of(records.summarise(record.folder))
    store.put(live.CURRENT, live.current(run, record.folder, record.status, run_digest, models=models))
    store.delete(store.list(live.LIVE))
    live.push_experiment(record.folder, record.experiment, store_uri, {})


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


if __name__ == "__main__":
    try:
        print(push(records.read(Path(sys.argv[1])), sys.argv[2]).run_uri)
    except MlgitopsError as error:
        sys.exit(str(error))
