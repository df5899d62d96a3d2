"""``mlgitops evaluate``: challenger and champion on the same rows, signed into the ledger."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlgitops import artifacts, config, digest
from mlgitops.api import ModelVersion
from mlgitops.bot import find, sandbox
from mlgitops.bot.context import Context, key_file, signing_key
from mlgitops.bot.losses import Metric, metrics
from mlgitops.errors import CheckFailedError, InputError, require
from mlgitops.evidence import Key, Statement, sign
from mlgitops.promotion import EVALUATED

SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation that stands in the ledger.

    ``metrics`` are by role (``challenger``, ``champion``) and metric name; ``statement`` is the
    statement's name in the ledger; ``losses`` the URI of the per-row losses (Parquet).
    """

    model: str
    version: str
    stage: str
    champion: str | None
    dataset: str
    rows: int
    metrics: Mapping[str, Mapping[str, Metric]]
    statement: str
    losses: str


def evaluate(
    context: Context, model: str, version: str, *, stage: str, dataset: str, target: str = "target"
) -> Evaluated:
    """Score a merged version, and the stage's champion, on one data set; sign and keep the result.

    Args:
        context: the registry.
        model: the model's name.
        version: the challenger's version.
        stage: the stage whose version is the champion.
        dataset: ``NAME=FILE``, or a file or URI whose stem is the name; CSV with a line of column names, or Parquet.
        target: the column that holds the truth; all others are features.

    Raises:
        NotFoundError: model, version, stage, data set or artifact do not exist.
        IntegrityError: an artifact is not what its digest promises.
        CheckFailedError: a model could not be loaded or did not predict.
    """
    key = signing_key(context.config)
    challenger = find.version(context.tree, model, version)
    champion = find.champion(context.tree, model, stage)
    if champion and champion.spec.version == version:
        champion = None  # nothing is its own rival
    with tempfile.TemporaryDirectory(prefix="mlgitops-evaluate-") as scratch:
        rows_file, name = _dataset(dataset, Path(scratch))
        roles = {"challenger": challenger} | ({"champion": champion} if champion else {})
        candidates = {role: _candidate(context, found, Path(scratch) / role) for role, found in roles.items()}
        dataset_digest = digest.of_file(rows_file)
        scores = sandbox.score(candidates, rows_file, target, hidden=(key_file(context.config), config.config_dir()))
        measured = {role: metrics(columns) for role, columns in scores.columns.items()}
        losses, losses_digest = _keep_losses(context, challenger, scores)
        if digest.of_file(rows_file) != dataset_digest:
            raise CheckFailedError(f"data set {name} changed while it was evaluated on; evaluate again")
    rows = _Rows(name, dataset_digest, target, scores, losses, losses_digest)
    statement = _statement(stage, challenger, champion, rows, measured, key)
    context.ledger.append(model, version, sign(statement, key), statement.name)
    rival = champion.spec.version if champion else None
    return Evaluated(model, version, stage, rival, name, scores.rows, measured, statement.name, losses)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The data set of an evaluation, and what was found on its rows."""

    name: str
    digest: str
    target: str
    scores: sandbox.Scores
    losses: str
    losses_digest: str


def _statement(
    stage: str,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    rows: _Rows,
    measured: Mapping[str, Mapping[str, Metric]],
    key: Key,
) -> Statement:
    def said(role: str, version: ModelVersion) -> dict[str, Any]:
        return {"digest": version.spec.artifact.digest, "metrics": _written(measured[role])}

    scores = rows.scores
    predicate = {
        "model": challenger.spec.model_ref.name,
        "version": challenger.spec.version,
        "stage": stage,
        "challenger": said("challenger", challenger),
        "champion": said("champion", champion) if champion else None,
        "dataset": {"name": rows.name, "digest": rows.digest, "rows": scores.rows},
        "losses": {"uri": rows.losses, "digest": rows.losses_digest},
        "sandbox": {"networkCut": scores.network_cut, "secretsHidden": scores.secrets_hidden},
    }
    identity = (
        champion.spec.artifact.digest if champion else "none",
        rows.digest,
        ",".join(sorted(measured["challenger"])),
        # What a mistake is corrected by, or a new key signs again, is another fact.
        rows.name,
        rows.target,
        key.public,
    )
    return Statement(EVALUATED, challenger.spec.artifact.digest, predicate, identity)


def _dataset(given: str, scratch: Path) -> tuple[Path, str]:
    name, separator, place = given.partition("=")
    if not separator or "/" in name:  # partitions of a table are folders such as dt=2026
        place, name = given, Path(given).stem
    suffix = Path(place).suffix
    if suffix not in SUFFIXES:
        raise InputError(f"data set {place}: expected a file that ends in {' or '.join(SUFFIXES)}")
    if "://" not in place:
        path = Path(place)
        if not path.is_file():
            raise InputError(f"data set {place} is not a file; give a path, or a URI such as s3://bucket/holdout.csv")
        return path.resolve(), name
    root, _, key = place.rpartition("/")
    path = scratch / f"dataset{suffix}"
    artifacts.open_store(root).download(key, path)
    return path, name


def _candidate(context: Context, version: ModelVersion, folder: Path) -> sandbox.Candidate:
    artifact = version.spec.artifact
    policy = context.tree.policy(version.spec.model_ref.name)
    prefixes = policy.spec.artifacts.prefixes if policy else ()
    if not artifacts.within(artifact.uri, prefixes):
        raise InputError(
            f"{version.metadata.name}: {artifact.uri} lies outside the policy's artifact prefixes "
            f"({', '.join(prefixes) or 'none'}); nothing else is fetched"
        )
    mirrors = [uri for uri in artifact.mirrors if artifacts.within(uri, prefixes)]
    artifacts.fetch(artifact.uri, artifact.digest, folder, mirrors=mirrors)
    formats = policy.spec.formats if policy else None
    return sandbox.Candidate(
        folder=folder,
        digest=artifact.digest,
        trusted_types=tuple(formats.trusted_types) if formats else (),
        allow_code=bool(formats and artifact.allow_code and artifact.format in formats.allow_code),
        format=artifact.format,
    )


def _keep_losses(context: Context, challenger: ModelVersion, scores: sandbox.Scores) -> tuple[str, str]:
    pyarrow = require("pyarrow", "evaluate")
    parquet = require("pyarrow.parquet", "evaluate")
    columns = {f"{role}.{name}": values for role, found in scores.columns.items() for name, values in found.items()}
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), sink, compression="zstd")
    found = digest.of_bytes(sink.getvalue())
    store = artifacts.open_store(context.store)
    key = f"evaluations/{challenger.spec.model_ref.name}/sha256-{digest.hex_of(found)}.parquet"
    store.put(key, sink.getvalue())
    return f"{context.store.rstrip('/')}/{key}", found


def _written(found: Mapping[str, Metric]) -> dict[str, Any]:
    return {
        name: {"value": repr(metric.value), "stdErr": repr(metric.standard_error), "samples": metric.samples}
        for name, metric in found.items()
    }
