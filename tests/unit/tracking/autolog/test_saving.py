"""Models that a process beside training saves, because training shall not wait for it."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import mlgitops
from mlgitops import packages, tracking
from mlgitops.bot import propose
from mlgitops.errors import InputError
from mlgitops.tracking import headroom, records, saver
from mlgitops.tracking.autolog import models
from unit.tracking.autolog.conftest import Runs, assert_sealed, only, wait_until

pytestmark = pytest.mark.slow

X, Y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def any_model_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in saver._ENDING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(models._OBJECT_BYTES_PER_SECOND, "skops", 100.0)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Let the process stand still from its start on until the answer is called."""
    children = []

    def start(self: saver.Saver) -> None:
        original(self)
        children.append(self.child)
        os.kill(self.child, signal.SIGSTOP)

    def go_on() -> None:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGCONT)

    original = saver.Saver._start
    monkeypatch.setattr(saver.Saver, "_start", start)
    yield go_on
    go_on()


def test_a_model_that_takes_long_is_saved_beside_training_and_is_the_same(root: Path, tmp_path: Path) -> None:
    mlgitops.autolog()
    model = RandomForestClassifier(20, random_state=0).fit(X, Y)
    record = records.settled(only(root))
    (logged,) = record.models
    here = packages.save(model, tmp_path / "here", name="model", input_example=X[:5])
    assert (logged.name, logged.format, logged.digest) == ("model", "skops", here.digest)
    assert (record.status, record.saving, record.problems) == ("finished", (), ())
    assert_sealed(record)
    assert [path.name for path in (record.folder / "models").iterdir()] == ["model"]


def test_until_then_the_record_says_so_and_who_needs_the_model_waits(root: Path, held: Callable[[], None]) -> None:
    mlgitops.autolog()
    model = LogisticRegression(max_iter=1000).fit(X, Y)
    record = only(root)
    assert (record.status, record.saving, record.models, record.problems) == ("finished", ("model",), (), ())
    assert [found.saving for found in mlgitops.search_runs()] == [("model",)]
    with pytest.raises(InputError, match="is still being saved; try again later"):
        records.settled(record, patience=0.1)
    held()
    loaded = mlgitops.load_model(f"runs:/{record.id}")
    np.testing.assert_array_equal(loaded.infer({"input": X})["predict"], model.predict(X))
    assert [(len(found.models), found.saving) for found in mlgitops.search_runs()] == [(1, ())]


def test_push_right_after_the_script_waits_for_the_model_and_runs_shows_it_meanwhile(
    root: Path, held: Callable[[], None], tmp_path: Path
) -> None:
    mlgitops.autolog()
    LogisticRegression(max_iter=1000).fit(X, Y)
    record = only(root)
    store = tmp_path / "store"
    store.mkdir()
    mlgitops_ = [sys.executable, "-m", "mlgitops"]
    shown = [
        subprocess.run([*mlgitops_, *arguments], capture_output=True, text=True, check=True).stdout
        for arguments in (["runs"], ["runs", record.id])
    ]
    assert "model…" in shown[0] and "still being saved" in shown[1]
    with subprocess.Popen(
        [*mlgitops_, "push", record.id, "--to", f"file://{store}"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as pushing:
        assert pushing.stderr is not None and pushing.stdout is not None
        assert pushing.stderr.readline().startswith("mlgitops: waiting for model 'model'")
        held()
        assert f"model  file://{store}/model/sha256-" in pushing.stdout.read()


def test_a_proposal_of_a_model_that_was_lost_says_why(root: Path, held: Callable[[], None]) -> None:
    mlgitops.autolog()
    LogisticRegression(max_iter=1000).fit(X, Y)
    assert saver._saver is not None
    os.kill(saver._saver.child, signal.SIGKILL)
    wait_until(lambda: not only(root).saving)
    with pytest.raises(InputError, match="has no model: the saving of model model did not end"):
        propose._choose(only(root), None)


def test_what_becomes_of_a_model_after_its_fit_does_not_reach_what_is_saved(
    root: Path, held: Callable[[], None]
) -> None:
    mlgitops.autolog()
    model = LogisticRegression(max_iter=1000).fit(X, Y)
    expected = model.predict(X)
    before = pickle.dumps(model)
    held()
    assert pickle.dumps(model) == before
    model.coef_[:] = 0
    loaded = mlgitops.load_model(f"runs:/{only(root).id}")
    np.testing.assert_array_equal(loaded.infer({"input": X})["predict"], expected)


def test_when_its_process_is_killed_the_model_is_lost_and_the_next_one_is_not(
    root: Path, held: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    mlgitops.autolog()
    LogisticRegression(max_iter=1000).fit(X, Y)
    first = only(root)
    assert saver._saver is not None
    os.kill(saver._saver.child, signal.SIGKILL)
    wait_until(lambda: not only(root).saving)
    assert only(root).problems == ("the saving of model model did not end",)
    LogisticRegression(max_iter=1000).fit(X, Y)
    assert f"the model of run {first.id} could not be saved" in capfd.readouterr().err
    held()
    records.settled(tracking.list_runs(root)[0])
    assert [(len(record.models), len(record.problems)) for record in tracking.list_runs(root)] == [(1, 0), (0, 1)]


def test_a_model_that_is_logged_again_meanwhile_takes_its_place(root: Path, held: Callable[[], None]) -> None:
    mlgitops.autolog(log_datasets=False)
    with mlgitops.start_run():
        LogisticRegression(max_iter=1000).fit(X, Y)
        LogisticRegression(max_iter=1001).fit(X, Y)
        latest = mlgitops.log_model(LogisticRegression(max_iter=1000).fit(X[:100], Y[:100]), name="model")
        assert only(root).saving == ()
        held()
        saver.close()
    record = only(root)
    assert (record.models, record.problems) == ((latest,), ())
    assert_sealed(record)


def test_a_model_that_arrives_while_its_run_goes_on_is_in_its_record_at_the_end(root: Path) -> None:
    mlgitops.autolog(log_datasets=False)
    with mlgitops.start_run():
        LogisticRegression(max_iter=1000).fit(X, Y)
        record = records.settled(only(root))
        assert (record.status, len(record.models)) == ("running", 1)
    record = only(root)
    assert (record.status, len(record.models), record.saving) == ("finished", 1, ())
    assert_sealed(record)


def test_a_record_that_was_removed_meanwhile_is_not_made_again(root: Path, held: Callable[[], None]) -> None:
    mlgitops.autolog()
    LogisticRegression(max_iter=1000).fit(X, Y)
    folder = only(root).folder
    shutil.rmtree(folder)
    held()
    saver.close()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("room", "why"),
    [
        (20_000, "model model was not saved: OSError: [Errno 27] File too large"),
        (10, "the saving of model model did not"),
    ],
)
def test_a_disk_without_room_costs_the_model_and_the_record_says_so(
    room: int, why: str, root: Path, held: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    mlgitops.autolog()
    RandomForestClassifier(20).fit(X, Y)
    assert saver._saver is not None
    resource.prlimit(saver._saver.child, resource.RLIMIT_FSIZE, (room, room))  # writes beyond fail
    held()
    saver.close()
    record = only(root)
    assert [problem[: len(why)] for problem in record.problems] == [why]
    assert (record.models, record.saving) == ((), ())
    assert list((record.folder / "models").iterdir()) == []
    assert_sealed(record)


def test_of_models_that_wait_there_are_so_many_and_no_more(
    root: Path, held: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(saver, "MOST", 2)
    mlgitops.autolog(log_datasets=False)
    for _ in range(3):
        LogisticRegression(max_iter=1000).fit(X, Y)
    newest, *others = tracking.list_runs(root)
    assert [found.saving for found in others] == [("model",), ("model",)]
    assert newest.saving == ()
    assert "2 models are still being saved beside training; call mlgitops.log_model" in newest.tags["autolog.model"]
    assert f"run {newest.id} has no model" in capfd.readouterr().err
    held()
    assert [len(records.settled(found).models) for found in others] == [1, 1]


def test_a_model_that_would_take_too_much_memory_twice_is_left_out_and_told(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver, "LARGEST", 3 << 20)
    mlgitops.autolog(log_datasets=False)
    KNeighborsClassifier(1).fit(np.zeros((2, 1 << 20)), [0, 1])
    (record,) = runs().values()
    assert (record.models, record.saving) == ((), ())
    assert "it takes 16 MB; 3 MB at most are saved beside training" in record.tags["autolog.model"]


def test_a_model_that_would_take_the_memory_that_training_needs_is_left_out(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headroom, "free", lambda: 250 << 20)
    mlgitops.autolog(log_datasets=False)
    LogisticRegression(max_iter=1000).fit(X, Y)
    (record,) = runs().values()
    assert "it would take 256 MB of memory, and 250 MB are free" in record.tags["autolog.model"]


def test_what_it_takes_to_pickle_a_model_counts(runs: Runs) -> None:
    class Slow(LogisticRegression):
        def __getstate__(self) -> Any:
            time.sleep(0.3)
            return super().__getstate__()

    mlgitops.autolog(log_datasets=False)
    Slow(max_iter=1000).fit(X, Y)
    (record,) = runs().values()
    assert record.tags["autolog.training_metrics"].startswith("left out: no time")


@pytest.mark.parametrize("strict", ["0", "1"])
def test_where_no_process_can_be_started_the_model_is_left_out_or_strictly_an_error(
    strict: str, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlgitops.autolog(log_datasets=False)
    with mlgitops.start_run("mine"):  # whose own process captures the code
        monkeypatch.setenv("MLGITOPS_STRICT", strict)
        monkeypatch.setattr("sys.executable", "/nowhere/python")
        if strict == "1":
            with pytest.raises(FileNotFoundError):
                LogisticRegression(max_iter=1000).fit(X, Y)
            return
        LogisticRegression(max_iter=1000).fit(X, Y)
    record = runs()["mine"]
    assert "FileNotFoundError" in record.tags["autolog.model"]
    assert "training_accuracy_score" in record.metrics
