from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mlgitops
from mlgitops.cli import descent, lineage
from mlgitops.registry.lineage import Graph, Node

EVIL = '\x1b[31m"]; click n0 "javascript:1" <script>`|\n'


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def a_graph() -> Graph:
    found = Graph()
    data, run, idle = Node("data", "sha256:" + "d" * 64), Node("run", "01A"), Node("run", "01B")
    version, stage = Node("version", "iris:1"), Node("stage", "iris@staging")
    for pair in ((data, run), (data, idle), (run, version), (version, stage)):
        found.add(*pair)
    found.details[run] = EVIL
    return found


def test_the_tree_unfolds_both_ways_and_no_name_steers_the_terminal() -> None:
    assert descent.text(a_graph().of(Node("version", "iris:1"))).splitlines() == [
        "iris:1",
        "",
        "came from",
        '└─ run 01A  [31m"]; click n0 "javascript:1" <script>`|',
        f"   └─ dataset sha256:{'d' * 64}",
        "",
        "led to",
        "└─ iris@staging",
    ]


def test_many_runs_that_led_nowhere_are_counted() -> None:
    found = a_graph()
    for number in range(100):
        found.add(Node("data", "sha256:" + "d" * 64), Node("run", f"02{number:03d}"))
    lines = descent.text(found.of(Node("data", "sha256:" + "d" * 64))).splitlines()
    assert [line for line in lines if "staging" in line] == ["│     └─ iris@staging"]
    assert lines[-1] == "└─ and 81 more runs that led to no version"


def test_markdown_draws_it_and_no_name_means_anything() -> None:
    text = descent.markdown(a_graph().of(Node("data", "sha256:" + "d" * 64)))
    assert '  n1["run 01A ·31m··· click n0 ·javascript:1· ·script···"]' in text.splitlines()
    assert "  n0 --> n1" in text.splitlines()
    assert "| Stages | `iris@staging` |" in text.splitlines()


def test_the_command_shows_runs_where_no_registry_is_configured(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a\n1\n")
    with mlgitops.start_run("first") as run:
        digest = mlgitops.log_dataset("train.csv", name="iris").digest
    done = CliRunner().invoke(lineage.app, [f"dataset:{digest}", "-o", "json"], catch_exceptions=False)
    assert "no registry is configured" in done.stderr
    assert json.loads(done.stdout)["edges"] == [[f"dataset:{digest}", f"run:{run.id}"]]
    done = CliRunner().invoke(lineage.app, [f"run:{run.id[:12]}"], catch_exceptions=False)
    assert f"└─ dataset {digest}  iris" in done.stdout.splitlines()
