"""What is said about runs and experiments afterwards, by the command and as readers see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mlgitops
from mlgitops import tracking
from mlgitops.cli.main import app
from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking import remarks


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tracking.Run:
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Ann Example")
    with mlgitops.start_run("first", experiment="iris", tags={"team": "a", "old": "x"}) as run:
        mlgitops.log_metric("loss", 1.0)
    return run


def told(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False, standalone_mode=False)
    if isinstance(done.exception, Exception):
        raise done.exception
    return done.stdout


def test_tags_are_set_and_taken_away_and_the_record_stays_sealed(run: tracking.Run) -> None:
    before = {path: path.read_bytes() for path in run.folder.glob("*.*") if path.is_file()}
    told("tag", run.id[:-1].lower(), "team=b", "stage=", "formula=a=b")
    told("tag", run.id, "--remove", "old")
    assert tracking.read(run.folder).tags == {"team": "b", "stage": "", "formula": "a=b"}
    assert {path: path.read_bytes() for path in run.folder.glob("*.*") if path.is_file()} == before


def test_notes_name_their_author_and_are_in_order(run: tracking.Run) -> None:
    told("note", run.id, "first")
    told("note", run.id, "second")
    notes = tracking.read(run.folder).notes
    assert [(note.text, note.by) for note in notes] == [("first", "Ann Example"), ("second", "Ann Example")]
    assert notes[0].time <= notes[1].time


def test_experiments_are_described_tagged_and_listed(run: tracking.Run) -> None:
    told("describe", "experiment:iris", "One of two flowers")
    told("describe", "experiment:iris", "One of three flowers")
    told("tag", "experiment:iris", "owner=ann")
    told("note", "experiment:iris", "petals matter")
    (found,) = json.loads(told("experiments", "--output", "json"))
    assert (found["description"], found["tags"]) == ("One of three flowers", {"owner": "ann"})
    listed = told("experiments")
    assert "iris  One of three flowers  owner=ann" in listed
    assert "Ann Example: petals matter" in listed


def test_experiments_stand_in_columns_and_an_empty_place_says_so(run: tracking.Run, tmp_path: Path) -> None:
    with mlgitops.start_run(experiment="a longer name"):
        pass
    told("describe", "experiment:iris", "Three flowers")
    told("describe", "experiment:a longer name", "None")
    listed = told("experiments").splitlines()
    assert [line.index(text) for text, line in zip(("None", "Three"), listed, strict=True)] == [15, 15]
    done = CliRunner().invoke(app, ("experiments", "--root", str(tmp_path / "none")))
    assert (done.exit_code, done.stdout) == (0, "")
    assert "no experiments in" in done.stderr


def test_a_search_sees_tags_that_were_set_later(run: tracking.Run) -> None:
    assert [found.id for found in mlgitops.search_runs("tags.team = 'late'")] == []
    told("tag", run.id, "team=late")
    assert [found.id for found in mlgitops.search_runs("tags.team = 'late'")] == [run.id]


@pytest.mark.parametrize("arguments", [["team"], ["=x"], []])
def test_what_is_no_tag_is_an_input_error(run: tracking.Run, arguments: list[str]) -> None:
    with pytest.raises(InputError):
        told("tag", run.id, *arguments)


def test_what_nobody_knows_is_not_found(run: tracking.Run) -> None:
    with pytest.raises(NotFoundError, match="known: iris"):
        told("describe", "experiment:rose", "x")
    with pytest.raises(NotFoundError, match="has no run"):
        told("note", "01ZZZ", "x")


def test_a_remark_that_is_too_long_is_refused(run: tracking.Run) -> None:
    with pytest.raises(InputError, match="too long"):
        remarks.note(run.folder, "x" * (1 << 20))


@pytest.mark.parametrize("text", ["", "[]", '{"tag": 1, "value": "x"}', '{"note": {}}', "[" * 100_000, '{"tag": "a"'])
def test_a_remark_made_by_hand_that_makes_no_sense_is_left_out(run: tracking.Run, text: str) -> None:
    (run.folder / "meta").mkdir()
    (run.folder / "meta" / "01ARZ3NDEKTSV4RRFFQ69G5FAV.json").write_text(text)
    (run.folder / "meta" / "evil.json").symlink_to("/dev/zero")
    record = tracking.read(run.folder)
    assert (record.tags, record.notes) == ({"team": "a", "old": "x"}, ())


def test_one_run_is_shown_in_full_and_steers_no_terminal(run: tracking.Run) -> None:
    told("describe", run.id, "the \x1b[31mred\u202e one")
    told("note", run.id, "a\nb")
    shown = told("runs", run.id)
    assert "description  the [31mred one" in shown
    assert "loss" in shown and "points 1" in shown
    assert "a b" in shown
    assert "\x1b" not in shown and "\u202e" not in shown


def test_the_list_says_what_is_not_known_of_the_code(run: tracking.Run) -> None:
    assert "pending" not in told("runs") and "lost" not in told("runs")
    (run.folder / "capture.json").unlink()
    assert "lost" in told("runs")


def test_the_list_names_what_it_leaves_out(run: tracking.Run) -> None:
    (run.folder / "run.json").write_text('{"format": 2}')
    done = CliRunner().invoke(app, ["runs"])
    assert "is of format 2, known is 1; update mlgitops" in done.stderr


@pytest.mark.parametrize("command", [("experiments",), ("note", "01K", "x"), ("tag", "experiment:iris", "a=b")])
def test_another_scheme_is_no_root_to_describe_things_in(command: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="is not a place for artifacts"):
        told(*command, "--root", "http://models")
