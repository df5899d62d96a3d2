from __future__ import annotations

from typing import Any

import pytest

from mlgitops import api
from mlgitops.api import DeploymentStatus, Metadata, Model, ModelDeployment, ModelStage, Reference
from mlgitops.api.deployment import ModelDeploymentSpec, RevisionReference, RolloutStatus
from mlgitops.api.model import Hold, ModelStageSpec
from mlgitops.errors import InvalidError

STAGE: dict[str, Any] = {
    "apiVersion": "mlgitops.dev/v1alpha1",
    "kind": "ModelStage",
    "metadata": {"name": "iris.production"},
    "spec": {
        "modelRef": {"name": "iris"},
        "stage": "production",
        "version": "3",
        "hold": {"reason": "slow", "by": "alice", "until": "2026-12-01T00:00:00Z"},
    },
}


def test_an_object_is_read_into_its_class_by_kubernetes_spelling() -> None:
    assert api.parse(STAGE) == ModelStage(
        Metadata("iris.production"),
        ModelStageSpec(Reference("iris"), "production", "3", Hold("slow", "alice", "2026-12-01T00:00:00Z")),
    )


def test_what_was_read_is_written_back_unchanged() -> None:
    assert api.dump(api.parse(STAGE)) == STAGE


def test_what_equals_its_default_is_not_written() -> None:
    deployment = ModelDeployment(Metadata("iris"), ModelDeploymentSpec(Reference("iris"), stage="production"))
    assert api.dump(deployment)["spec"] == {"modelRef": {"name": "iris"}, "stage": "production"}
    assert "status" not in api.dump(deployment)


def test_a_status_keeps_what_is_zero_apart_from_what_is_absent() -> None:
    status = DeploymentStatus(
        observed_generation=4,
        active=RevisionReference("abc", "1", "sha256:0"),
        rollout=RolloutStatus("Shifting", "2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z", step=0, weight=10),
    )
    deployment = ModelDeployment(Metadata("iris"), ModelDeploymentSpec(Reference("iris"), version="1"), status)
    assert api.parse(api.dump(deployment)) == deployment


def test_every_missing_field_and_wrong_type_is_reported_at_once() -> None:
    broken = {**STAGE, "spec": {"modelRef": {}, "stage": 7, "hold": []}}
    with pytest.raises(InvalidError) as caught:
        api.parse(broken)
    assert [(problem.field, problem.message) for problem in caught.value.problems] == [
        ("spec.modelRef.name", "is missing"),
        ("spec.stage", "must be a string, not 7"),
        ("spec.version", "is missing"),
        ("spec.hold", "must be a mapping, not []"),
    ]


def test_a_null_is_no_value_in_a_map_either() -> None:
    model = {
        **STAGE,
        "kind": "Model",
        "spec": {"stages": [{"name": "production"}], "task": None, "tags": {"team": "a", "old": None}},
    }
    found = api.parse(model)
    assert isinstance(found, Model)
    assert (found.spec.task, found.spec.tags) == (None, {"team": "a"})


def test_true_is_no_number() -> None:
    broken = {
        **STAGE,
        "kind": "ModelDeployment",
        "spec": {"modelRef": {"name": "iris"}, "stage": "production", "replicas": True},
    }
    with pytest.raises(InvalidError, match=r"spec\.replicas must be a whole number, not True"):
        api.parse(broken)


def test_fields_of_a_newer_api_server_are_ignored() -> None:
    newer = {**STAGE, "metadata": {"name": "iris.production", "managedFields": []}, "spec": {**STAGE["spec"], "new": 1}}
    assert api.parse(newer) == api.parse(STAGE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Deployment"}, "kind must be one of Model, "),
        ({"apiVersion": "mlgitops.dev/v2"}, "apiVersion must be"),
    ],
)
def test_an_object_of_another_kind_or_version_is_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        api.parse({**STAGE, **change})
