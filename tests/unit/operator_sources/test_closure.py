from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlgitops.kube import Raw
from mlgitops.plan.closure import Name, closure, name_of


def obj(kind: str, name: str, **spec: Any) -> Raw:
    return {"kind": kind, "metadata": {"name": name}, "spec": spec}


def registry(*objects: Raw) -> dict[Name, Raw]:
    return {name_of(raw): raw for raw in objects}


IRIS = {"modelRef": {"name": "iris"}}
OBJECTS = registry(
    obj("Model", "iris"),
    obj("Model", "unused"),
    *(obj("ModelVersion", f"iris.{number}", **IRIS, version=str(number)) for number in range(1, 6)),
    obj("ModelVersion", "unused.1", modelRef={"name": "unused"}, version="1"),
    obj("ModelStage", "iris.production", **IRIS, stage="production", version="3"),
    obj("ServingRuntime", "python-1"),
    obj("ServingRuntime", "python-2"),
    obj("PromotionPolicy", "default"),
)


def names(found: dict[Name, Raw], kind: str) -> set[str]:
    return {name for each, name in found if each == kind}


def test_stages_bring_their_model_and_version() -> None:
    found = closure(OBJECTS, [])
    assert names(found, "ModelVersion") == {"iris.3"}
    assert names(found, "Model") == {"iris"}


def test_runtimes_and_policies_are_always_there() -> None:
    found = closure(OBJECTS, [])
    assert names(found, "ServingRuntime") == {"python-1", "python-2"}
    assert names(found, "PromotionPolicy") == {"default"}


def test_a_deployment_that_names_a_version_brings_it() -> None:
    objects = OBJECTS | registry(obj("ModelDeployment", "iris-old", **IRIS, version="1"))
    assert names(closure(objects, []), "ModelVersion") == {"iris.1", "iris.3"}


def test_an_override_brings_the_version_of_its_deployments_model() -> None:
    objects = OBJECTS | registry(
        obj("ModelDeployment", "iris-production", **IRIS, stage="production"),
        obj("ModelOverride", "iris-production", version="2", reason="fire"),
    )
    assert names(closure(objects, []), "ModelVersion") == {"iris.2", "iris.3"}


def test_an_override_that_was_applied_by_hand_brings_its_version_too() -> None:
    objects = OBJECTS | registry(obj("ModelDeployment", "iris-production", **IRIS, stage="production"))
    override = obj("ModelOverride", "iris-production", version="2", reason="fire")
    assert names(closure(objects, [], [override]), "ModelVersion") == {"iris.2", "iris.3"}


def test_what_serves_or_served_stays_whatever_git_names() -> None:
    live = obj("ModelDeployment", "iris-production", **IRIS, stage="production")
    live["status"] = {"active": {"version": "1"}, "target": {"version": "3"}, "history": [{"version": "4"}]}
    assert names(closure(OBJECTS, [live]), "ModelVersion") == {"iris.1", "iris.3", "iris.4"}


def test_a_name_that_leads_nowhere_is_left_to_the_deployments_own_status() -> None:
    objects = registry(obj("ModelStage", "gone.production", modelRef={"name": "gone"}, stage="production", version="9"))
    assert set(closure(objects, [])) == set(objects)


@given(st.sets(st.sampled_from(sorted(OBJECTS))))
def test_every_part_of_a_registry_has_a_closure_inside_it(part: set[Name]) -> None:
    objects = {name: OBJECTS[name] for name in part}
    found = closure(objects, [])
    assert found.items() <= objects.items()
    assert closure(found, []) == found, "a closure is closed"
