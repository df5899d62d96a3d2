"""Runs that belong together, go on, are shared by processes, or are none."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import mlgitops
from mlgitops import digest, tracking
from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking import disabled, locks, session
from mlgitops.tracking.run import Run

pytestmark = pytest.mark.slow

Script = Callable[..., subprocess.Popen[str]]


def only_run(root: Path) -> tracking.RunRecord:
    (found,) = tracking.list_runs(root)
    return found


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


# Families


def test_a_child_names_its_parent_and_takes_its_experiment(root: Path) -> None:
    with mlgitops.start_run("study", experiment="tuning") as study:
        with mlgitops.start_run("trial", nested=True, group="grid") as trial:
            pass
        by_handle = mlgitops.start_run("by-handle", parent=study)
        by_handle.end()
        by_id = mlgitops.start_run("by-id", parent=study.id[:-2].lower())
        by_id.end()
    for run in (trial, by_handle, by_id):
        record = tracking.read(run.folder)
        assert (record.parent, record.experiment) == (study.id, "tuning")
    assert tracking.read(trial.folder).group == "grid"
    assert tracking.read(study.folder).parent == ""


def test_a_run_within_another_is_no_child_unless_it_says_so(root: Path) -> None:
    with mlgitops.start_run(), mlgitops.start_run() as inner:
        pass
    assert tracking.read(inner.folder).parent == ""


def test_a_parent_that_nobody_knows_is_not_found(root: Path) -> None:
    with pytest.raises(NotFoundError, match="has no run"):
        mlgitops.start_run(parent="01ZZZ")


def test_experiments_are_described_once(root: Path) -> None:
    for _ in range(2):
        mlgitops.set_experiment("iris", description="Three flowers", tags={"team": "botany"})
    with mlgitops.start_run() as run:
        pass
    (found,) = tracking.experiments(root)
    assert (found.name, found.description, found.tags) == ("iris", "Three flowers", {"team": "botany"})
    assert len(list((found.folder / "meta").iterdir())) == 2
    assert tracking.read(run.folder).experiment == "iris"


# Going on


def test_a_finished_run_goes_on_with_its_steps_and_is_sealed_again(root: Path) -> None:
    with mlgitops.start_run("first", experiment="iris", tags={"a": 1}) as run:
        mlgitops.log_metric("loss", 3.0)
        mlgitops.log_metric("loss", 2.0)
        mlgitops.log_metric("loss", 8.0, step=5, context="val")
    before = tracking.read(run.folder)
    with mlgitops.start_run(resume=run.id[:-1]) as again:
        assert tracking.read(run.folder).status == "running"
        mlgitops.log_metric("loss", 1.0)
        mlgitops.log_metric("loss", 7.0, context="val")
    record = only_run(root)
    assert again.id == run.id
    assert (record.name, record.experiment, record.status) == ("first", "iris", "finished")
    assert record.started_at == before.started_at
    assert len(record.resumed_at) == 1
    assert record.tags == {"a": "1"}
    assert [point.step for point in tracking.read_points(run.folder, "loss")] == [0, 1, 2]
    assert record.metrics["loss{subset=val}"].step == 6
    assert (run.folder / "capture-1.json").exists() and record.capture == "complete"
    sealed = {entry.path for entry in digest.Manifest.from_bytes((run.folder / "manifest.json").read_bytes()).files}
    assert len([name for name in sealed if name.startswith("w-")]) == 2


def test_a_killed_run_goes_on_and_keeps_its_points(root: Path, script: Script) -> None:
    process = script(
        "import mlgitops, os, signal\n"
        "mlgitops.start_run()\n"
        "for step in range(10): mlgitops.log_metric('loss', step)\n"
        "run = mlgitops.active_run()\n"
        "while not (run.folder / 'capture.json').exists(): pass\n"  # its process holds no file of ours any more
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process.wait()
    killed = only_run(root)
    assert killed.status == "killed"
    with mlgitops.start_run(resume=killed.id):
        mlgitops.log_metric("loss", 10)
    record = only_run(root)
    assert (record.status, record.metrics["loss"].count, record.metrics["loss"].step) == ("finished", 11, 10)


def test_what_a_failed_run_said_stays_when_it_goes_on(root: Path) -> None:
    with pytest.raises(ValueError, match="bad"), mlgitops.start_run() as run:
        raise ValueError("bad")
    for _ in range(2):
        with mlgitops.start_run(resume=run.id):
            pass
    record = only_run(root)
    assert record.status == "finished"
    assert record.problems == ("before it was resumed: ValueError: bad",)
    assert len(record.resumed_at) == 2


def test_of_two_that_resume_at_once_one_goes_on_and_the_other_is_told(root: Path, script: Script) -> None:
    with mlgitops.start_run() as run:
        pass
    process = script(f"import mlgitops\nmlgitops.start_run(resume='{run.id}')\nprint('up', flush=True)\ninput()\n")
    assert process.stdout.readline() == "up\n"
    with pytest.raises(InputError, match="still written by another process"):
        mlgitops.start_run(resume=run.id)
    process.communicate("\n")
    with mlgitops.start_run(resume=run.id):
        pass
    assert len(only_run(root).resumed_at) == 2


def test_a_run_that_is_just_being_added_up_again_is_resumed_a_moment_later(root: Path) -> None:
    with mlgitops.start_run() as run:
        pass
    lock = locks.claim(run.folder / ".owner")  # as a process has it that takes a model or a score in
    assert lock is not None
    giving_back = threading.Timer(0.2, lock.close)
    giving_back.start()
    with mlgitops.start_run(resume=run.id):
        pass
    giving_back.join()
    assert len(only_run(root).resumed_at) == 1


def test_a_run_of_this_process_that_still_runs_is_not_resumed(root: Path) -> None:
    run = mlgitops.start_run()
    with pytest.raises(InputError, match="still written"):
        mlgitops.start_run(resume=run.id)


@pytest.mark.parametrize(
    "arguments", [{"resume": "a", "join": "b"}, {"parent": "a", "nested": True}, {"mode": "offline"}]
)
def test_arguments_that_contradict_each_other_are_refused(root: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(InputError):
        mlgitops.start_run(**arguments)  # type: ignore[arg-type]


def test_a_run_cannot_end_as_anything(root: Path) -> None:
    with mlgitops.start_run() as run, pytest.raises(InputError, match="known: finished, failed, preempted"):
        run.end("great")


# Many processes

RANK = """
import os, sys, mlgitops
with mlgitops.start_run("ranks") as run:
    print("up", flush=True)
    sys.stdin.readline()
    rank = int(os.environ.get("RANK", "0"))
    mlgitops.log_metric("loss", rank, step=rank)
    mlgitops.log_metric("own", rank, context={"rank": rank})
    print(run.is_owner, flush=True)
"""


@pytest.mark.parametrize("first", [0, 1])
def test_ranks_write_one_record_whoever_comes_and_goes_first(root: Path, script: Script, first: int) -> None:
    run_id = mlgitops.new_run_id()
    ranks = [script(RANK, RANK=str(rank), MLGITOPS_RUN_ID=run_id) for rank in (first, 1 - first)]
    for process in ranks:
        assert process.stdout.readline() == "up\n"
    owners = [finished_with(process, "\n") for process in ranks]
    assert owners[first] == "True\n" and owners[1 - first] == "False\n"
    record = only_run(root)
    assert (record.id, record.status, record.problems) == (run_id, "finished", ())
    assert record.metrics["loss"].count == 2
    assert {"own{rank=0}", "own{rank=1}"} < set(record.metrics)
    headers = [json.loads(path.read_text().splitlines()[0])["writer"] for path in record.folder.glob("w-*")]
    assert {(who["rank"], who["role"]) for who in headers} == {(0, "owner"), (1, "member")}
    digest.Manifest.of_folder(record.folder / "artifacts")


def finished_with(process: subprocess.Popen[str], line: str) -> str:
    out, err = process.communicate(line)
    assert process.returncode == 0, err
    return out


def test_the_record_of_ranks_is_sealed_over_all_lines(root: Path, script: Script) -> None:
    run_id = mlgitops.new_run_id()
    ranks = [script(RANK, RANK=str(rank), MLGITOPS_RUN_ID=run_id) for rank in (0, 1)]
    for process in ranks:
        process.stdout.readline()
    for process in ranks:  # the owner goes first
        finished_with(process, "\n")
    manifest = digest.Manifest.from_bytes((root / "runs" / run_id / "manifest.json").read_bytes())
    for entry in manifest.files:
        assert digest.of_file(root / "runs" / run_id / entry.path) == entry.digest


def test_other_ranks_log_nothing_unless_they_are_told(root: Path, script: Script) -> None:
    process = script(RANK, RANK="3")
    _, told = process.communicate("\n")
    assert process.returncode == 0, told
    assert tracking.list_runs(root) == ()


def test_a_requeued_job_goes_on_with_its_run(root: Path, script: Script) -> None:
    run_id = mlgitops.new_run_id()
    first = script(RANK, MLGITOPS_RUN_ID=run_id)
    first.stdout.readline()
    first.kill()
    first.wait()
    second = script(RANK, MLGITOPS_RUN_ID=run_id)
    finished_with(second, "\n")
    record = only_run(root)
    assert (record.id, record.status, len(record.resumed_at)) == (run_id, "finished", 1)


def test_processes_without_ranks_share_a_run_by_its_id(root: Path, script: Script) -> None:
    with mlgitops.start_run("driver") as run:
        worker = script(f"import mlgitops\nwith mlgitops.start_run(join='{run.id}'): mlgitops.log_metric('b', 2)\n")
        finished(worker)
        mlgitops.log_metric("a", 1)
    assert set(only_run(root).metrics) == {"a", "b"}


def test_a_member_that_fails_is_named(root: Path, script: Script) -> None:
    with mlgitops.start_run("driver") as run:
        worker = script(f"import mlgitops\nwith mlgitops.start_run(join='{run.id}'): raise ValueError('bad shard')\n")
        worker.communicate()
    record = only_run(root)
    assert record.status == "finished"
    assert any("bad shard" in problem for problem in record.problems)


def test_a_handle_that_is_sent_to_workers_writes_to_the_same_run(root: Path, script: Script) -> None:
    process = script(
        "import multiprocessing, mlgitops\n"
        "def work(run, number):\n"
        "    run.log_metric('loss', number, step=number)\n"
        "    run.end()\n"
        "if __name__ == '__main__':\n"
        "    with mlgitops.start_run() as run:\n"
        "        with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "            pool.starmap(work, [(run, n) for n in range(6)])\n"
    )
    finished(process)
    record = only_run(root)
    assert record.status == "finished"
    assert record.metrics["loss"].count == 6


def test_a_handle_is_itself_when_it_comes_back(root: Path) -> None:
    with mlgitops.start_run() as run:
        assert pickle.loads(pickle.dumps(run)) is run


@pytest.mark.parametrize("run_id", ["slurm-17", "../evil", "01ARZ3"])
def test_an_id_that_is_none_is_refused_at_once(root: Path, monkeypatch: pytest.MonkeyPatch, run_id: str) -> None:
    monkeypatch.setenv("MLGITOPS_RUN_ID", run_id)
    with pytest.raises(InputError, match="new_run_id"):
        mlgitops.start_run()


# Nothing at all


def test_a_disabled_run_takes_every_call_and_writes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLGITOPS_DISABLED", "1")
    mlgitops.set_experiment("iris", description="x")
    with mlgitops.start_run(tags={"a": 1}) as run:
        mlgitops.log_metric("loss", "no number")  # type: ignore[arg-type]
        mlgitops.log_metrics({"loss": 1.0})
        mlgitops.log_params({"a": 1})
        mlgitops.log_image("no image")
        mlgitops.log_artifact("/not/there")
        assert mlgitops.log_dataset("/not/there", "data").digest == ""
        assert mlgitops.log_model(object()).path == ""
        assert pickle.loads(pickle.dumps(run)).name == run.name
        assert mlgitops.active_run() is run
    mlgitops.log_metric("loss", 1.0)
    mlgitops.end_run()
    assert not root.exists()
    assert capfd.readouterr().err == ""


def test_one_run_can_be_disabled(root: Path) -> None:
    with mlgitops.start_run(mode="disabled"):
        mlgitops.log_metric("loss", 1.0)
    assert tracking.list_runs(root) == ()


def test_a_disabled_run_has_an_answer_of_its_own_to_all_that_writes() -> None:
    kept = {"head", "add_problem", "go_on_after", "finish_capture"}
    media = {name for name in vars(disabled.DisabledRun.__mro__[2]) if name.startswith("log_")} - {
        "log_artifact",
        "log_dataset",
        "log_model",
    }  # by _keep
    public = {name for name, member in vars(Run).items() if callable(member) and not name.startswith("_")}
    assert public - kept - media <= set(vars(disabled.DisabledRun))
    assert "_keep" in vars(disabled.DisabledRun)


# The end


def test_sigterm_makes_a_run_preempted_and_kills_as_before(root: Path, script: Script) -> None:
    process = script(
        "import mlgitops, time\n"
        "mlgitops.start_run()\n"
        "mlgitops.log_metric('loss', 1)\n"
        "print('up', flush=True)\n"
        "while True: time.sleep(0.01)\n"
    )
    assert process.stdout.readline() == "up\n"
    process.terminate()
    process.communicate()
    assert process.returncode == -signal.SIGTERM
    record = only_run(root)
    assert (record.status, record.problems) == ("preempted", ("SIGTERM",))
    assert (record.folder / "manifest.json").exists()


def test_a_preempted_run_that_is_killed_before_it_is_summed_up_is_preempted(root: Path) -> None:
    run = mlgitops.start_run()
    run._line("end", '"preempted"')
    run.writer.close()
    assert tracking.read(run.folder).status == "preempted"


def test_a_handler_of_the_script_is_left_alone(root: Path) -> None:
    mine = lambda *_: None  # noqa: E731
    before = signal.signal(signal.SIGTERM, mine)
    try:
        with mlgitops.start_run():
            assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_default_handler_is_back_when_no_run_is_left(root: Path) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with mlgitops.start_run():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_run_is_started_in_a_thread_too(root: Path) -> None:
    thread = threading.Thread(target=lambda: mlgitops.start_run().end())
    thread.start()
    thread.join()
    assert only_run(root).status == "finished"
    while session.active_run():
        session.end_run()


def test_a_terminated_fork_dies_silently_and_ends_nothing(root: Path, script: Script) -> None:
    process = script(
        "import multiprocessing, time, mlgitops\n"
        "context = multiprocessing.get_context('fork')\n"
        "with mlgitops.start_run():\n"
        "    child = context.Process(target=time.sleep, args=(60,))\n"
        "    child.start()\n"
        "    child.terminate()\n"
        "    child.join()\n"
        "    print(child.exitcode)\n"
    )
    out, told = process.communicate()
    assert (process.returncode, out) == (0, "-15\n")
    assert told.count("mlgitops: run 01") == 1
    assert only_run(root).status == "finished"


def test_leaving_by_exit_is_finishing_unless_the_code_says_otherwise(root: Path) -> None:
    for code, status in ((0, "finished"), (None, "finished"), (3, "failed")):
        with pytest.raises(SystemExit), mlgitops.start_run() as run:
            sys.exit(code)
        assert tracking.read(run.folder).status == status


@pytest.mark.parametrize("python", ["python3.12", "python3.13"])
@pytest.mark.slow
def test_forking_is_silent_where_python_warns_of_threads(root: Path, tmp_path: Path, python: str) -> None:
    known = [
        *Path.home().glob(f".pyenv/versions/{python.removeprefix('python')}.*/bin/python"),
        Path("/usr/bin") / python,
    ]
    interpreter = next((path for path in known if path.exists()), None)
    if interpreter is None:
        pytest.skip(f"there is no {python} here")
    source = (
        "import multiprocessing, mlgitops\n"
        "def work(number): mlgitops.log_metric('loss', number, step=number)\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('fork')\n"
        "    with mlgitops.start_run(), context.Pool(2) as pool: pass\n"
        "    with mlgitops.start_run():\n"
        "        children = [context.Process(target=work, args=(n,)) for n in range(4)]\n"
        "        for child in children: child.start()\n"
        "        for child in children: child.join()\n"
    )
    (tmp_path / "train.py").write_text(source)
    done = subprocess.run(
        [interpreter, "-W", "error", str(tmp_path / "train.py")],
        env={**os.environ, "PYTHONPATH": str(Path(mlgitops.__file__).parents[1]), "MLGITOPS_DIR": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr and "Traceback" not in done.stderr
    assert tracking.list_runs(root)[0].metrics["loss"].count == 4


def test_a_run_that_goes_on_stays_below_its_parent_and_in_its_group(root: Path) -> None:
    with mlgitops.start_run("study", experiment="iris") as parent:
        child = mlgitops.start_run("trial", parent=parent, group="folds")
        child.end()
    with mlgitops.start_run("another name", resume=child.id):
        pass
    record = tracking.read(child.folder)
    assert (record.name, record.experiment) == ("trial", "iris")
    assert (record.parent, record.group) == (parent.id, "folds")
