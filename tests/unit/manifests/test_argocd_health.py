"""Argo CD's view of our kinds: the Lua of ``manifests/argocd`` in Lua 5.1, Argo CD's own version of the language."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from mlgitops import api, plan
from mlgitops.api import Metadata, RegistrySource
from mlgitops.api.deployment import RolloutSpec, RolloutStep
from mlgitops.api.meta import Suspension
from mlgitops.api.source import RegistrySourceSpec
from mlgitops.operator.sources.conditions import Verdict, judged
from worlds.rollout import START, World, deployment, digest

MANIFEST = Path(__file__).parents[3] / "manifests" / "argocd" / "health.yaml"
PREFIX = f"resource.customizations.health.{api.GROUP}_"
SCRIPTS: dict[str, str] = yaml.safe_load(MANIFEST.read_bytes())["data"]


def health(resource: Any) -> str:
    """Return the health of an object as ``Status/message``."""
    raw = api.dump(resource)
    raw["metadata"].setdefault("generation", 0)
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    judge = lua.eval(f"function(obj) {SCRIPTS[PREFIX + raw['kind']]} end")
    found = judge(lua.table_from(raw, recursive=True))
    return f"{found['status']}/{found['message']}"


@pytest.fixture
def world() -> World:
    world = World()
    world.run()
    return world


def test_every_kind_with_a_status_has_a_script_and_no_other() -> None:
    assert set(SCRIPTS) == {PREFIX + kind.name for kind in api.KINDS.values() if kind.reconciled}


def steady(world: World) -> None:
    world.run()


def rolling(world: World) -> None:
    world.promote(2)
    world.run()


def paused(world: World) -> None:
    rolling(world)
    world.annotate(pause=world.target())
    world.run()


def rolled_back(world: World) -> None:
    world.healthy = False
    rolling(world)
    world.crash(world.target())
    world.run()


def corrupt(world: World) -> None:
    world.healthy = False
    rolling(world)
    said = {"reason": "DigestMismatch", "uri": "s3://x", "expected": digest(2), "found": digest(9)}
    world.fail_fetch(world.target(), json.dumps(said))
    world.run()


def gone(world: World) -> None:
    world.pods = {name: {**pod, "status": {}} for name, pod in world.pods.items()}
    world.run()


def suspended(world: World) -> None:
    spec = replace(world.deployment.spec, suspend=Suspension("stocktaking"))
    world.deployment = replace(world.deployment, spec=spec)
    world.run()


def suspended_and_waiting(world: World) -> None:
    suspended(world)
    world.promote(2)
    world.run()


def overridden(world: World) -> None:
    world.git.add_override("2", ends=START + timedelta(hours=2))
    world.run()


def rejected(world: World) -> None:
    world.git.set_lifecycle("2", "Rejected", "leaks")
    rolling(world)


def vanished(world: World) -> None:
    world.promote(77)
    world.run(3600, every=600)


def unseen(world: World) -> None:
    metadata = replace(world.deployment.metadata, generation=world.deployment.metadata.generation + 1)
    world.deployment = replace(world.deployment, metadata=metadata)


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (steady, "Healthy/Serving: "),
        (unseen, "Progressing/the operator has not looked at it yet"),
        (rolling, "Progressing/Pausing: "),
        (gone, "Progressing/Unavailable: "),
        (paused, "Suspended/Paused: "),
        (suspended, "Suspended/Suspended: "),
        (suspended_and_waiting, "Suspended/Suspended: "),
        (overridden, "Suspended/Overridden: "),
        (rolled_back, "Degraded/RolledBack: "),
        (corrupt, "Degraded/ArtifactCorrupt: "),
        (rejected, "Degraded/Rejected: "),
        (vanished, "Degraded/MissingVersion: "),
    ],
)
def test_a_deployment_is_as_healthy_as_its_conditions_say(
    world: World, happens: Callable[[World], None], expected: str
) -> None:
    happens(world)
    assert health(world.deployment).startswith(expected)


def test_a_deployment_that_nobody_looked_at_is_progressing() -> None:
    assert health(deployment()).startswith("Progressing/")


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (steady, "Healthy/Serving: "),
        (rolling, "Progressing/RollingOut: "),
        (rolled_back, "Degraded/RolledBack: "),
        (overridden, "Suspended/Overridden: "),
    ],
)
def test_a_stage_is_healthy_when_its_deployments_serve_its_version(
    world: World, happens: Callable[[World], None], expected: str
) -> None:
    happens(world)
    stage = world.git.stage("iris", "production")
    assert stage
    status = plan.stage_status(stage, [world.deployment], known=True, now=world.now)
    assert health(replace(stage, status=status)).startswith(expected)
    assert health(stage).startswith("Progressing/")


def test_an_override_is_healthy_while_it_is_in_force(world: World) -> None:
    world.git.add_override("2", ends=START + timedelta(hours=2))
    override = world.git.overrides["iris-production"]

    def seen() -> str:
        return health(replace(override, status=plan.override_status(override, world.deployment, world.now)))

    assert seen().startswith("Progressing/RollingOut: ")
    world.run()
    assert seen().startswith("Healthy/InForce: ")
    world.now += timedelta(hours=3)
    assert seen().startswith("Degraded/Expired: ")


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict("Applied", "9 of 9 objects"), "Healthy/Applied: "),
        (Verdict("FetchFailed", "no route to host", trying=True), "Progressing/FetchFailed: "),
        (Verdict("InvalidRegistry", "three mistakes", stalled=True), "Degraded/InvalidRegistry: "),
        (Verdict("Suspended", "suspended by alice", stalled=True), "Suspended/Suspended: "),
        (Verdict("Suspended", "suspended by alice"), "Suspended/Suspended: "),
    ],
)
def test_a_source_is_as_healthy_as_its_last_synchronisation(verdict: Verdict, expected: str) -> None:
    source = RegistrySource(Metadata("registry", "shop"), RegistrySourceSpec("https://git.example.com/r.git"))
    assert health(judged(source, verdict, "2026-11-24T12:00:00Z")).startswith(expected)
    assert health(source).startswith("Progressing/")


def test_an_indefinite_pause_is_progress_that_a_person_continues() -> None:
    world = World(deployment(rollout=RolloutSpec(steps=(RolloutStep(10, "Indefinite"),))))
    world.run()
    rolling(world)
    assert health(world.deployment).startswith("Progressing/Pausing: ")
