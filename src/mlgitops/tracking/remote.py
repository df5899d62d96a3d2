"""Takes a run to where others see it: its record and its models, each by its digest."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlgitops import artifacts, digest
from mlgitops.errors import InputError
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
    return Pushed(run_uri, manifest.digest, models)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
