"""Run records of one machine and the registry everybody shares, joined."""

from __future__ import annotations

from pathlib import Path

import pytest

import mlgitops
from mlgitops.api.model import Dataset
from mlgitops.api.model import Run as Origin
from mlgitops.bot.lineage import lineage
from mlgitops.errors import InputError, NotFoundError
from tracking_runs import new_run
from worlds.registry import World, written

STAGE = """apiVersion: mlgitops.dev/v1alpha1
kind: ModelStage
metadata: {name: iris.staging}
spec:
  modelRef: {name: iris}
  stage: staging
  version: "1"
"""
MODEL = """apiVersion: mlgitops.dev/v1alpha1
kind: Model
metadata: {name: iris}
spec:
  stages: [{name: staging}]
"""


def trained(root: Path, data: Path) -> tuple[str, str]:
    """Return the id of a run and the digest of the data that it read."""
    run = new_run(root, "run")
    digest = run.log_dataset(data, name="iris", context="train").digest
    run.end()
    return run.id, digest


def test_data_is_followed_from_its_beginning_to_what_a_stage_names(world: World, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1,2\n")
    root = tmp_path / "records"
    idle, _ = trained(root, tmp_path / "train.csv")
    run, digest = trained(root, tmp_path / "train.csv")
    files = written(world.version(run=Origin(id=run)))
    files["registry/models/iris/model.yaml"] = MODEL.encode()
    files["registry/models/iris/stages/staging.yaml"] = STAGE.encode()
    world.commit(files)
    context = world.context()
    found = lineage(f"dataset:{digest[:20]}", context=context, root=root)
    assert [node.name for node in found.nodes] == [digest, *sorted([idle, run]), "iris:1", "iris@staging"]
    assert found == lineage(f"dataset:{digest.removeprefix('sha256:')}", context=context, root=root)
    for address in ("iris:1", "iris@staging", f"run:{run.lower()}", f"runs:/{run}/iris"):
        assert lineage(address, context=context, root=root).of_kind("data") == (digest,)
    assert lineage(f"run:{idle}", context=None, root=root).of_kind("data") == (digest,)


def test_children_and_parents_are_followed_however_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "train.csv").write_text("a,b\n1,2\n")
    with mlgitops.start_run("study") as study:
        digest = mlgitops.log_dataset(tmp_path / "train.csv", name="iris").digest
        with mlgitops.start_run("trial", nested=True) as trial, mlgitops.start_run("fold", nested=True) as fold:
            pass
    for address in (f"dataset:{digest}", f"run:{trial.id}", f"run:{fold.id}"):
        assert lineage(address, context=None).of_kind("run") == tuple(sorted([study.id, trial.id, fold.id]))


def test_what_only_the_registry_knows_is_found_too(world: World, tmp_path: Path) -> None:
    digest = "sha256:" + "d" * 64
    world.commit(written(world.version(run=Origin(id="01GONE"), datasets=(Dataset("iris", digest),))))
    context = world.context()
    assert lineage("dataset:dddd", context=context, root=tmp_path).of_kind("version") == ("iris:1",)
    assert lineage("run:01G", context=context, root=tmp_path).of_kind("data") == (digest,)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("dataset:iris", "names no digest"),
        ("run:'%", "names no run"),
        ("iris", "no address of something with a lineage"),
        ("./folder", "no address of something with a lineage"),
    ],
)
def test_other_addresses_are_refused(address: str, complaint: str, world: World, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=complaint):
        lineage(address, context=world.context(), root=tmp_path)


def test_what_nobody_knows_is_not_found(world: World, tmp_path: Path) -> None:
    for address in ("dataset:abc", "run:01K", "iris:9", "iris@staging"):
        with pytest.raises(NotFoundError):
            lineage(address, context=world.context(), root=tmp_path)
