"""spec.pods in the rendered template: what is said is there, and what nobody said changes nothing."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from mlgitops import api, plan
from mlgitops.api.pods import LabelSelector, PodSettings, ServerVariable, TopologySpread
from worlds.rollout import World

GOLDEN = Path(__file__).with_name("shaped_pod.golden.json")
CORPUS = Path(__file__).parents[2] / "corpus" / "model-deployment-pods.yaml"


def with_pods(world: World, settings: PodSettings | None) -> World:
    spec = replace(world.deployment.spec, pods=settings)
    world.deployment = replace(world.deployment, spec=spec)
    return world


def template(settings: PodSettings | None) -> dict[str, Any]:
    return dict(plan.render(with_pods(World(), settings).inputs()).template)


def everything() -> PodSettings:
    found = api.parse(yaml.safe_load(CORPUS.read_text())["object"])
    assert isinstance(found, api.ModelDeployment)
    assert found.spec.pods is not None
    return found.spec.pods


def test_a_pod_with_every_setting_is_what_the_golden_file_says() -> None:
    """Changing it rolls out every deployment that says something about its pods. UPDATE_GOLDEN=1 writes it anew."""
    rendered = template(everything())
    if "UPDATE_GOLDEN" in os.environ:
        GOLDEN.write_text(json.dumps(rendered, indent=2, sort_keys=True) + "\n")
    assert rendered == json.loads(GOLDEN.read_text())


def test_settings_that_say_nothing_leave_the_revision_as_it_was() -> None:
    assert template(PodSettings()) == template(None)


def test_each_setting_is_a_new_revision() -> None:
    before = plan.render(with_pods(World(), None).inputs()).name
    settings = everything()
    for field in PodSettings.__dataclass_fields__:
        if field != "volume_mounts":
            only = PodSettings(**{field: getattr(settings, field)})
            assert plan.render(with_pods(World(), only).inputs()).name != before, field


def test_labels_of_people_cannot_take_the_place_of_ours() -> None:
    world = with_pods(World(), PodSettings(labels={"mlgitops.dev/deployment": "other", "team": "flowers"}))
    world.run()
    labels = world.objects["Deployment", f"iris-production-{world.target()}"]["spec"]["template"]["metadata"]["labels"]
    assert labels["mlgitops.dev/deployment"] == "iris-production"
    assert labels["mlgitops.dev/revision"] == world.target()
    assert labels["team"] == "flowers"


def test_a_variable_of_the_deployment_takes_the_place_of_the_runtimes() -> None:
    spec = template(PodSettings(env=(ServerVariable("TMPDIR", "/big"), ServerVariable("EMPTY"))))["spec"]
    env = spec["containers"][0]["env"]
    assert [entry for entry in env if entry["name"] in ("TMPDIR", "EMPTY")] == [
        {"name": "TMPDIR", "value": "/big"},
        {"name": "EMPTY"},
    ]
    assert {"name": "EMPTY"} not in spec["initContainers"][0]["env"]


def test_the_pods_of_a_revision_are_spread_unless_others_are_named() -> None:
    own = TopologySpread("zone", "ScheduleAnyway")
    other = TopologySpread("zone", "DoNotSchedule", 2, label_selector=LabelSelector({"team": "flowers"}))
    constraints = template(PodSettings(topology_spread_constraints=(own, other)))["spec"]["topologySpreadConstraints"]
    assert constraints == [
        {
            "topologyKey": "zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "maxSkew": 1,
            "labelSelector": {"matchLabels": {"mlgitops.dev/deployment": "iris-production"}},
            "matchLabelKeys": ["mlgitops.dev/revision"],
        },
        {
            "topologyKey": "zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "maxSkew": 2,
            "labelSelector": {"matchLabels": {"team": "flowers"}},
        },
    ]
