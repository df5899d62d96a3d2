"""What becomes of models that are still being saved when the script that trained them ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.errors import InputError
from mlgitops.tracking import records, saver
from unit.tracking.autolog.conftest import Script, assert_sealed, only, wait_until

pytestmark = pytest.mark.slow

TRAINING = """
import os, signal, sys
import mlgitops
from mlgitops.tracking import saver
from mlgitops.tracking.autolog import models
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
X, Y = load_iris(return_X_y=True)
models._OBJECT_BYTES_PER_SECOND["skops"] = 100.0  # any model takes too long
mlgitops.autolog(log_datasets=False)
"""
HELD = """
def stopped(self):
    start(self)
    os.kill(self.child, signal.SIGSTOP)
    print(self.child, flush=True)
start, saver.Saver._start = saver.Saver._start, stopped
saver.PATIENCE = 150.0  # the process that saves gives way to all others
"""


@pytest.fixture(autouse=True)
def nothing_ends_with_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in saver._ENDING:
        monkeypatch.delenv(name, raising=False)


def test_a_class_that_a_script_defines_is_left_out_with_the_reason(script: Script, root: Path) -> None:
    source = TRAINING + "class Mine(LogisticRegression): pass\nMine(max_iter=1000).fit(X, Y)\n"
    process = script(source)
    _, told = process.communicate()
    assert (process.returncode, only(root).saving) == (0, ())
    assert "it uses what a script defines, which another process does not find" in told
    assert "autolog(log_models=True)" in only(root).tags["autolog.model"]


def test_a_module_beside_the_script_does_not_run_once_more_and_its_model_is_missed(
    script: Script, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n"
        "with open('imported', 'a') as file: file.write('x')\n"
        "class Mine(LogisticRegression): pass\n"
    )
    process = script(TRAINING + "import mine\nmine.Mine(max_iter=1000).fit(X, Y)\n")
    process.communicate()
    with pytest.raises(InputError, match="has no model: model model was not saved: "):
        mlgitops.load_model(f"runs:/{only(root).id}")
    (problem,) = only(root).problems
    assert problem.startswith("model model was not saved: mine.Mine is not found outside of the script that trains")
    assert (tmp_path / "imported").read_text() == "x"
    assert_sealed(only(root))


def test_a_script_ends_before_its_model_is_saved_and_leaves_nothing_open(script: Script, root: Path) -> None:
    source = (
        "import warnings; warnings.simplefilter('error')\n" + TRAINING + HELD + "RandomForestClassifier(10).fit(X, Y)\n"
    )
    process = script(source, PYTHONWARNINGS="error", PYTHONDEVMODE="1")
    out, told = process.communicate()  # would not return while anybody holds the script's output
    child = int(out)
    try:
        assert (process.returncode, only(root).saving) == (0, ("model",)), told
        assert "its model is still being saved; the next command waits for it" in told
        assert "Warning" not in told.replace("mlgitops: warning", "")
    finally:
        os.kill(child, signal.SIGCONT)
    record = records.settled(only(root))
    assert len(record.models) == 1
    assert_sealed(record)


def test_a_script_that_is_killed_has_its_model_all_the_same(script: Script, root: Path) -> None:
    source = (
        TRAINING + "with mlgitops.start_run():\n  RandomForestClassifier(10).fit(X, Y)\n  os.kill(os.getpid(), 9)\n"
    )
    process = script(source)
    process.communicate()
    record = records.settled(only(root))
    assert (process.returncode, record.status, len(record.models)) == (-signal.SIGKILL, "killed", 1)


def test_where_everything_ends_with_the_script_it_waits(script: Script, root: Path) -> None:
    process = script(TRAINING + HELD + "RandomForestClassifier(10).fit(X, Y)\n", CI="true")
    assert process.stdout is not None and process.stderr is not None
    child = int(process.stdout.readline())
    try:
        assert any("waiting for 1 models to be saved" in line for line in process.stderr)
    finally:
        os.kill(child, signal.SIGCONT)
    assert process.wait() == 0
    assert len(only(root).models) == 1


def test_a_fork_neither_keeps_the_process_nor_shares_it(script: Script, root: Path) -> None:
    source = TRAINING + (
        "RandomForestClassifier(10).fit(X, Y)\n"
        "first = saver._saver.child\n"
        "saver._lock.acquire()  # as another thread may at any time\n"
        "if os.fork() == 0:\n"
        "    RandomForestClassifier(10).fit(X, Y)\n"
        "    assert saver._saver.child != first\n"
        "    os.close(1); os.close(2)\n"
        "    sys.stdin.read()\n"
        "    os._exit(0)\n"
        "print(first)\n"
    )
    process = script(source, PYTHONWARNINGS="error")
    assert process.stdout is not None
    first = int(process.stdout.readline())
    wait_until(lambda: not _runs(first))
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    process.communicate()
    wait_until(lambda: len(tracking.list_runs(root)) == 2)
    assert [len(records.settled(record).models) for record in tracking.list_runs(root)] == [1, 1]


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_store_gets_the_model_where_the_run_was_pushed_to(script: Script, root: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    process = script(TRAINING + "RandomForestClassifier(10).fit(X, Y)\n", MLGITOPS_STORE_URL=f"file://{store}")
    process.communicate()
    record = records.settled(only(root))
    (current,) = store.glob("runs/*/current.json")
    wait_until(lambda: record.models[0].digest.removeprefix("sha256:") in current.read_text())
    assert len(list(store.glob("model/sha256-*"))) == 1


def test_a_process_that_rests_gives_its_memory_back_and_works_again(script: Script, root: Path) -> None:
    source = TRAINING + (
        "def memory(): return int(open(f'/proc/{saver._saver.child}/statm').read().split()[1]) * 4096 >> 20\n"
        "import time\n"
        "from mlgitops.tracking import records\n"
        "def train():\n"
        "    with mlgitops.start_run() as run: LogisticRegression(max_iter=1000).fit(X, Y)\n"
        "    return len(records.settled(records.read(run.folder)).models)\n"
        "assert train() == 1\n"
        "child, before = saver._saver.child, memory()\n"
        "deadline = time.monotonic() + 60\n"
        "while memory() > 50: assert time.monotonic() < deadline; time.sleep(0.1)\n"
        "assert train() == 1 and saver._saver.child == child and before > 70\n"
    )
    process = script(source)
    _, told = process.communicate()
    assert process.returncode == 0, told


def test_an_installed_module_that_starts_a_run_when_it_is_imported_starts_none_there(
    script: Script, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "theirs.py").write_text(
        "import mlgitops\nfrom sklearn.linear_model import LogisticRegression\n"
        "mlgitops.start_run('theirs')\nclass Theirs(LogisticRegression): pass\n"
    )
    source = TRAINING + "import theirs\ntheirs.Theirs(max_iter=1000).fit(X, Y)\n"
    process = script(source, PYTHONPATH=str(tmp_path / "installed"))
    process.communicate()
    wait_until(lambda: not only(root).saving)
    (problem,) = only(root).problems
    assert "types that are not trusted: theirs.Theirs" in problem
