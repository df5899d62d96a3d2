from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import mlgitops
from mlgitops import artifacts, digest, tracking
from mlgitops.errors import InputError, IntegrityError, NotFoundError
from mlgitops.tracking.remote import push
from servers.s3 import S3

pytestmark = pytest.mark.slow

Script = Callable[..., subprocess.Popen[str]]
X = np.array([[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.8, 0.1]])
MODEL = LogisticRegression().fit(X, [0, 1, 0, 1])


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        server: S3 = request.getfixturevalue("s3")
        return server.uri
    return (tmp_path / "store").as_uri()


def a_run() -> tracking.RunRecord:
    with mlgitops.start_run() as run:
        mlgitops.log_metric("accuracy", 0.9)
        mlgitops.log_model(MODEL, name="iris", input_example=X)
    return tracking.read(run.folder)


def test_a_pushed_run_is_in_the_store_by_its_digests(store: str, tmp_path: Path) -> None:
    record = a_run()
    pushed = push(record, store)
    (logged,) = record.models
    artifacts.fetch(pushed.models["iris"], logged.digest, tmp_path / "model")
    artifacts.fetch(pushed.run_uri, pushed.run_digest, tmp_path / "run")
    assert pushed.models["iris"].endswith(f"/iris/sha256-{digest.hex_of(logged.digest)}")
    assert f"/runs/{record.id}/sha256-" in pushed.run_uri
    colleagues = tracking.read(tmp_path / "run")
    assert (colleagues.id, colleagues.status, colleagues.metrics) == (record.id, "finished", record.metrics)


def test_pushing_again_changes_nothing(store: str) -> None:
    record = a_run()
    assert push(record, store) == push(record, store)
    assert [path for path in record.folder.parent.iterdir() if path.name.startswith(".push")] == []


def test_notes_added_later_do_not_change_the_digest(store: str) -> None:
    record = a_run()
    first = push(record, store)
    (record.folder / "meta").mkdir()
    (record.folder / "meta" / "note.json").write_text("{}")
    assert push(record, store) == first


def test_an_edited_model_is_not_pushed(tmp_path: Path) -> None:
    record = a_run()
    (record.folder / "models/iris/model.skops").write_bytes(b"other")
    with pytest.raises(IntegrityError):
        push(record, (tmp_path / "store").as_uri())
    assert not (tmp_path / "store").exists()


def test_a_running_run_is_not_pushed(tmp_path: Path) -> None:
    run = mlgitops.start_run()
    with pytest.raises(InputError, match="still going"):
        push(tracking.read(run.folder), (tmp_path / "store").as_uri())


def test_a_run_pushes_itself_at_its_end_when_a_store_is_set(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLGITOPS_STORE_URL", store)
    record = a_run()
    assert artifacts.open_store(store).list(f"runs/{record.id}")
    told = capsys.readouterr().err
    assert "pushed to" in told
    assert f"next: mlgitops propose {record.id}" in told


def test_a_run_that_a_script_leaves_open_pushes_itself_too(store: str, script: Script, root: Path) -> None:
    process = script("import mlgitops\nmlgitops.log_metric('loss', 1)\n", MLGITOPS_STORE_URL=store)
    _, told = process.communicate()
    (record,) = tracking.list_runs(root)
    assert f"pushed to {store}/runs/{record.id}/sha256-" in told
    assert artifacts.open_store(store).list(f"runs/{record.id}")
    assert record.problems == ()


def test_a_script_that_leaves_a_run_open_is_told_why_it_was_not_pushed(script: Script) -> None:
    process = script("import mlgitops\nmlgitops.log_metric('loss', 1)\n", MLGITOPS_STORE_URL="nonsense://x")
    _, told = process.communicate()
    assert process.returncode == 0
    assert "not pushed: " in told and "nonsense" in told


def test_a_store_that_fails_costs_a_line_and_not_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLGITOPS_STORE_URL", "nonsense://x")
    record = a_run()
    assert record.status == "finished"
    assert f"later: mlgitops push {record.id}" in capsys.readouterr().err


def test_a_logged_model_loads_by_run_and_by_path_and_predicts_the_same() -> None:
    record = a_run()
    by_run = mlgitops.load_model(f"runs:/{record.id}/iris")
    by_path = mlgitops.load_model(str(record.folder / "models" / "iris"))
    for loaded in (by_run, by_path, mlgitops.load_model(f"runs:/{record.id}")):
        assert np.array_equal(loaded.native.predict(X), MODEL.predict(X))


def test_a_damaged_model_does_not_load() -> None:
    record = a_run()
    (record.folder / "models/iris/requirements.txt").write_text("evil==1\n")
    with pytest.raises(IntegrityError):
        mlgitops.load_model(f"runs:/{record.id}/iris")


def test_a_resealed_model_is_not_the_one_that_was_logged() -> None:
    record = a_run()
    folder = record.folder / "models/iris"
    (folder / "requirements.txt").write_text("evil==1\n")
    digest.seal(folder)
    with pytest.raises(IntegrityError):
        mlgitops.load_model(f"runs:/{record.id}/iris")


def test_a_model_that_no_run_logged_is_not_found() -> None:
    record = a_run()
    with pytest.raises(NotFoundError, match="the run logged: iris"):
        mlgitops.load_model(f"runs:/{record.id}/other")


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "x" * 101])
def test_a_models_name_is_a_plain_name(name: str) -> None:
    with mlgitops.start_run() as run, pytest.raises(InputError, match="is not usable"):
        mlgitops.log_model(MODEL, name=name)
    assert tracking.read(run.folder).models == ()


def test_a_model_that_cannot_be_saved_raises_and_leaves_nothing() -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_model(MODEL, name="good", input_example=X)
        with pytest.raises(InputError):
            mlgitops.log_model(object(), name="good")
    assert [path.name for path in (run.folder / "models").iterdir()] == ["good"]
    (logged,) = tracking.read(run.folder).models
    digest.verify(run.folder / logged.path, logged.digest)
