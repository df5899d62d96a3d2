"""Processes beside training: what they hold, how they step back, and how long anybody waits for them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.errors import OutsideError
from mlgitops.tracking import datasets, helper, locks, places
from mlgitops.tracking.companion import Companion
from mlgitops.tracking.digesting import Digesting

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells")]

Script = Callable[..., subprocess.Popen[str]]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


def niceness(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[16])


def is_lower(process: int) -> bool:
    return niceness(process) == min(19, os.nice(0) + 10)


@pytest.fixture
def slow_git(tmp_path: Path) -> Iterator[Path]:
    """A folder with a git that writes down its niceness and does not answer until the test has ended."""
    real, folder = shutil.which("git"), tmp_path / "bin"
    assert real
    folder.mkdir()
    (folder / "git").write_text(
        f"#!/bin/sh\ncut -d' ' -f19 /proc/self/stat > {folder}/part && mv {folder}/part {folder}/nice\n"
        f'while [ -e {folder}/git ]; do sleep 0.05; done\nexec {real} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    yield folder
    (folder / "git").unlink()


def test_a_process_beside_training_holds_none_of_its_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "looking.py").write_text(
        "import os, sys\n"
        "held = [os.path.realpath(f'/proc/self/fd/{number}') for number in os.listdir('/proc/self/fd')]\n"
        f"open({str(tmp_path / 'held')!r}, 'w').write('\\n'.join(held))\n"
    )
    held = locks.claim(tmp_path / "lock")
    assert held
    plain = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)
    # As they are in a process that has begun and not yet become another program.
    for descriptor in (held.descriptor, plain):
        os.set_inheritable(descriptor, True)
    child = helper.spawn("looking", variables={"PYTHONPATH": str(tmp_path)})
    assert helper.status_of(child, 60) == 0
    names = (tmp_path / "held").read_text().splitlines()
    assert str(tmp_path / "other") in names
    assert str(tmp_path / "lock") not in names
    held.close()
    os.close(plain)


def test_what_captures_steps_back_behind_training(script: Script, slow_git: Path) -> None:
    process = script(
        "import mlgitops\nmlgitops.start_run()\ninput()\n", PATH=f"{slow_git}{os.pathsep}{os.environ['PATH']}"
    )
    wait_until((slow_git / "nice").exists)
    assert int((slow_git / "nice").read_text()) == min(19, os.nice(0) + 10)
    process.kill()


def test_what_samples_and_what_digests_step_back_behind_training(root: Path, tmp_path: Path) -> None:
    run = mlgitops.start_run()
    companion = Companion(run.folder, 60, 0)
    wait_until(lambda: is_lower(companion._child))
    companion.stop()
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)  # of nothing, which takes hours to digest
    digesting = Digesting(run.folder, tmp_path / "large", {"name": "large"})
    wait_until(lambda: is_lower(digesting._child))
    os.kill(digesting._child, signal.SIGKILL)
    assert digesting.wait(60)
    assert digesting.has_failed


def test_a_run_that_is_taken_away_does_not_wait_for_what_is_slow(root: Path, script: Script, slow_git: Path) -> None:
    process = script(
        "import mlgitops, time\nmlgitops.start_run()\nprint('up', flush=True)\nwhile True: time.sleep(0.01)\n",
        PATH=f"{slow_git}{os.pathsep}{os.environ['PATH']}",
    )
    assert process.stdout.readline() == "up\n"
    wait_until((slow_git / "nice").exists)
    process.terminate()
    assert process.wait(timeout=helper.PATIENCE - 1) == -signal.SIGTERM
    (record,) = tracking.list_runs(root)
    assert (record.status, record.capture) == ("preempted", "pending")


def test_a_digest_that_is_not_made_raises_in_strict_mode_at_the_end(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLGITOPS_STRICT", "1")
    monkeypatch.setattr(datasets, "LARGE", 10)
    with (tmp_path / "train.csv").open("wb") as file:
        file.truncate(1 << 40)
    run = mlgitops.start_run()
    run.log_dataset(tmp_path / "train.csv")
    os.kill(run.digesting[0]._child, signal.SIGKILL)
    with pytest.raises(OutsideError, match=r"the digest of data 'train\.csv' was not made"):
        run.end()
    assert tracking.read(run.folder).status == "finished"


def test_a_push_that_fails_while_the_run_goes_on_raises_in_strict_mode_at_the_end(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLGITOPS_STRICT", "1")
    monkeypatch.setenv("MLGITOPS_RUN_ID", mlgitops.new_run_id())
    monkeypatch.setenv("MLGITOPS_STORE_URL", (tmp_path / "store").as_uri())
    place = tmp_path / "store" / "runs" / os.environ["MLGITOPS_RUN_ID"]
    (place / "current.json").mkdir(parents=True)  # in the way
    run = mlgitops.start_run(push_every=0.05)
    wait_until((place / "live").exists)
    with pytest.raises(OutsideError, match=r"the process beside training failed: .*current\.json"):
        run.end()
    assert tracking.read(run.folder).status == "finished"
    assert (run.folder / places.RUN).exists()
