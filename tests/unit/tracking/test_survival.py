"""What is in a record when its process dies, forks, or the disk gives out."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlgitops import tracking

pytestmark = pytest.mark.slow

Script = Callable[..., subprocess.Popen[str]]


def only_run(root: Path) -> tracking.RunRecord:
    (found,) = tracking.list_runs(root)
    return found


def test_every_point_that_was_logged_before_sigkill_is_there(root: Path, script: Script) -> None:
    process = script(
        "import mlgitops\n"
        "run = mlgitops.start_run()\n"
        "for step in range(10**9):\n"
        "    mlgitops.log_metric('loss', step / 2, step=step)\n"
        "    print(step, flush=True)\n"
    )
    for line in process.stdout:
        if int(line) >= 2000:
            break
    process.send_signal(signal.SIGKILL)
    told = [int(line) for line in process.stdout.read().splitlines()]
    process.wait()

    record = only_run(root)

    points = list(tracking.read_points(record.folder, "loss"))
    assert record.status == "killed"
    assert [point.step for point in points] == list(range(len(points)))
    assert len(points) > max(told, default=2000)
    assert all(point.value == point.step / 2 for point in points)
    assert record.metrics["loss"].count == len(points)


def test_a_living_process_is_running_and_a_dead_one_killed(root: Path, script: Script) -> None:
    process = script("import mlgitops\nmlgitops.start_run()\nprint('up', flush=True)\ninput()\n")
    assert process.stdout.readline() == "up\n"
    assert only_run(root).status == "running"
    process.kill()
    process.wait()
    assert only_run(root).status == "killed"


def test_a_run_that_a_script_leaves_open_is_finished_at_its_end(root: Path, script: Script) -> None:
    process = script("import mlgitops\nmlgitops.log_metric('loss', 1)\n")
    _, told = process.communicate()
    assert process.returncode == 0, told
    record = only_run(root)
    assert (record.status, record.name) == ("finished", "train")
    assert record.metrics["loss"].count == 1


@pytest.mark.parametrize(("form", "status"), [("with run: sys.exit(3)", "failed"), ("sys.exit(3)", "finished")])
def test_an_exit_code_makes_a_run_failed_where_it_can_be_seen(
    root: Path, script: Script, form: str, status: str
) -> None:
    process = script(f"import mlgitops, sys\nrun = mlgitops.start_run()\n{form}\n")
    process.communicate()
    assert process.returncode == 3
    assert only_run(root).status == status  # of an open run Python tells nobody: docs/how-to/track-runs.md


def test_an_uncaught_error_makes_an_open_run_failed(root: Path, script: Script) -> None:
    process = script("import mlgitops\nmlgitops.start_run()\nraise ValueError('bad data')\n")
    process.communicate()
    assert process.returncode == 1
    record = only_run(root)
    assert record.status == "failed"
    assert record.problems == ("ValueError: bad data",)


def test_forked_children_write_files_of_their_own_and_do_not_end_the_run(root: Path, script: Script) -> None:
    process = script(
        "import multiprocessing, os, mlgitops\n"
        "def work(number):\n"
        "    for step in range(100):\n"
        "        mlgitops.log_metric(f'child{number}', step)\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('fork')\n"
        "    with mlgitops.start_run():\n"
        "        mlgitops.log_metric('parent', 1)\n"
        "        children = [context.Process(target=work, args=(n,)) for n in range(3)]\n"
        "        for child in children: child.start()\n"
        "        for child in children: child.join()\n"
        "        if os.fork() == 0:\n"
        "            raise SystemExit(0)\n"  # leaves the with statement in the child
        "        os.wait()\n"
        "        mlgitops.log_metric('parent', 2)\n"
    )
    _, told = process.communicate()
    assert process.returncode == 0, told
    record = only_run(root)
    assert record.status == "finished"
    assert {name: summary.count for name, summary in record.metrics.items()} == {
        "parent": 2,
        "child0": 100,
        "child1": 100,
        "child2": 100,
    }
    assert len(list(record.folder.glob("w-*.jsonl"))) == 4


def test_forking_stays_silent_when_warnings_are_errors(root: Path, script: Script) -> None:
    process = script(
        "import os, mlgitops\n"
        "with mlgitops.start_run():\n"
        "    child = os.fork()\n"
        "    if child == 0: os._exit(0)\n"
        "    os.waitpid(child, 0)\n",
        PYTHONWARNINGS="error",
    )
    _, told = process.communicate()
    assert process.returncode == 0, told
    assert "Warning" not in told


def test_a_parent_killed_while_its_child_lives_is_not_running(root: Path, script: Script) -> None:
    process = script(
        "import os, mlgitops\n"
        "mlgitops.start_run()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    print('up', flush=True)\n"
        "    input()\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    assert process.stdout.readline() == "up\n"
    process.kill()
    os.waitpid(process.pid, 0)
    process.returncode = -9
    assert only_run(root).status == "killed"
    process.stdin.close()


def test_a_full_disk_tears_one_line_and_stops_no_training(root: Path, script: Script) -> None:
    process = script(
        "import resource, mlgitops\n"
        "run = mlgitops.start_run()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 10**9))\n"  # writes beyond are cut short
        "for step in range(100):\n"
        "    mlgitops.log_metric('loss', 1.0, step=step)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10**9, 10**9))\n"
        "mlgitops.log_metric('loss', 2.0, step=100)\n"
    )
    _, told = process.communicate()
    assert process.returncode == 0, told
    assert told.count("is incomplete") == 1
    record = only_run(root)
    assert record.status == "finished"
    assert 5 < record.metrics["loss"].count < 20
    assert record.metrics["loss"].last == 2.0
    assert "1 damaged lines were left out" in record.problems
    assert any("values were not written" in problem for problem in record.problems)


def test_a_record_that_is_removed_while_it_is_written_stops_no_training(root: Path, script: Script) -> None:
    process = script(
        "import shutil, mlgitops\n"
        "run = mlgitops.start_run()\n"
        "shutil.rmtree(run.folder)\n"
        "mlgitops.log_metric('loss', 1.0)\n"
    )
    _, told = process.communicate()
    assert process.returncode == 0, told
    assert only_run(root).problems == ("the run's folder was removed while it was written",)
    assert told.count("is incomplete") == 1


def test_what_is_logged_after_the_end_of_a_run_is_added_up_when_python_exits(root: Path, script: Script) -> None:
    process = script(
        "import mlgitops\n"
        "run = mlgitops.start_run()\n"
        "run.log_metric('loss', 1.0)\n"
        "run.end()\n"
        "run.log_metric('loss', 2.0)\n"
        "run.log_metric('late', 3.0)\n"
    )
    _, told = process.communicate()
    assert process.returncode == 0, told
    found = only_run(root)
    assert (found.status, found.problems) == ("finished", ())
    assert (found.metrics["loss"].count, found.metrics["late"].last) == (2, 3.0)


@pytest.mark.parametrize(("asked", "waited"), [("1", 3), ("0", 0)])
def test_each_line_is_on_the_disk_where_that_is_asked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, asked: str, waited: int
) -> None:
    monkeypatch.setenv("MLGITOPS_FSYNC", asked)
    with tracking.start_run() as run:
        sizes: list[int] = []
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
            run.log_metric("loss", 1.0)
            run.log_metrics({"loss": 2.0, "auc": 3.0})
            run.log_param("depth", 3)
        (lines,) = run.folder.glob("w-*.jsonl")
        assert len(set(sizes)) == waited
        assert sizes[-1:] == [lines.stat().st_size][:waited]


def test_a_torn_last_line_is_dropped(root: Path) -> None:
    with tracking.start_run() as run:
        run.log_metric("loss", 1.0)
        (lines,) = run.folder.glob("w-*.jsonl")
        with lines.open("ab") as file:
            file.write(b'{"metric":"loss","value":9')
        assert tracking.read(run.folder).metrics["loss"].last == 1.0


def test_a_run_of_another_machine_is_alive_while_its_file_is_young(root: Path) -> None:
    with tracking.start_run() as run:
        head = (run.folder / "run.json").read_bytes()
    folder = root / "runs" / "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    folder.mkdir()
    (folder / "run.json").write_bytes(head)
    lines = folder / "w-elsewhere-1-00.jsonl"
    lines.write_text('{"writer":{"host":"elsewhere","pid":1},"format":1,"time":0.0}\n')
    assert tracking.read(folder).status == "running"
    long_ago = time.time() - 3600
    os.utime(lines, (long_ago, long_ago))
    assert tracking.read(folder).status == "stale"


def test_a_run_after_the_first_one_was_removed_is_captured_anew(root: Path, script: Script) -> None:
    process = script(
        "import shutil, mlgitops\n"
        "with mlgitops.start_run() as first:\n"
        "    pass\n"
        "shutil.rmtree(first.folder)\n"
        "with mlgitops.start_run():\n"
        "    pass\n"
    )
    _, told = process.communicate()
    assert process.returncode == 0, told
    assert only_run(root).capture == "complete"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_second_run_of_a_process_has_the_capture_too(root: Path, script: Script, when: str) -> None:
    wait = "mlgitops.end_run()\n" if when == "after" else ""
    process = script(
        f"import mlgitops\nmlgitops.start_run('one')\n{wait}mlgitops.start_run('two')\nmlgitops.end_run()\n"
    )
    _, told = process.communicate()
    assert process.returncode == 0, told
    for record in tracking.list_runs(root):
        assert record.capture == "complete"
        assert record.source is not None
        assert (record.folder / "packages.txt").read_text().startswith("aio")
