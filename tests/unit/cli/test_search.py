from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mlgitops
from mlgitops.cli import grid, search
from mlgitops.errors import InputError


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name, loss in (("low", 0.1), ("high", 0.9), ("middle", 0.5)):
        with mlgitops.start_run(name):
            mlgitops.log_metric("loss", loss)


def test_the_table_has_the_runs_that_fit_in_the_order_asked_for() -> None:
    arguments = ["metrics.loss < 0.7", "--order", "metrics.loss desc"]
    lines = CliRunner().invoke(search.app, arguments, catch_exceptions=False).stdout.splitlines()
    assert [line.split("default/")[1].split()[0] for line in lines[1:]] == ["middle", "low"]


def test_json_has_whole_records_and_respects_the_limit() -> None:
    done = CliRunner().invoke(search.app, ["-o", "json", "-n", "1", "--order", "metrics.loss"], catch_exceptions=False)
    (record,) = json.loads(done.stdout)
    assert (record["name"], record["metrics"]["loss"]["min"]) == ("low", 0.1)


def test_no_run_that_fits_is_said() -> None:
    done = CliRunner().invoke(search.app, ["metrics.loss > 1"], catch_exceptions=False)
    assert (done.exit_code, done.stdout, "no run fits" in done.stderr) == (0, "", True)


def test_a_mistake_is_an_input_error_at_its_column() -> None:
    with pytest.raises(InputError, match=r"filter, column 16: expected a number"):
        CliRunner().invoke(search.app, ["metrics.loss < low"], catch_exceptions=False)


def test_a_field_that_no_run_has_is_told_with_the_nearest() -> None:
    filter_string = "metrics.losss.min < 0.9 or params.x = 1 or metrics.loss > 1"
    done = CliRunner().invoke(search.app, [filter_string], catch_exceptions=False)
    assert done.stderr.splitlines()[-2:] == [
        "no run has metrics.losss; did you mean metrics.loss?",
        "no run has params.x",
    ]
    done = CliRunner().invoke(search.app, ["metrics.loss > 1"], catch_exceptions=False)
    assert "no run has" not in done.stderr


def test_a_text_without_quotes_is_shown_with_them() -> None:
    with pytest.raises(InputError, match=r"found wine; put it in quotes: 'wine'\n"):
        CliRunner().invoke(search.app, ["experiment = wine"], catch_exceptions=False)


def test_many_metrics_leave_the_ids_whole() -> None:
    with mlgitops.start_run("wide") as run:
        mlgitops.log_metrics({f"a_metric_with_a_long_name_{number}": 0.123456 for number in range(20)})
    lines = CliRunner().invoke(search.app, ["name = 'wide'"], catch_exceptions=False).stdout.splitlines()
    assert lines[1].split()[0] == run.id
    assert "default/wide" in lines[1]


def test_columns_show_the_fields_that_were_asked_for() -> None:
    arguments = ["-c", "name", "-c", "metrics.loss.max", "--order", "metrics.loss"]
    lines = CliRunner().invoke(search.app, arguments, catch_exceptions=False).stdout.splitlines()
    assert lines[0].split() == ["id", "name", "metrics.loss.max"]
    assert [line.split()[1:] for line in lines[1:]] == [["low", "0.1"], ["middle", "0.5"], ["high", "0.9"]]
    done = CliRunner().invoke(search.app, [*arguments, "-o", "json", "-n", "1"], catch_exceptions=False)
    assert [(row["name"], row["metrics.loss.max"]) for row in json.loads(done.stdout)] == [("low", 0.1)]


def test_groups_show_means_with_their_margins() -> None:
    lines = CliRunner().invoke(search.app, ["--group-by", "experiment"], catch_exceptions=False).stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["experiment", "runs", "metrics.loss"],
        ["default", "3", "0.5", "±", "0.99"],
    ]
    done = CliRunner().invoke(search.app, ["-g", "name", "-m", "loss", "-o", "json"], catch_exceptions=False)
    assert json.loads(done.stdout)[0]["metrics"] == {
        "metrics.loss": {"mean": 0.9, "low": None, "high": None, "count": 1}
    }


def test_a_terminal_shows_the_columns_that_it_has_room_for_whole_and_names_the_others() -> None:
    headings = ["experiment", "runs", *(f"metrics.a_long_name_{number}" for number in range(8))]
    row = ["default", "3", *["0.123456 ± 0.0012"] * 8]
    lines, left_out = grid.within(headings, [row], 80)
    assert lines[0].split() == headings[:4]
    assert left_out == headings[4:]
    assert grid.within(headings, [row], None)[0][0].split() == headings
    (heading, line), left_out = grid.within(["id", "tags.note"], [["0" * 26, "x" * 60]], 80)
    assert (heading.split(), len(line), line[-1], left_out) == (["id", "tags.note"], 80, "…", [])


def test_columns_of_groups_are_refused() -> None:
    with pytest.raises(InputError, match="choose one of the two"):
        CliRunner().invoke(search.app, ["-g", "name", "-c", "id"], catch_exceptions=False)
