from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mlgitops
from mlgitops import tracking
from mlgitops.artifacts import open_store
from mlgitops.cli import push, runs
from mlgitops.errors import InputError, NotFoundError


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "records"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "records"


def a_run(name: str = "first", **metrics: float) -> str:
    with mlgitops.start_run(name, experiment="iris") as run:
        mlgitops.log_metrics(metrics)
    return run.id


def test_the_table_shows_the_newest_run_first() -> None:
    first, second = a_run("first", accuracy=0.5), a_run("second", accuracy=0.25)
    lines = CliRunner().invoke(runs.app, [], catch_exceptions=False).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", second, first]
    assert "iris/second" in lines[1]
    assert "accuracy=0.25" in lines[1]
    assert "finished" in lines[1]


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_narrow_terminal_metrics_give_way_and_nothing_else_is_lost(width: int, root: Path) -> None:
    run = a_run("first", **{f"metric_{number}": 0.5 for number in range(20)})
    heading, line = runs.table(tracking.list_runs(root), width)
    assert heading.split()[:6] == ["RUN", "STARTED", "STATUS", "CODE", "NAME", "MODELS"]
    assert ("METRICS" in heading) is (width == 120)
    day = tracking.read(root / "runs" / run).started_at[:10]
    assert {run, day, "finished", "iris/first", "-"} <= set(line.split())
    assert max(map(len, (heading, line))) <= width


def test_on_a_narrow_terminal_a_long_name_takes_nothing_from_the_day(root: Path) -> None:
    run = a_run("a name that is longer than its column")
    _, line = runs.table(tracking.list_runs(root), 80)
    assert tracking.read(root / "runs" / run).started_at[:10] in line.split() and len(line) <= 80


def test_a_program_that_reads_the_table_gets_it_whole_and_without_blanks_at_the_end() -> None:
    a_run("first", **{f"metric_{number}": 0.5 for number in range(40)})
    a_run("second")
    lines = CliRunner().invoke(runs.app, [], catch_exceptions=False).stdout.splitlines()
    assert "metric_9=0.5" in lines[2]
    assert [line for line in lines if line != line.rstrip()] == []
    assert len(lines[0]) < 120


def test_json_is_complete_and_is_json_even_with_nan() -> None:
    run = a_run(loss=float("nan"))
    done = CliRunner().invoke(runs.app, ["--output", "json", run[:20]], catch_exceptions=False)
    (found,) = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (found["id"], found["status"], found["metrics"]["loss"]["last"]) == (run, "finished", "NaN")


def test_hostile_text_is_inert_on_a_terminal() -> None:
    a_run("\x1b[31m[bold]red[/bold]\r\n\u202eevil", **{"\x1b]0;title\x07m": 1.0})
    done = CliRunner().invoke(runs.app, [], catch_exceptions=False)
    assert len(done.stdout.splitlines()) == 2
    assert not {"\x1b", "\r", "\u202e", "\x07"} & set(done.stdout)
    assert "[bold]red[/bold]" in done.stdout


def test_no_runs_say_how_to_write_one(root: Path) -> None:
    done = CliRunner().invoke(runs.app, [], catch_exceptions=False)
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"no runs in {root}" in done.stderr


def test_a_run_that_is_not_there_names_those_that_are() -> None:
    run = a_run()
    with pytest.raises(NotFoundError, match=run):
        CliRunner().invoke(runs.app, ["7ZZZ"], catch_exceptions=False)


def test_push_uploads_and_prints_where(tmp_path: Path) -> None:
    run, store = a_run(), (tmp_path / "store").as_uri()
    done = CliRunner().invoke(push.app, [run, "--to", store, "--output", "json"], catch_exceptions=False)
    pushed = json.loads(done.stdout)
    assert open_store(pushed["run_uri"]).exists("run.json")
    assert pushed["run_uri"].startswith(f"{store}/runs/{run}/sha256-")
    table = CliRunner().invoke(push.app, [run, "--to", store], catch_exceptions=False).stdout
    assert table.split() == ["run", pushed["run_uri"]]


def test_push_without_a_store_says_where_to_set_one() -> None:
    with pytest.raises(InputError, match="MLGITOPS_STORE_URL"):
        CliRunner().invoke(push.app, [a_run()], catch_exceptions=False)
