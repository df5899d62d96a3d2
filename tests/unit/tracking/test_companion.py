"""The process beside training: what it samples, and that it never outlives or disturbs anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.tracking import beside, companion

pytestmark = pytest.mark.slow

Script = Callable[..., subprocess.Popen[str]]
BUSY = """
import mlgitops, time
with mlgitops.start_run(system_metrics=0.05) as run:
    print(run._companion._child, flush=True)
    while not any(point.metric == "system/cpu_percent" for point in mlgitops.tracking.read_points(run.folder)):
        time.sleep(0.01)
"""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_the_machine_and_the_process_are_sampled_while_a_run_goes_on(root: Path, script: Script) -> None:
    process = script(f"import mlgitops.tracking\n{BUSY}")
    out, told = process.communicate()
    assert process.returncode == 0, told
    (record,) = tracking.list_runs(root)
    names = {name.removeprefix("system/") for name in record.metrics if name.startswith("system/")}
    assert {
        "cpu_percent",
        "memory_percent",
        "memory_used_bytes",
        "process_cpu_percent",
        "process_memory_bytes",
    } <= names
    assert record.metrics["system/process_memory_bytes"].last > 1 << 20
    assert (record.status, record.problems) == ("finished", ())
    assert is_gone(int(out))


def test_a_killed_training_takes_its_companion_with_it_and_is_killed(root: Path, script: Script) -> None:
    process = script(f"import mlgitops.tracking\n{BUSY}    input()\n")
    companion = int(process.stdout.readline())
    wait_until(lambda: any(p.metric.startswith("system/") for p in tracking.read_points(only(root))))
    process.kill()
    process.wait()
    assert tracking.read(only(root)).status == "killed"  # at once: a helper does not keep a run alive
    wait_until(lambda: is_gone(companion))


def only(root: Path) -> Path:
    (folder,) = (root / "runs").iterdir()
    return folder


def test_training_has_no_thread_and_forks_in_silence_while_it_is_sampled(root: Path, script: Script) -> None:
    process = script(
        "import os, threading, mlgitops\n"
        "with mlgitops.start_run(system_metrics=0.05):\n"
        "    assert threading.active_count() == 1\n"
        "    child = os.fork()\n"
        "    if child == 0: os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n",
        PYTHONWARNINGS="error",
    )
    _, told = process.communicate()
    assert process.returncode == 0, told
    assert "Warning" not in told


def test_the_environment_asks_for_it_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_SYSTEM_METRICS", "0.05")
    with mlgitops.start_run() as run:
        wait_until(lambda: any(tracking.read_points(run.folder, "system/cpu_percent")))


@pytest.mark.parametrize("seconds", ["often", "-1", "nan", "inf"])
def test_what_is_no_number_of_seconds_is_told_and_stops_no_training(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    monkeypatch.setenv("MLGITOPS_SYSTEM_METRICS", seconds)
    with mlgitops.start_run():
        pass
    assert "is no number of seconds" in capsys.readouterr().err


def test_only_true_and_the_environments_1_mean_the_usual_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, float]] = []
    monkeypatch.setenv("MLGITOPS_STORE_URL", "file:///nowhere")
    monkeypatch.setattr(companion, "Companion", lambda _, sampling, pushing: seen.append((sampling, pushing)))
    companion.start(Path(), True, 1.0)
    companion.start(Path(), 1.0, None)
    monkeypatch.setenv("MLGITOPS_PUSH_EVERY", "1")
    companion.start(Path(), None, None)
    assert seen == [(companion.SAMPLE_EVERY, 1.0), (1.0, 0.0), (0.0, companion.PUSH_EVERY)]


def test_pushing_without_a_store_is_told_at_the_start(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = mlgitops.start_run(push_every=30)
    assert "store.url is not set" in capsys.readouterr().err
    run.end()


def test_a_store_that_cannot_be_reached_at_first_is_asked_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "store").write_text("in the way")
    monkeypatch.setenv("MLGITOPS_STORE_URL", (tmp_path / "store").as_uri())
    with mlgitops.start_run() as run:
        push = beside.pushing(run.folder)
        beside.attempt(push)
        (tmp_path / "store").unlink()
        beside.attempt(push)
        assert (tmp_path / "store" / "runs" / run.id / "current.json").exists()


def test_a_missing_package_is_told_with_the_command_that_installs_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with mlgitops.start_run(system_metrics=True) as run:
        pass
    assert "pip install 'mlgitops[system]'" in capsys.readouterr().err
    assert tracking.read(run.folder).status == "finished"


def test_a_companion_that_hangs_is_killed_at_the_end(root: Path) -> None:
    run = mlgitops.start_run(system_metrics=60)
    assert run._companion is not None
    os.kill(run._companion._child, signal.SIGSTOP)
    child = run._companion._child
    run._companion.stop(patience=0.05)
    assert is_gone(child)
    run.end()
