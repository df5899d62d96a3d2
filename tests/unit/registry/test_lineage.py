from __future__ import annotations

from pathlib import Path

from mlgitops import registry
from mlgitops.registry.lineage import Lineage, Node, graph
from mlgitops.tracking.records import Dataset, LoggedModel, RunRecord

DATA, OTHER = "sha256:" + "d" * 64, "sha256:" + "e" * 64
DIGEST = "sha256:" + "0" * 63
FIRST, SECOND = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"


def a_run(run_id: str, *data: str, model: str = "", parent: str = "") -> RunRecord:
    return RunRecord(
        id=run_id,
        name="run",
        experiment="iris",
        status="finished",
        started_at="2026-01-01T00:00:00Z",
        finished_at=None,
        params={},
        metrics={},
        tags={},
        datasets=tuple(Dataset("train", digest) for digest in data),
        models=(LoggedModel("iris", "artifacts/models/iris", model, "onnx"),) if model else (),
        source=None,
        folder=Path(run_id),
        parent=parent,
    )


def named(lineage: Lineage) -> list[str]:
    return [node.name for node in lineage.nodes]


def test_data_leads_to_runs_versions_stages_and_deployments(files: dict[str, bytes]) -> None:
    files["registry/models/iris/versions/1.yaml"] += f"  run: {{id: {FIRST}}}\n".encode()
    runs = [a_run(FIRST, DATA), a_run(SECOND, DATA)]
    found = graph(runs, registry.load_files(files)).of(Node("data", DATA))
    assert named(found) == [DATA, FIRST, SECOND, "iris:1", "iris@production", "iris@staging", "prod/iris"]
    assert found.before == frozenset()
    assert (Node("stage", "iris@production"), Node("deployment", "prod/iris")) in found.after
    assert found.details[Node("data", DATA)] == "train"


def test_a_version_shows_what_it_came_from_and_not_what_else_came_of_that(files: dict[str, bytes]) -> None:
    files["registry/models/iris/versions/1.yaml"] += f"  run: {{id: {FIRST}}}\n".encode()
    files["registry/models/iris/versions/2.yaml"] += f"  run: {{id: {SECOND}}}\n".encode()
    runs = [a_run(FIRST, DATA, OTHER), a_run(SECOND, DATA)]
    found = graph(runs, registry.load_files(files)).of(Node("version", "iris:2"))
    assert named(found) == [DATA, SECOND, "iris:2"]


def test_a_version_speaks_for_its_run_when_the_record_is_gone(files: dict[str, bytes]) -> None:
    files["registry/models/iris/versions/2.yaml"] += (
        f"  run: {{id: {FIRST}}}\n  datasets:\n  - {{name: train, digest: '{DATA}'}}\n".encode()
    )
    found = graph([], registry.load_files(files)).of(Node("data", DATA))
    assert named(found) == [DATA, FIRST, "iris:2"]
    assert found.details[Node("run", FIRST)] == "its record is not here"


def test_a_version_without_a_word_about_its_run_is_known_by_its_package(files: dict[str, bytes]) -> None:
    found = graph([a_run(FIRST, DATA, model=f"{DIGEST}2")], registry.load_files(files)).of(Node("run", FIRST))
    assert named(found) == [DATA, FIRST, "iris:2"]
    assert found.before == {(Node("data", DATA), Node("run", FIRST))}


def test_a_deployment_that_names_a_version_came_of_it(files: dict[str, bytes]) -> None:
    path = "registry/deployments/prod/iris.yaml"
    files[path] = files[path].replace(b"stage: production", b'version: "2"')
    found = graph([], registry.load_files(files)).of(Node("version", "iris:2"))
    assert found.of_kind("deployment") == ("prod/iris",)
    assert found.of_kind("stage") == ()


def test_a_child_came_of_its_parent_and_of_its_data(files: dict[str, bytes]) -> None:
    files["registry/models/iris/versions/1.yaml"] += f"  run: {{id: {SECOND}}}\n".encode()
    runs = [a_run(FIRST, DATA), a_run(SECOND, parent=FIRST)]
    found = graph(runs, registry.load_files(files)).of(Node("version", "iris:1"))
    assert found.before == {
        (Node("data", DATA), Node("run", FIRST)),
        (Node("run", FIRST), Node("run", SECOND)),
        (Node("run", SECOND), Node("version", "iris:1")),
    }
