from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlgitops import plan
from mlgitops.api.deployment import ArtifactAccess
from mlgitops.api.meta import Reference
from mlgitops.api.pods import Resources
from mlgitops.plan import labels
from worlds.rollout import World, deployment, runtime, version

GOLDEN = Path(__file__).with_name("pod.golden.json")


@pytest.fixture
def world() -> World:
    world = World()
    world.run()
    return world


def pod_spec(world: World) -> dict[str, Any]:
    spec: dict[str, Any] = world.objects["Deployment", f"iris-production-{world.target()}"]["spec"]["template"]["spec"]
    return spec


def test_a_pod_is_what_the_golden_file_says(world: World) -> None:
    """Changing the pod rolls out every deployment at the next upgrade. UPDATE_GOLDEN=1 writes the file anew."""
    revision = plan.render(world.inputs())
    rendered = {"revision": revision.name, "template": revision.template}
    if "UPDATE_GOLDEN" in os.environ:
        GOLDEN.write_text(json.dumps(rendered, indent=2, sort_keys=True) + "\n")
    assert rendered == json.loads(GOLDEN.read_text())


def test_every_container_keeps_to_the_restricted_pod_security_standard(world: World) -> None:
    spec = pod_spec(world)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in (*spec["initContainers"], *spec["containers"]):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_children_are_owned_by_their_deployment_and_carry_its_label(world: World) -> None:
    for raw in world.objects.values():
        assert [owner["uid"] for owner in raw["metadata"]["ownerReferences"]] == ["0f2b"]
        assert raw["metadata"]["labels"][labels.DEPLOYMENT] == "iris-production"
        assert raw["metadata"]["namespace"] == "shop"


def test_moving_an_artifact_makes_no_new_revision_but_reaches_the_pods_settings(world: World) -> None:
    before = world.target()
    world.git.versions["1"] = version(1, uri="s3://models/elsewhere/1", mirrors=("s3://models/iris/1",))
    world.run()
    assert world.target() == before
    settings = next(raw for (kind, _), raw in world.objects.items() if kind == "ConfigMap")
    assert json.loads(settings["data"]["artifact"])["uri"] == "s3://models/elsewhere/1"


def test_a_type_is_trusted_only_when_version_and_policy_both_name_it(world: World) -> None:
    world.git.versions["1"] = version(1, required_types=("a.Safe", "b.Odd"))
    policy = world.git.policies["default"]
    formats = replace(policy.spec.formats, trusted_types=("a.Safe", "c.Unasked"))
    world.git.policies["default"] = replace(policy, spec=replace(policy.spec, formats=formats))
    settings = plan.render(world.inputs()).settings
    assert json.loads(settings["trusted-types"]) == ["a.Safe"]
    assert settings["allow-code"] == "false"


@pytest.mark.parametrize(
    ("asks", "granted", "allowed"), [(True, True, "true"), (True, False, "false"), (False, True, "false")]
)
def test_code_is_loaded_only_when_version_and_policy_both_say_so(
    world: World, asks: bool, granted: bool, allowed: str
) -> None:
    world.git.versions["1"] = version(1, allow_code=asks)
    policy = world.git.policies["default"]
    formats = replace(policy.spec.formats, allow_code=("skops",) if granted else ())
    world.git.policies["default"] = replace(policy, spec=replace(policy.spec, formats=formats))
    assert plan.render(world.inputs()).settings["allow-code"] == allowed


@pytest.mark.parametrize(
    "spec",
    [
        {"resources": Resources(limits={"memory": "1Gi"})},
        {"artifact_access": ArtifactAccess(Reference("store"))},
        {"runtime_ref": Reference("python-2")},
    ],
)
def test_whatever_changes_the_pod_is_a_new_revision(world: World, spec: dict[str, Any]) -> None:
    world.git.servers.append(runtime("python-2", image="mlgitops.dev/python:2"))
    before = plan.render(world.inputs()).name
    world.deployment = replace(world.deployment, spec=replace(world.deployment.spec, **spec))
    assert plan.render(world.inputs()).name != before


@pytest.mark.parametrize("spec", [{"replicas": 7}, {"route": None}])
def test_size_and_route_are_no_part_of_a_revision(world: World, spec: dict[str, Any]) -> None:
    before = plan.render(world.inputs()).name
    world.deployment = replace(world.deployment, spec=replace(world.deployment.spec, **spec))
    assert plan.render(world.inputs()).name == before


def test_an_old_revision_is_never_rendered_from_a_changed_spec(world: World) -> None:
    old = world.target()
    before = world.objects["Deployment", f"iris-production-{old}"]["spec"]["template"]
    world.promote(2)
    changed = replace(world.deployment.spec, resources=Resources(limits={"memory": "1Gi"}))
    world.deployment = replace(world.deployment, spec=changed)
    world.run()
    assert world.target() != old
    assert world.objects["Deployment", f"iris-production-{old}"]["spec"]["template"] == before


def test_only_the_fetcher_gets_the_stores_secret(world: World) -> None:
    access = ArtifactAccess(Reference("store"))
    world.deployment = replace(world.deployment, spec=replace(world.deployment.spec, artifact_access=access))
    spec = plan.render(world.inputs()).template["spec"]
    assert spec["initContainers"][0]["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert "envFrom" not in spec["containers"][0]


def test_the_route_strips_its_prefix_and_leads_to_each_version_by_number(world: World) -> None:
    world.promote(2)
    world.run()
    rules = world.objects["HTTPRoute", "iris-production"]["spec"]["rules"]
    paths = [rule["matches"][0]["path"] for rule in rules]
    assert [path["value"] for path in paths] == ["/iris/versions/1", "/iris/versions/2", "/iris"]
    for rule in rules:
        assert rule["filters"][0]["urlRewrite"]["path"]["replacePrefixMatch"] == "/"
    assert [len(rule["backendRefs"]) for rule in rules] == [1, 1, 2]


def test_weights_and_the_notes_to_rebuild_a_status_from_are_written_together(world: World) -> None:
    active = world.target()
    world.promote(2)
    world.run(130)
    route = world.objects["HTTPRoute", "iris-production"]
    assert {key: value for key, value in route["metadata"]["annotations"].items() if labels.GROUP in key} == {
        labels.ACTIVE: active,
        labels.TARGET: world.target(),
        labels.STEP: "1",
        labels.STARTED_AT: "2026-11-24T12:00:00Z",
    }


def test_removing_the_route_from_the_spec_removes_the_route(world: World) -> None:
    world.deployment = replace(world.deployment, spec=replace(world.deployment.spec, route=None))
    world.run()
    assert ("HTTPRoute", "iris-production") not in world.objects


def test_a_lost_controller_revision_costs_the_serving_version_no_pod(world: World) -> None:
    old = world.target()
    world.promote(2)
    world.run()
    del world.objects["ControllerRevision", f"iris-production-{old}"]
    world.run(60)
    assert ("Deployment", f"iris-production-{old}") in world.objects
    assert world.serves()["1"] == 90


def test_two_revisions_of_one_version_share_their_settings(world: World) -> None:
    changed = replace(world.deployment.spec, resources=Resources(limits={"memory": "1Gi"}))
    world.deployment = replace(world.deployment, spec=changed)
    world.run()
    kinds = [kind for kind, _ in world.objects]
    assert (kinds.count("Deployment"), kinds.count("ConfigMap")) == (2, 1)


def test_revisions_that_no_longer_matter_are_forgotten(world: World) -> None:
    for number in (2, 3, 4, 1, 2, 3, 4, 1):
        world.promote(number)
        world.run(400, every=20)
    kept = [name for kind, name in world.objects if kind == "ControllerRevision"]
    assert len(kept) <= 5


def test_names_of_children_fit_where_kubernetes_allows_63_characters() -> None:
    world = World(replace(deployment(), metadata=replace(deployment().metadata, name="a" * 40)))
    wanted = plan.children(world.inputs(), world.decide(), {})
    assert max(len(raw["metadata"]["name"]) for raw in wanted) <= 63


@pytest.mark.parametrize(
    ("break_it", "reason", "named"),
    [
        (lambda git: git.stages.clear(), "MissingStage", "ModelStage iris.production"),
        (lambda git: git.versions.clear(), "MissingVersion", "ModelVersion iris.1"),
        (lambda git: git.policies.clear(), "MissingPolicy", "PromotionPolicy default"),
        (lambda git: git.servers.clear(), "NoRuntimeFits", ""),
        (
            lambda git: git.versions.update({"1": version(1, uri="s3://elsewhere/iris/1")}),
            "ArtifactNotAllowed",
            "s3://elsewhere/iris/1",
        ),
        (lambda git: git.versions.update({"1": version(1, format="onnx")}), "NoRuntimeFits", "onnx"),
    ],
)
def test_what_is_missing_or_not_allowed_is_named_and_nothing_starts(break_it: Any, reason: str, named: str) -> None:
    world = World()
    break_it(world.git)
    world.run(10)
    assert world.condition("Stalled") == f"True/{reason}"
    assert named in world.message("Stalled")
    assert world.objects == {}
