"""Files that are either the old or the new."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlgitops.errors import OutsideError
from mlgitops.files import lock, write_atomic


def test_a_file_and_its_folder_are_made(tmp_path: Path) -> None:
    write_atomic(tmp_path / "deep" / "er" / "a.json", b"{}")
    assert (tmp_path / "deep" / "er" / "a.json").read_bytes() == b"{}"


def test_the_mode_is_the_one_asked_for(tmp_path: Path) -> None:
    write_atomic(tmp_path / "key", b"secret", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "run.json"
    write_atomic(target, b"old")

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(target, b"new", sync=True)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_held_lock_refuses_another_process_and_is_free_after_the_block(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    attempt = [
        sys.executable,
        "-c",
        "import sys, pathlib, mlgitops.files as f\nwith f.lock(pathlib.Path(sys.argv[1]), blocking=False): pass",
        str(path),
    ]
    with lock(path):
        refused = subprocess.run(attempt, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "is locked by another process" in refused.stderr
    assert subprocess.run(attempt, check=False).returncode == 0


def test_a_lock_that_cannot_be_had_at_once_is_an_outside_error(tmp_path: Path) -> None:
    with lock(tmp_path / "lock"), pytest.raises(OutsideError, match="locked"), lock(tmp_path / "lock", blocking=False):
        pass
