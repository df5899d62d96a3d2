from __future__ import annotations

import pytest
import yaml

from mlgitops import api, registry
from mlgitops.api import Metadata, ModelStage, ModelVersion, Reference
from mlgitops.api.model import Artifact, Hold, ModelStageSpec, ModelVersionSpec, Param, Tensor, TensorSignature
from mlgitops.registry import documents


def test_an_object_is_written_in_one_way() -> None:
    artifact = Artifact("s3://models/iris", "sha256:" + "0" * 64, "skops")
    signature = TensorSignature((Tensor("x", "FP64", (-1, 4)),))
    version = ModelVersion(Metadata("iris.3"), ModelVersionSpec(Reference("iris"), "3", artifact, signature=signature))
    assert registry.write(version).decode() == (
        "apiVersion: mlgitops.dev/v1alpha1\n"
        "kind: ModelVersion\n"
        "metadata:\n"
        "  name: iris.3\n"
        "spec:\n"
        "  modelRef:\n"
        "    name: iris\n"
        '  version: "3"\n'
        "  artifact:\n"
        '    uri: "s3://models/iris"\n'
        f'    digest: "sha256:{"0" * 64}"\n'
        "    format: skops\n"
        "  signature:\n"
        "    inputs:\n"
        "    - name: x\n"
        "      datatype: FP64\n"
        "      shape: [-1, 4]\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "3",
        "yes",
        "n",
        "0x1F",
        "1e5",
        "2026-12-01",
        "null",
        "~",
        "a: b",
        "# no",
        "- x",
        "*a",
        "{a}",
        "a\nb\n",
        " x ",
        "é\u202e",
        "\x1b[31m",
        "<<",
        "=",
        "",
        "'",
        '"',
        "x" * 500,
    ],
)
def test_any_text_is_read_back_as_the_same_text(text: str) -> None:
    stage = ModelStage(Metadata("iris.s"), ModelStageSpec(Reference("iris"), "s", "1", Hold(text)))
    data = registry.write(stage)
    assert api.parse(documents.read("a.yaml", data).raw) == stage
    assert yaml.safe_load(data)["spec"]["hold"]["reason"] == text


def test_a_status_is_never_written_into_git() -> None:
    stage = api.parse(
        {
            "apiVersion": api.API_VERSION,
            "kind": "ModelStage",
            "metadata": {"name": "iris.s"},
            "spec": {"modelRef": {"name": "iris"}, "stage": "s", "version": "1"},
            "status": {"observedGeneration": 3},
        }
    )
    assert b"status" not in registry.write(stage)


def test_parameters_keep_their_text() -> None:
    artifact = Artifact("s3://m/i", "sha256:" + "0" * 64, "onnx")
    spec = ModelVersionSpec(Reference("iris"), "1", artifact, params=(Param("C", "1.0"), Param("on", "off")))
    read = api.parse(documents.read("a.yaml", registry.write(ModelVersion(Metadata("iris.1"), spec))).raw)
    assert isinstance(read, ModelVersion)
    assert read.spec.params == spec.params
