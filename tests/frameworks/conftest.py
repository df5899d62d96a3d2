"""Runs in an environment of its own, see ``make test-frameworks``: only what that has can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.tracking import session

EXAMPLES = Path(__file__).parents[2] / "examples" / "training"
Record = tracking.RunRecord


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that the test's runs go to; autologging is off again after it."""
    folder = tmp_path / "records"
    monkeypatch.setenv("MLGITOPS_DIR", str(folder))
    monkeypatch.setenv("MLGITOPS_STRICT", "1")
    monkeypatch.chdir(tmp_path)
    yield folder
    mlgitops.autolog(disable=True)
    while session.active_run():
        session.end_run()


@pytest.fixture
def only_run(root: Path) -> Callable[[], Record]:
    def read() -> Record:
        (record,) = tracking.list_runs(root)
        assert (record.status, record.problems) == ("finished", ())
        return record

    return read


@pytest.fixture
def run_example(only_run: Callable[[], Record]) -> Callable[[str], Record]:
    def run(name: str) -> Record:
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / name)], env=dict(os.environ), capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stderr
        return only_run()

    return run
