"""A ModelVersion that asks to be registered: from a run record, and from an inbox branch.

Both roads end in the same object, a ModelVersion without its number, and that is also what an
inbox branch carries: digests and URIs, never bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace

from mlgitops import api, digest, packages
from mlgitops.api import Metadata, ModelVersion, Reference
from mlgitops.api.model import (
    Artifact,
    Dataset,
    Environment,
    Lifecycle,
    Metric,
    ModelVersionSpec,
    Param,
    Run,
    Source,
    Tensor,
    TensorSignature,
)
from mlgitops.errors import InputError
from mlgitops.registry import schema
from mlgitops.tracking import LoggedModel, RunRecord
from mlgitops.tracking.remote import Pushed
from mlgitops.tracking.series import SYSTEM

LARGEST = 64 * 1024  # bytes of an inbox branch's run.json
UNNUMBERED = "1"  # a ModelVersion is not valid without a number; this one is replaced when one is reserved
SCHEMA = 1


def from_run(record: RunRecord, logged: LoggedModel, pushed: Pushed, model: str) -> ModelVersion:
    """Return the version that a run's model would be, its number still to be reserved."""
    package = packages.inspect(record.folder / logged.path)
    signature = TensorSignature(
        tuple(Tensor(spec.name, spec.datatype, tuple(spec.shape)) for spec in package.signature.inputs),
        tuple(Tensor(spec.name, spec.datatype, tuple(spec.shape)) for spec in package.signature.outputs),
    )
    spec = ModelVersionSpec(
        model_ref=Reference(model),
        version=UNNUMBERED,
        artifact=Artifact(
            uri=pushed.models[logged.name],
            digest=package.digest,
            format=package.format,
            size_bytes=package.size,
            required_types=tuple(package.required_types),
            allow_code=package.safety == "code",  # it asks; the base branch's policy grants
        ),
        signature=signature,
        run=Run(
            id=record.id,
            uri=pushed.run_uri,
            digest=pushed.run_digest,
            started_at=record.started_at,
            finished_at=record.finished_at,
        ),
        source=_source(record),
        datasets=tuple(
            Dataset(name=found.name, digest=found.digest, context=found.context, rows=found.rows)
            for found in record.datasets
            if found.digest  # a digest that was never made names no data
        ),
        metrics=tuple(
            Metric(name=name, value=repr(summary.last))
            for name, summary in sorted(record.metrics.items())
            if math.isfinite(summary.last) and not name.startswith(SYSTEM)
        ),
        params=tuple(Param(name, str(value)) for name, value in sorted(record.params.items())),
        environment=Environment(
            python=package.python,
            packages=dict(package.packages),
            requirements_digest=package.requirements_digest,
        ),
    )
    return numbered(ModelVersion(Metadata(""), spec), UNNUMBERED)


def _source(record: RunRecord) -> Source | None:
    found = record.source
    if found is None or not found.commit:
        return None
    return Source(
        repository=found.repository or None,
        commit=found.commit,
        dirty=found.dirty,
        entry_point=found.entry_point or None,
    )


def numbered(version: ModelVersion, number: str) -> ModelVersion:
    """Return the version with its number in its name and its spec."""
    name = f"{version.spec.model_ref.name}.{number}"
    return ModelVersion(replace(version.metadata, name=name), replace(version.spec, version=number))


def to_inbox(version: ModelVersion, by: str) -> bytes:
    """Return the ``run.json`` of an inbox branch.

    Raises:
        InputError: it would be larger than an inbox takes.
    """
    data = digest.canonical_json({"schema": SCHEMA, "by": by, "version": api.dump(version)})
    if len(data) > LARGEST:
        raise InputError(
            f"the run's parameters and metrics make {len(data)} bytes, an inbox takes {LARGEST}; "
            "propose with a forge token, or log fewer parameters"
        )
    return data


def from_inbox(data: bytes) -> tuple[ModelVersion, str]:
    """Read a ``run.json`` that somebody pushed; it may hold anything.

    Raises:
        InputError: it is too large, not ours, or not a valid ModelVersion.
    """
    if len(data) > LARGEST:
        raise InputError(f"run.json has {len(data)} bytes, an inbox takes {LARGEST}")
    try:
        found = json.loads(data)
    except ValueError as error:
        raise InputError(f"run.json is not JSON: {error}") from error
    if not isinstance(found, Mapping) or found.get("schema") != SCHEMA:
        raise InputError(f"run.json is not of schema {SCHEMA}; propose again with this version of mlgitops")
    raw = found.get("version")
    if not isinstance(raw, dict):
        raise InputError("run.json holds no version; propose again with this version of mlgitops")
    problems = schema.findings(raw)
    if problems:
        raise InputError(f"run.json is not a ModelVersion: {problems[0]}")
    version = api.parse(raw)
    if not isinstance(version, ModelVersion):
        raise InputError(f"run.json holds a {type(version).__name__}, expected a ModelVersion")
    # Labels and annotations steer operators and other tools, an image is run, and the state of a
    # version is decided after it was made; who may only push a branch sets none of them.
    environment = version.spec.environment and replace(version.spec.environment, image=None)
    spec = replace(version.spec, lifecycle=Lifecycle(), environment=environment)
    return numbered(ModelVersion(Metadata(""), spec), UNNUMBERED), str(found.get("by", ""))[:200]
