"""A small sound registry as files, for tests that change one thing in it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

Files = dict[str, bytes]
DIGEST = "sha256:" + "0" * 64


def _text(text: str) -> bytes:
    return textwrap.dedent(text).lstrip().encode()


def _version(number: int) -> bytes:
    return _text(f"""
        apiVersion: mlgitops.dev/v1alpha1
        kind: ModelVersion
        metadata:
          name: iris.{number}
        spec:
          modelRef: {{name: iris}}
          version: "{number}"
          artifact:
            uri: s3://models/iris/{number}
            digest: {DIGEST[:-1]}{number}
            format: onnx
        """)


def _stage(name: str) -> bytes:
    return _text(f"""
        apiVersion: mlgitops.dev/v1alpha1
        kind: ModelStage
        metadata:
          name: iris.{name}
        spec:
          modelRef: {{name: iris}}
          stage: {name}
          version: "1"
        """)


@pytest.fixture
def files() -> Files:
    """Model iris with two versions, two stages, a policy, a runtime and a deployment."""
    return {
        "registry/models/iris/model.yaml": _text("""
            apiVersion: mlgitops.dev/v1alpha1
            kind: Model
            metadata:
              name: iris
            spec:
              owners: [team-flowers]
              stages:
              - name: staging
              - name: production
                after: [staging]
            """),
        "registry/models/iris/versions/1.yaml": _version(1),
        "registry/models/iris/versions/2.yaml": _version(2),
        "registry/models/iris/stages/staging.yaml": _stage("staging"),
        "registry/models/iris/stages/production.yaml": _stage("production"),
        "registry/policies/default.yaml": _text("""
            apiVersion: mlgitops.dev/v1alpha1
            kind: PromotionPolicy
            metadata:
              name: default
            spec:
              artifacts:
                prefixes: ["s3://models/"]
            """),
        "registry/runtimes/python-1.yaml": _text("""
            apiVersion: mlgitops.dev/v1alpha1
            kind: ServingRuntime
            metadata:
              name: python-1
            spec:
              supportedFormats:
              - name: onnx
              containers:
              - {name: server, image: mlgitops.dev/python:1}
              fetcher: {image: mlgitops.dev/python:1}
            """),
        "registry/deployments/prod/iris.yaml": _text("""
            apiVersion: mlgitops.dev/v1alpha1
            kind: ModelDeployment
            metadata:
              name: iris
            spec:
              modelRef: {name: iris}
              stage: production
            """),
    }


@pytest.fixture
def change(files: Files) -> Callable[[str, str, str], None]:
    """Return a function that replaces a text in the one file whose path ends so; the text must be there once."""

    def replace(end: str, old: str, new: str) -> None:
        (path,) = (path for path in files if path.endswith(end))
        assert files[path].count(old.encode()) == 1
        files[path] = files[path].replace(old.encode(), new.encode())

    return replace
