"""Registries to measure on, and what a fresh process is asked of them.

    registry.py make FOLDER VERSIONS        a git repository with that many ModelVersions, 100 a model; no work tree
    registry.py make-gto FOLDER VERSIONS    the same for GTO: a commit and a tag for each version
    registry.py live FOLDER MODEL STAGE     print the version that a stage names at HEAD
    registry.py p95 FOLDER VERSIONS COUNT   ask that many times; print the 95th percentile in milliseconds

Each version is a document of the size and shape that ``mlgitops propose`` writes. The folder's
repository is opened anew for every question.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

VERSIONS_A_MODEL = 100
_IDENTITY = "bench <bench@localhost> 1700000000 +0000"

_POLICY = """\
apiVersion: mlgitops.dev/v1alpha1
kind: PromotionPolicy
metadata:
  name: default
spec:
  artifacts:
    prefixes: ["s3://models/"]
"""
_RUNTIME = """\
apiVersion: mlgitops.dev/v1alpha1
kind: ServingRuntime
metadata:
  name: python-1
spec:
  supportedFormats:
  - name: skops
    packages:
      scikit-learn: ">=1.7,<2"
  containers:
  - name: server
    image: mlgitops.dev/python:1
  fetcher:
    image: mlgitops.dev/python:1
"""
_MODEL = """\
apiVersion: mlgitops.dev/v1alpha1
kind: Model
metadata:
  name: {model}
spec:
  owners: [team-bench]
  stages:
  - name: staging
  - name: production
    after: [staging]
"""
_STAGE = """\
apiVersion: mlgitops.dev/v1alpha1
kind: ModelStage
metadata:
  name: {model}.{stage}
spec:
  modelRef:
    name: {model}
  stage: {stage}
  version: "{version}"
"""
_DEPLOYMENT = """\
apiVersion: mlgitops.dev/v1alpha1
kind: ModelDeployment
metadata:
  name: {model}
spec:
  modelRef:
    name: {model}
  stage: production
"""
_VERSION = """\
apiVersion: mlgitops.dev/v1alpha1
kind: ModelVersion
metadata:
  name: {model}.{version}
spec:
  modelRef:
    name: {model}
  version: "{version}"
  artifact:
    uri: "s3://models/{model}/sha256-{digest}"
    digest: "sha256:{digest}"
    format: skops
    sizeBytes: 2313
  description: "Regularised as the grid search says."
  signature:
    inputs:
    - name: sepal_length
      datatype: FP64
      shape: [-1]
    - name: sepal_width
      datatype: FP64
      shape: [-1]
    - name: petal_length
      datatype: FP64
      shape: [-1]
    - name: petal_width
      datatype: FP64
      shape: [-1]
    outputs:
    - name: predict
      datatype: INT64
      shape: [-1]
    - name: predict_proba
      datatype: FP64
      shape: [-1, 3]
  run:
    id: "01KA{version:022d}"
    startedAt: "2026-11-23T09:00:00Z"
    finishedAt: "2026-11-23T09:00:42Z"
  source:
    repository: "https://git.example.com/flowers/{model}.git"
    commit: "77de68daecd823babbb58edb1c8e14d7106e83bb"
    entryPoint: train.py
  datasets:
  - name: flowers
    digest: "sha256:116f54c41d0405dbb10e7b04ebc31e262a5b8c85c1233fcf36eaee344d91ae58"
    context: training
    rows: 100
  metrics:
  - name: accuracy
    value: "0.9733333333333334"
    dataset: validation
    samples: 75
  params:
  - name: C
    value: "1.0"
  environment:
    python: "3.11"
    packages:
      scikit-learn: "1.9.1"
      skops: "0.16.0"
"""


def names(versions: int) -> list[str]:
    """Return the models of a registry with that many versions."""
    return [f"model-{number}" for number in range(max(1, versions // VERSIONS_A_MODEL))]


def files(versions: int) -> Iterator[tuple[str, str]]:
    """Yield every file of a registry as path and text."""
    yield "registry/policies/default.yaml", _POLICY
    yield "registry/runtimes/python-1.yaml", _RUNTIME
    models = names(versions)
    for model in models:
        folder = f"registry/models/{model}"
        yield f"{folder}/model.yaml", _MODEL.format(model=model)
        yield f"registry/deployments/prod/{model}.yaml", _DEPLOYMENT.format(model=model)
        for stage in ("staging", "production"):
            yield f"{folder}/stages/{stage}.yaml", _STAGE.format(model=model, stage=stage, version=1)
        for version in range(1, versions // len(models) + 1):
            digest = hashlib.sha256(f"{model}:{version}".encode()).hexdigest()
            yield f"{folder}/versions/{version}.yaml", _VERSION.format(model=model, version=version, digest=digest)


def make(folder: Path, versions: int) -> None:
    """Make the repository by one stream into git."""
    stream = [f"commit refs/heads/main\ncommitter {_IDENTITY}\ndata 1\nx\n"]
    for path, text in files(versions):
        stream.append(f"M 644 inline {path}\ndata {len(text.encode())}\n{text}\n")
    _import(folder, stream)


def make_gto(folder: Path, versions: int) -> None:
    """Make what ``gto register`` and ``gto assign`` leave: tags, each version's at a commit of its own."""
    stream, models = [], names(versions)
    for model in models:
        for version in range(1, versions // len(models) + 1):
            stream.append(f"commit refs/heads/main\ncommitter {_IDENTITY}\ndata 1\nx\n")
            stream.append(_tag(f"{model}@v{version}.0.0"))
        stream.append(_tag(f"{model}#production#1"))
    _import(folder, stream)


def _tag(name: str) -> str:
    return f"tag {name}\nfrom refs/heads/main\ntagger {_IDENTITY}\ndata 1\nx\n"


def _import(folder: Path, stream: list[str]) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(folder)], check=True)
    importing = ["git", "-C", str(folder), "fast-import", "--quiet"]
    subprocess.run(importing, input="".join(stream).encode(), check=True)


def live(folder: Path, model: str, stage: str) -> str:
    """Return the version that a stage names at HEAD, as a program that starts for this one question."""
    from mlgitops import registry
    from mlgitops.git import Repository

    repository = Repository.open(folder)
    try:
        return registry.stage(repository, "HEAD", model, stage).spec.version
    finally:
        repository.close()


def p95(folder: Path, versions: int, count: int) -> float:
    """Return the 95th percentile of asking for a random model, in milliseconds."""
    models, took = names(versions), []
    for _ in range(count):
        began = time.perf_counter()
        live(folder, random.choice(models), "production")
        took.append((time.perf_counter() - began) * 1000)
    return statistics.quantiles(took, n=20)[-1]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", folder, versions]:
            make(Path(folder), int(versions))
        case ["live", folder, model, stage]:
            print(live(Path(folder), model, stage))
        case ["make-gto", folder, versions]:
            make_gto(Path(folder), int(versions))
        case ["p95", folder, versions, count]:
            print(p95(Path(folder), int(versions), int(count)))
        case _:
            sys.exit(__doc__)
