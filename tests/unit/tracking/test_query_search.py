"""Runs that are found, as the writer wrote them; and an index that may be lost, damaged or shared."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.errors import InputError
from mlgitops.tracking import places, sums
from mlgitops.tracking.query import index, readers, reading
from mlgitops.tracking.query.roots import records_of
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.run import Run
from tracking_runs import new_run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; change times count at once, because no test waits until they are old."""
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(reading, "SETTLED", 0)
    return tmp_path / "cache"


def a_run(root: Path, name: str = "run", *, end: bool = True, **metrics: float) -> Run:
    run = new_run(root, name)
    run.log_metrics(metrics)
    if end:
        run.end()
    return run


def found(text: str = "", **options: object) -> list[str]:
    return [record.name for record in search_runs(text, **options)]  # type: ignore[arg-type]


def test_the_facade_finds_what_a_script_logged(root: Path) -> None:
    with mlgitops.start_run("good", experiment="iris", tags={"team": "flowers"}):
        mlgitops.log_params({"solver": "lbfgs", "C": 0.5})
        for value in (0.5, 0.97, 0.9):
            mlgitops.log_metric("accuracy", value)
    with mlgitops.start_run("bad"):
        mlgitops.log_metric("accuracy", 0.1)
    (record,) = mlgitops.search_runs(
        "metrics.accuracy.max > 0.95 and metrics.accuracy < 0.95 and params.C <= 0.5 "
        "and tags.team = 'flowers' and experiment = 'iris' and status = 'FINISHED'"
    )
    assert record == tracking.read(tracking.find(root, record.id))
    assert record.name == "good"
    assert found("params.solver is null or metrics.accuracy.count > 2", order_by="metrics.accuracy") == ["bad", "good"]


@pytest.mark.usefixtures("own_capture")
def test_data_code_and_dates_are_found(root: Path, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1,2\n")
    run = new_run(root, "with-data")
    digest = run.log_dataset(tmp_path / "train.csv", name="iris", context="train").digest
    run.end()
    a_run(root, "without")
    assert found(f"dataset.train.digest = '{digest}'") == ["with-data"]
    assert found(f"dataset.iris.digest in ('{digest}')") == ["with-data"]
    assert found(f"dataset.test.digest = '{digest}'") == []
    assert found("start_time > '2020-01-01' and end_time < '2100-01-01' and duration < 3600 and git.dirty = false") == [
        "without",
        "with-data",
    ]


def test_parameters_are_sorted_numbers_first_and_missing_ones_last(root: Path) -> None:
    for name, value in (("ten", 10), ("text", "relu"), ("nine", "9"), ("other", "adam"), ("none", ...)):
        run = new_run(root, name)
        if value is not ...:
            run.log_param("p", value)
        run.end()
    assert found(order_by="params.p") == ["nine", "ten", "other", "text", "none"]
    assert found(order_by=["params.p desc"]) == ["ten", "nine", "text", "other", "none"]


def test_a_limit_is_kept_and_a_negative_one_refused(root: Path) -> None:
    for number in range(3):
        a_run(root, str(number))
    assert found(limit=2) == ["2", "1"]
    assert found(limit=None) == ["2", "1", "0"]
    assert found(limit=0) == []
    with pytest.raises(InputError, match="limit -1 is negative"):
        search_runs(limit=-1)


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert search_runs("metrics.a > 1", root=tmp_path / "nowhere") == ()


def test_new_changed_and_removed_runs_are_noticed(root: Path) -> None:
    first, second = a_run(root, "first"), a_run(root, "second", end=False)
    assert found("status = 'finished'") == ["first"]
    second.end()
    third = a_run(root, "third")
    assert found("status = 'finished'") == ["third", "second", "first"]
    shutil.rmtree(first.folder)
    shutil.rmtree(third.folder)
    assert found() == ["second"]


def test_a_run_that_ended_is_read_once(root: Path) -> None:
    run = a_run(root, "same", a=1.0)
    assert found("metrics.a = 1") == ["same"]
    with (run.folder / "run.json").open("r+") as file:
        file.write("{")  # not by rename, so that neither folder nor format tell
        file.truncate()
    assert found("metrics.a = 1") == ["same"]
    (run.folder / "touched").touch()
    assert found() == []


def test_what_is_added_to_meta_is_noticed(root: Path) -> None:
    run = a_run(root, "same", a=1.0)
    (run.folder / "meta").mkdir()
    assert found() == ["same"]
    with (run.folder / "run.json").open("r+") as file:
        file.write("{")
        file.truncate()
    assert found() == ["same"]
    (run.folder / "meta" / "note").touch()
    assert found() == []


def test_a_change_within_one_tick_of_the_clock_is_not_missed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SETTLED", 3600 * 10**9)
    run = a_run(root, "same", a=1.0)
    assert found() == ["same"]
    (run.folder / "run.json").write_text("{")
    assert found() == []


def test_of_a_live_run_only_what_is_new_is_read(root: Path) -> None:
    run = a_run(root, "live", end=False)
    for value in (5.0, 1.0, 3.0):
        run.log_metric("loss", value)
    run.log_param("a", "x")
    assert found("metrics.loss.max = 5 and status = 'running'") == ["live"]
    (path,) = run.folder.glob("w-*.jsonl")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"\n" * size)  # what was read before is gone, and not missed
    run.log_metric("loss", 0.5)
    run.log_param("b", "y")
    (record,) = search_runs("metrics.loss.min = 0.5 and params.a = 'x' and params.b = 'y'")
    assert record.metrics["loss"] == tracking.MetricSummary(last=0.5, min=0.5, max=5.0, mean=9.5 / 4, count=4, step=3)
    run.end()


@pytest.mark.parametrize("how", ["removed", "replaced", "shorter"])
def test_what_a_lost_file_of_a_live_run_said_is_unsaid(root: Path, how: str) -> None:
    run = a_run(root, "live", end=False, kept=1.0)
    other = run.folder / "w-other-1-00.jsonl"
    lines = ['{"metric":"lost","value":1.0,"step":0,"time":1.0}\n', '{"param":"lost","value":"x","time":1.0}\n']
    other.write_text("".join(lines))
    assert found("metrics.lost = 1 and params.lost = 'x' and metrics.kept = 1") == ["live"]
    if how == "shorter":
        other.write_text("\n")
    elif how == "removed":
        other.unlink()
    else:
        (run.folder / "new").write_text("\n" * 200)
        (run.folder / "new").rename(other)
    run.log_metric("kept", 2.0)
    assert found("metrics.lost is null and params.lost is null and metrics.kept = 2") == ["live"]
    run.end()


def test_several_writers_of_a_live_run_add_up_as_they_do_when_it_is_read(root: Path) -> None:
    run = a_run(root, "live", end=False, loss=1.0)
    child = os.fork()
    if child == 0:
        run.log_metric("loss", 7.0, step=5)
        run.set_tag("who", "child")
        os._exit(0)
    os.waitpid(child, 0)
    run.log_metric("loss", 2.0, step=2)
    assert search_runs() == (tracking.read(run.folder),)
    run.log_metric("loss", 9.0, step=5)
    assert search_runs() == (tracking.read(run.folder),)
    run.end()


def test_what_a_live_run_lacks_is_told_by_a_search_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "MOST_SERIES", 3)
    run = a_run(root, "live", end=False, a=1.0, b=1.0)
    child = os.fork()
    if child == 0:
        for name in ("b", "c", "d"):
            run.log_metric(name, 2.0)
        run.writer.write(b'{"end":"failed","role":"member","error":"no memory"}\n')
        os._exit(0)
    os.waitpid(child, 0)
    (before,) = search_runs()
    assert (len(before.metrics), len(before.problems)) == (3, 2)
    assert before == tracking.read(run.folder)
    for name in ("a", "c", "d", "e", "f"):
        run.log_metric(name, 3.0, step=7)
    (after,) = search_runs()
    assert after.metrics.keys() == before.metrics.keys()
    assert "no memory" in after.problems[0] and "first 3 metrics" in after.problems[1]
    run.end()
    assert search_runs() == (tracking.read(run.folder),)


VICTIM = """
import mlgitops, time
run = mlgitops.start_run("victim")
mlgitops.log_metric("a", 1.0)
print(1, flush=True)
time.sleep(99)
"""


def test_a_run_whose_process_is_killed_is_found_as_killed(root: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", VICTIM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert found("status = 'running' and metrics.a = 1") == ["victim"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert found("status = 'killed' and metrics.a = 1") == ["victim"]
    assert found("status = 'killed'") == ["victim"]


@pytest.mark.parametrize("damage", ["garbage", "cut", "empty", "pages", "folder", "older", "newer", "record", "tables"])
def test_a_damaged_index_is_made_again(root: Path, damage: str) -> None:
    for number in range(30):
        a_run(root, str(number), a=float(number))
    wanted = found("metrics.a > 10")
    path = index.place(records_of(root))
    size = path.stat().st_size
    if damage == "garbage":
        path.write_bytes(os.urandom(size))
    elif damage == "cut":
        os.truncate(path, size // 2)
    elif damage == "empty":
        os.truncate(path, 0)
    elif damage == "pages":
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        with sqlite3.connect(path) as connection:
            connection.execute(
                {
                    "older": "PRAGMA user_version = 0",
                    "newer": "PRAGMA user_version = 99",
                    "record": "UPDATE records SET record = '{'",
                    "tables": "DROP TABLE metrics",
                }[damage]
            )
        connection.close()
    assert found("metrics.a > 10") == wanted
    assert len(wanted) == 19


def test_without_a_place_for_an_index_the_search_goes_on(root: Path, cache: Path) -> None:
    a_run(root, "only", a=1.0)
    cache.write_text("a file, where a folder should be")
    assert found("metrics.a = 1") == ["only"]


@pytest.mark.slow
@pytest.mark.parametrize("program", [sys.executable, "/bin/false", "/nowhere/python"])
def test_many_runs_are_read_by_several_processes_or_by_this_one_when_those_fail(
    root: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(readers, "FEWEST", 2)
    monkeypatch.setattr(sys, "executable", program)
    ended = [a_run(root, f"ended \ud800{number}", a=float("nan"), b=number) for number in range(70)]
    dead = a_run(root, "dead", end=False, a=1.0, b=-1.0)
    dead.writer.close()
    shutil.copytree(ended[0].folder, root / "runs" / ("0" * 26))
    (ended[-1].folder / places.RUN).write_text("no record")
    known = search_runs(limit=None)
    folders = sorted((root / "runs").iterdir(), reverse=True)
    assert [record.folder for record in known] == [folder for folder in folders if folder != ended[-1].folder]
    copied = known[-1]
    assert copied.id == "0" * 26
    for record in known[:-1]:
        assert repr(record) == repr(tracking.read(record.folder))  # a NaN equals nothing, not even itself
    assert repr(replace(copied, id=ended[0].id, problems=())) == repr(tracking.read(copied.folder))


SEARCHER = (
    "import sys; from mlgitops.tracking.query.search import search_runs; print(len(search_runs('metrics.a >= 0')))"
)


@pytest.mark.slow
def test_processes_that_search_at_once_agree_and_leave_a_whole_index(root: Path) -> None:
    for number in range(40):
        a_run(root, str(number), end=False, a=float(number)).end("failed")
    started = [
        subprocess.Popen([sys.executable, "-c", SEARCHER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate(timeout=60) for process in started] == [("40\n", "")] * 4
    connection = sqlite3.connect(index.place(records_of(root)))
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (40,)
    connection.close()


@pytest.mark.slow
def test_a_search_that_is_killed_leaves_an_index_that_the_next_one_finishes(root: Path) -> None:
    for number in range(40):
        a_run(root, str(number), a=float(number))
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", SEARCHER], stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 20
            while not index.place(records_of(root)).exists() and process.poll() is None and time.monotonic() < deadline:
                pass
            process.kill()
    assert len(found("metrics.a >= 0")) == 40


def test_names_and_values_from_hostile_hands_are_only_text(root: Path) -> None:
    run = new_run(root, "evil")
    names = ["'); DROP TABLE runs; --", "\ud800", "\ud801", "nul\0nul", "k" * 10_000, "a`b", "\u202e\x1b[31m"]
    for number, name in enumerate(names):
        run.log_param(name, name * 2)
        run.log_metric(name, float(number))
    run.log_param("large", "x" * 1_000_000)
    run.end()
    for number, name in enumerate(names):
        quoted = "`" + name.replace("`", "``") + "`"
        text = name.replace("'", "''") * 2
        assert found(f"metrics.{quoted} = {number} and params.{quoted} = '{text}'") == ["evil"]
    assert found("params.large like 'x%x' and not params.large like '%y%x%y%'") == ["evil"]


def test_parents_groups_branches_and_contexts_can_be_asked_for(root: Path) -> None:
    with mlgitops.start_run("parent", group="sweep") as parent:
        pass
    with mlgitops.start_run("child", parent=parent.id) as child:
        mlgitops.log_metric("loss", 0.5, context={"subset": "val", "fold": 1})
        mlgitops.log_metric("loss", 0.9, context={"subset": "train"})
        mlgitops.log_metric("loss", 0.1)
    assert child.id
    assert found(f"parent = '{parent.id}'") == ["child"]
    assert found("group = 'sweep' or group is not null") == ["parent"]
    assert found("metrics.loss{subset=val,fold=1} = 0.5") == ["child"]
    assert found("metrics.loss{subset=train}.max > 0.8 and metrics.loss < 0.2") == ["child"]
    assert found("metrics.`loss{subset=train}` > 1") == []
    assert found("git.branch is not null and git.branch = 'no-such-branch'") == []
    assert search_runs(f"parent = '{parent.id}'").rows(["metrics.loss{subset=train}"]) == [(0.9,)]


def test_a_record_under_anothers_id_is_found_and_kept_under_its_own(root: Path) -> None:
    run = a_run(root, "evil")
    raw = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").unlink()
    (run.folder / "run.json").write_text(json.dumps(raw | {"id": "../../../etc"}))
    (record,) = search_runs(root=root)
    assert (record.id, record.folder) == (run.id, run.folder)
    assert record.problems == ("its run.json is of another run, ../../../etc",)
