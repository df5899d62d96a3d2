"""Runs that a colleague pushed, in a folder and in a real S3 server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mlgitops
from mlgitops import tracking
from mlgitops.artifacts import open_store
from mlgitops.cli import compare as compare_cli
from mlgitops.cli import runs as runs_cli
from mlgitops.cli import search as search_cli
from mlgitops.cli.main import app
from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking import life, remarks, unsaved
from mlgitops.tracking.live import LivePush
from mlgitops.tracking.query.comparison import curves
from mlgitops.tracking.query.distant import StoreRecords
from mlgitops.tracking.query.roots import records_of
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.remote import push
from mlgitops.tracking.run import Run
from servers.s3 import S3, s3, s3_server
from tracking_runs import new_run

__all__ = ["s3", "s3_server"]


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        server: S3 = request.getfixturevalue("s3")
        return f"{server.uri}/team"
    return (tmp_path / "store").as_uri()


@pytest.fixture(autouse=True)
def colleague(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is read with a cache that has nothing of the machine that trained."""
    if "store" in request.fixturenames:
        request.getfixturevalue("store")  # first, because the server's program is kept in the real cache
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., Run]:
    def train(name: str, *losses: float, end: bool = True, **params: object) -> Run:
        run = new_run(tmp_path / "records", name, team="flowers")
        run.log_params(params)
        for loss in losses:
            run.log_metric("loss", loss)
        if end:
            run.end()
        return run

    return train


def pushed(run: Run, store: str) -> None:
    push(tracking.read(run.folder), store)


def told(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False, standalone_mode=False)
    if isinstance(done.exception, Exception):
        raise done.exception
    return done.stdout


def only_experiment(store: str) -> tracking.Experiment:
    (found,) = tracking.experiments(store)
    return found


def names(store: str, text: str = "") -> list[str]:
    return [run.name for run in search_runs(text, root=store)]


def test_a_pushed_run_is_found_by_all_that_it_says(trained: Callable[..., Run], store: str) -> None:
    run = trained("first", 0.5, 0.25, C=1.0)
    assert names(store) == []
    pushed(run, store)
    (found,) = search_runs("metrics.loss.min < 0.3 and params.C = 1 and tags.team = 'flowers'", root=store)
    here = tracking.read(run.folder)
    assert replace(found, folder=here.folder) == here


def test_only_what_is_new_is_fetched(trained: Callable[..., Run], store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed(trained("first"), store)
    assert names(store) == ["first"]
    second = trained("second")
    pushed(second, store)
    fetched: list[str] = []
    opened = open_store(store)
    kind = type(opened)
    real = kind.open
    monkeypatch.setattr(kind, "open", lambda self, key: fetched.append(f"{self.uri}/{key}") or real(self, key))
    assert names(store) == ["second", "first"]
    assert fetched == [f"{opened.uri}/runs/{second.id}/current.json"]
    assert names(store, "name = 'first'") == ["first"]
    assert len(fetched) == 1


def test_what_was_added_later_and_what_was_removed_is_seen(trained: Callable[..., Run], store: str) -> None:
    first, second = trained("first"), trained("second")
    pushed(first, store)
    pushed(second, store)
    assert names(store, "tags.best = 'yes'") == []
    remarks.tag(first.folder, "best", "yes")
    remarks.tag(first.folder, "team", None)
    remarks.note(first.folder, "keep this one", "alice")
    pushed(first, store)
    (found,) = search_runs("tags.best = 'yes' and tags.team is null", root=store)
    assert [note.text for note in found.notes] == ["keep this one"]
    opened = open_store(store)
    opened.delete(opened.list(f"runs/{second.id}"))
    assert names(store) == ["first"]


def test_what_is_said_about_a_run_in_the_store_is_seen_by_all_and_leaves_its_record_as_it_was(
    trained: Callable[..., Run], store: str
) -> None:
    run = trained("first")
    pushed(run, store)
    opened = open_store(store)
    before = opened.entries()
    told("tag", run.id[:-2].lower(), "best=yes", "--root", store)
    told("tag", run.id, "--remove", "team", "--root", store)
    told("note", run.id, "the loss jumps", "--root", store)
    told("describe", run.id, "with a warm start", "--root", store)
    (found,) = search_runs("tags.best = 'yes' and tags.team is null", root=store)
    assert ([note.text for note in found.notes], found.description) == (["the loss jumps"], "with a warm start")
    assert records_of(store).read(run.id).notes == found.notes
    added = opened.entries().keys() - before.keys()
    assert len(added) == 4 and all(key.startswith(f"runs/{run.id}/meta/") for key in added)
    assert {key: opened.entries()[key] for key in before} == before
    remarks.note(run.folder, "from where it was trained")
    pushed(run, store)
    assert len(search_runs(root=store)[0].notes) == 2
    with pytest.raises(NotFoundError, match="has no run"):
        told("note", "01ZZZ", "x", "--root", store)


def test_what_is_said_about_an_experiment_adds_up_in_the_store(tmp_path: Path, store: str) -> None:
    assert tracking.experiments(store) == ()
    for machine, description in (("a", "two flowers"), ("b", "three flowers")):
        root = tmp_path / machine
        remarks.describe_experiment(root, "Iris / petals", description, {machine: "yes"})
        run = new_run(root, "first", experiment="Iris / petals")
        run.end()
        pushed(run, store)
        pushed(run, store)
    told("note", "experiment:Iris / petals", "petals matter", "--root", store)
    (found,) = tracking.experiments(store)
    assert (found.name, found.description) == ("Iris / petals", "three flowers")
    assert found.tags == {"a": "yes", "b": "yes"}
    listed = told("experiments", "--root", store)
    assert "Iris / petals  three flowers  a=yes b=yes" in listed and "petals matter" in listed
    with pytest.raises(NotFoundError, match="known: Iris / petals"):
        told("describe", "experiment:rose", "x", "--root", store)


def test_the_newest_description_of_an_experiment_wins_wherever_it_was_given(tmp_path: Path, store: str) -> None:
    run = new_run(tmp_path / "a", "first", experiment="iris")
    remarks.describe_experiment(tmp_path / "a", "iris", "early", {})
    live = LivePush(run.folder, store)
    live.push()
    remarks.describe(records_of(store).place_of(only_experiment(store)), "late")
    assert only_experiment(store).description == "late"
    remarks.describe_experiment(tmp_path / "a", "iris", "latest", {})
    meta = tmp_path / "a" / "experiments" / "iris" / "meta"
    (meta / f"{'0' * 26}.json").write_text('{"description": "from another century"}')
    (meta / "01ARZ3NDEKTSV4RRFFQ69G5FAV.json").symlink_to("/etc/hostname")
    live.push()
    run.end()
    pushed(run, store)
    assert only_experiment(store).description == "latest"
    assert not any("01ARZ3" in key for key in open_store(store).list("experiments"))


def test_experiments_of_a_store_that_make_no_sense_are_left_out(store: str) -> None:
    opened = open_store(store)
    for key in ("experiments/a/experiment.json", "experiments/b", f"experiments/c/meta/{'0' * 26}.json"):
        opened.put(key, b'{"name": "../x"}')
    opened.put("experiments/d/experiment.json", b"[" * 100_000)
    opened.put("experiments/e/experiment.json", b'{"name": "e"}')
    assert only_experiment(store).name == "e"


def test_a_store_says_of_a_model_what_the_machine_that_trains_saw_of_it(
    trained: Callable[..., Run], store: str
) -> None:
    run = trained("first", end=False)
    live, token = LivePush(run.folder, store), unsaved.new_token()
    promise = run.promise_model("model", token)
    live.push()
    assert [(found.saving, found.problems) for found in search_runs(root=store)] == [(("model",), ())]
    promise.close()
    live.push()
    lost = ("the saving of model model did not end",)
    assert [(found.saving, found.problems) for found in search_runs(root=store)] == [((), lost)]
    run.end()
    pushed(run, store)
    assert [(found.saving, found.problems) for found in search_runs(root=store)] == [((), lost)]


def test_a_live_run_is_seen_while_it_goes_on_and_is_stale_when_it_is_silent(
    trained: Callable[..., Run], store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained("live", 0.5, end=False)
    live = LivePush(run.folder, store)
    live.push()
    assert [(found.status, found.metrics["loss"].count) for found in search_runs(root=store)] == [("running", 1)]
    run.log_metric("loss", 0.1)
    live.push()
    assert search_runs("status = 'running' and metrics.loss < 0.2", root=store)[0].metrics["loss"].count == 2
    assert records_of(store).read(run.id).status == "running"
    monkeypatch.setattr(life, "SILENT", -1.0)
    assert [found.status for found in search_runs(root=store)] == ["stale"]
    monkeypatch.undo()
    run.end()


def test_a_live_run_of_a_time_that_is_not_yet_is_stale(trained: Callable[..., Run], store: str, tmp_path: Path) -> None:
    run = trained("live", 0.5, end=False)
    LivePush(run.folder, store).push()
    key, opened = f"runs/{run.id}/current.json", open_store(store)
    for year in (2999, 9999):
        said = json.loads(opened.get(key)) | {"pushed_at": f"{year}-01-01T00:00:00.000Z"}
        opened.put(key, json.dumps(said).encode())
        assert [found.status for found in search_runs(root=store)] == ["stale"]
        assert records_of(store).read(run.id).status == "stale"
    run.end()


def test_runs_of_a_store_are_compared_with_their_curves(trained: Callable[..., Run], store: str) -> None:
    first, second = trained("first", 3.0, 2.0, C=1), trained("second", 4.0, C=2)
    pushed(first, store)
    pushed(second, store)
    found = mlgitops.compare([first.id, second.id.lower()], root=store)
    assert ("C", (1, 2)) in [(row.name, row.values) for row in found.differing]
    assert [line.points for line in curves(found.runs, ["loss"])[0].lines] == [((0, 3.0), (1, 2.0)), ((0, 4.0),)]
    before = found.runs[0].folder.stat().st_ino
    assert records_of(store).read(first.id).folder.stat().st_ino == before  # not pulled again
    with pytest.raises(NotFoundError, match="has no run 'ZZZ'"):
        mlgitops.compare([first.id, "ZZZ"], root=store)


def test_the_commands_take_a_store(trained: Callable[..., Run], store: str) -> None:
    first, second = trained("first", 1.0, C=1), trained("second", 2.0, C=2)
    pushed(first, store)
    pushed(second, store)

    def told(app: object, *arguments: str) -> str:
        return CliRunner().invoke(app, [*arguments, "--root", store], catch_exceptions=False).stdout  # type: ignore[arg-type]

    assert told(search_cli.app, "metrics.loss > 1").splitlines()[1].split()[0] == second.id
    assert [row["name"] for row in json.loads(told(runs_cli.app, "-o", "json"))] == ["second", "first"]
    assert json.loads(told(runs_cli.app, first.id, "-o", "json"))[0]["name"] == "first"
    assert ["C", "1", "2"] in [line.split() for line in told(compare_cli.app, first.id, second.id).splitlines()]


def test_what_is_no_run_of_ours_is_left_out_and_told(
    trained: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_store((tmp_path / "store").as_uri())
    run = trained("good")
    pushed(run, opened.uri)
    raw = json.loads(opened.get(f"runs/{run.id}/current.json"))
    evil: list[object] = [
        b"not JSON",
        b"[" * 100_000,
        [],
        {"format": 99},
        raw | {"run": 5},
        raw | {"run": raw["run"] | {"format": 99}},
        raw | {"status": "rm -rf"},
    ]
    for number, content in enumerate(evil):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        opened.put(f"runs/01{number:024d}/current.json", data)
    opened.put("runs/not-a-run/current.json", b"{}")
    opened.put(f"runs/{run.id}x/current.json", b"{}")
    found = search_runs(root=opened.uri)
    assert [record.name for record in found] == ["good"]
    assert len(found.left_out) == len(evil)
    assert all("update mlgitops" in why or "cannot be read" in why for why in found.left_out.values())
    monkeypatch.setattr(StoreRecords, "_read", lambda *_: pytest.fail("what is known is fetched again"))
    assert search_runs(root=opened.uri).left_out == found.left_out


def test_a_record_is_what_its_place_says_and_leads_nowhere(trained: Callable[..., Run], tmp_path: Path) -> None:
    opened = open_store((tmp_path / "store").as_uri())
    run = trained("evil", 1.0)
    pushed(run, opened.uri)
    raw = json.loads(opened.get(f"runs/{run.id}/current.json"))
    digest = "sha256:" + "a" * 64
    models = [{"name": "m", "path": path, "digest": digest, "format": "x"} for path in ("/etc", "../../x", "ok")]
    raw["run"] |= {"id": "../../../etc", "params": {"C": [1], "D": 2}, "models": models, "tags": 5, "metrics": "x"}
    raw["capture"] = [1]
    opened.put(f"runs/{run.id}/current.json", json.dumps(raw).encode())
    opened.put(f"runs/{run.id}/meta/{run.id}.json", b"[1]")
    (found,) = search_runs(root=opened.uri)
    assert (found.id, found.params, found.metrics) == (run.id, {"D": 2}, {})
    assert found.folder.is_relative_to(tmp_path / "cache")
    assert [model.path for model in found.models if model.name == "m"] in ([], ["ok"])


def test_another_scheme_is_no_root() -> None:
    with pytest.raises(InputError, match="not a place for artifacts"):
        search_runs(root="gopher://models")
