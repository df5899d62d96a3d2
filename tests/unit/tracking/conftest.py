"""A root for run records, and scripts that run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlgitops.tracking import helper, ranks, session
from servers.s3 import s3, s3_server

__all__ = ["s3", "s3_server"]

Script = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that the test's runs go to; runs that the test leaves open are ended."""
    folder = tmp_path / "records"
    monkeypatch.setenv("MLGITOPS_DIR", str(folder))
    for name in (*ranks.VARIABLES, "MLGITOPS_RUN_ID", "MLGITOPS_DISABLED", "MLGITOPS_STRICT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(session, "_experiment", "")
    monkeypatch.setattr(session, "_taken", set())
    monkeypatch.chdir(tmp_path)
    yield folder
    while session.active_run():
        session.end_run()


@pytest.fixture
def own_capture(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Capture the test's own folder: a process captures once, and an earlier test did it in the checkout's."""
    monkeypatch.setattr(helper, "_helper", None)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    """Start Python with some source; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, **environment: str) -> subprocess.Popen[str]:
        path = tmp_path / "train.py"
        path.write_text(source)
        process = subprocess.Popen(
            [sys.executable, str(path)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        with process:
            pass  # closes the pipes and waits
