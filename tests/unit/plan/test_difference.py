from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlgitops import plan, registry
from mlgitops.plan.children import children
from worlds.rollout import World

EXAMPLE = Path(__file__).parents[3] / "examples" / "repo-layout"
STAGE = "registry/models/iris/stages/production.yaml"
DEPLOYMENT = "registry/deployments/prod-eu/iris-production.yaml"


@pytest.fixture
def files() -> dict[str, bytes]:
    found = (EXAMPLE / "registry").rglob("*.yaml")
    return {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in found}


def merged(files: dict[str, bytes], path: str, old: str, new: str) -> plan.Plan:
    assert old in files[path].decode()
    changed = {**files, path: files[path].decode().replace(old, new).encode()}
    return plan.diff(registry.load_files(files), registry.load_files(changed))


def test_a_promotion_shows_versions_how_traffic_moves_and_each_child(files: dict[str, bytes]) -> None:
    found = merged(files, STAGE, 'version: "1"', 'version: "3"')
    (change,) = found.deployments
    assert (change.environment, change.name, change.before, change.after) == ("prod-eu", "iris-production", "1", "3")
    assert change.how.startswith("a canary: 10 % for ")
    assert {item.kind for item in change.objects if item.action == "replace"} == {
        "ConfigMap",
        "ControllerRevision",
        "Deployment",
        "PodDisruptionBudget",
        "Service",
    }
    pods = next(item for item in change.objects if item.kind == "Deployment")
    paths = {field.path: (field.before, field.after) for field in pods.fields}
    assert paths["spec.template.spec.containers[server].env[MLGITOPS_VERSION].value"] == ("1", "3")


def test_a_change_of_a_description_touches_no_pod(files: dict[str, bytes]) -> None:
    path = "registry/models/iris/model.yaml"
    changed = {**files, path: files[path] + b"  description: Another one\n"}
    text = files[path].decode()
    if "description:" in text:
        changed[path] = text.replace("description:", "description: Another one, once ", 1).encode()
    found = plan.diff(registry.load_files(files), registry.load_files(changed))
    assert found.deployments == ()
    assert [item.kind for item in found.objects] == ["Model"]


def test_nothing_changed_is_an_empty_plan(files: dict[str, bytes]) -> None:
    tree = registry.load_files(files)
    found = plan.diff(tree, tree)
    assert found.empty
    assert found.text() == found.markdown() == "Nothing changes in the cluster."
    assert json.dumps(found.to_json())


def test_a_new_deployment_is_a_first_rollout_and_a_removed_one_goes_with_its_children(files: dict[str, bytes]) -> None:
    without = {path: data for path, data in files.items() if path != DEPLOYMENT}
    with_it, without_it = registry.load_files(files), registry.load_files(without)
    (made,) = plan.diff(without_it, with_it).deployments
    assert made.how == "a first roll-out, without a canary"
    assert {item.action for item in made.objects} == {"create"}
    (gone,) = plan.diff(with_it, without_it).deployments
    assert {item.action for item in gone.objects} == {"delete"}
    assert gone.after is None


def test_more_replicas_restart_no_pod(files: dict[str, bytes]) -> None:
    found = merged(files, DEPLOYMENT, "replicas: 2", "replicas: 5")
    (change,) = found.deployments
    assert change.how == "no pod is restarted"
    assert [(item.kind, item.action) for item in change.objects] == [("Deployment", "update")]


def test_a_version_that_does_not_exist_is_shown_as_what_would_stall(files: dict[str, bytes]) -> None:
    found = merged(files, STAGE, 'version: "1"', 'version: "99"')
    (change,) = found.deployments
    assert change.blocked and change.blocked.reason == "MissingVersion"
    assert "MissingVersion" in found.text()
    assert "MissingVersion" in found.markdown()


def test_a_suspended_deployment_stays_and_says_what_waits(files: dict[str, bytes]) -> None:
    suspended = files[DEPLOYMENT] + b"  suspend:\n    reason: stocktaking\n"
    found = merged({**files, DEPLOYMENT: suspended}, STAGE, 'version: "1"', 'version: "3"')
    (change,) = found.deployments
    assert change.objects == ()
    assert change.blocked == plan.Blocked("Suspended", "nothing changes before that is lifted (stocktaking)")
    assert "version 1 stays" in found.text()


def test_a_rejected_version_is_not_started(files: dict[str, bytes]) -> None:
    found = merged(files, STAGE, 'version: "1"', 'version: "2"')
    (change,) = found.deployments
    assert (change.objects, change.blocked and change.blocked.reason) == ((), "Rejected")


def test_foreign_text_is_inert_in_terminal_and_markdown(files: dict[str, bytes]) -> None:
    path = "registry/models/iris/model.yaml"
    hostile = '"\\e[2J```\\n</details><script>alert(1)</script>\\u202e"'
    text = files[path].decode()
    changed = "\n".join(line for line in text.splitlines() if not line.startswith(("  description:", "  displayName:")))
    data = {**files, path: f"{changed}\n  displayName: {hostile}\n".encode()}
    found = plan.diff(registry.load_files(files), registry.load_files(data))
    assert "\x1b" not in found.text() + found.markdown()
    assert "\u202e" not in found.text() + found.markdown()
    fences = [line for line in found.markdown().splitlines() if line.startswith("`")]
    assert len(fences) == 2, "the block is opened and closed once"
    assert fences[1] == fences[0].removesuffix("diff")
    assert len(fences[1]) > 3, "longer than the backticks inside"


def test_the_plan_of_a_merge_is_what_the_operator_ends_with(files: dict[str, bytes]) -> None:
    """Plan equals apply: after the roll-out the cluster holds the objects that the plan compared."""
    world = World()
    world.run()
    world.promote(3)
    world.run(3600, every=60)
    settled = replace(world.status, history=(), retiring=())
    planned = children(world.inputs(), settled, {})

    def owned(raw: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in raw.items() if key not in ("status", "metadata")}
        return {**kept, "name": raw["metadata"]["name"], "labels": raw["metadata"]["labels"]}

    there = [owned(raw) for (kind, _), raw in world.objects.items() if kind != "ControllerRevision"]
    wanted = [owned(raw) for raw in planned if raw["kind"] != "ControllerRevision"]
    assert sorted(map(json.dumps, there)) == sorted(map(json.dumps, wanted))
