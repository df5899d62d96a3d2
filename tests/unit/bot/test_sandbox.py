"""The wall between models and keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlgitops.bot import sandbox
from mlgitops.errors import CheckFailedError, OutsideError

PROBE = """
import json, os, socket, sys
from mlgitops.bot.scorer import confine
found = {"cut": confine(8 << 30, 60), "environment": sorted(os.environ)}
try:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=2).close()
    found["network"] = True
except OSError:
    found["network"] = False
try:
    with open(sys.argv[1], "wb") as file:
        file.write(b"x")
    found["file"] = True
except OSError:
    found["file"] = False
print(json.dumps(found))
"""


def test_a_confined_process_writes_no_file_and_reaches_no_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, str(tmp_path / "out")], capture_output=True, env={"PATH": os.defpath}
    )
    found = json.loads(done.stdout)
    assert found["file"] is False
    # Some kernels let nobody cut the network; then the answer says so, and the statement with it.
    assert found["network"] is not found["cut"]


def candidate(folder: Path) -> dict[str, sandbox.Candidate]:
    return {"challenger": sandbox.Candidate(folder, "sha256:" + "0" * 64)}


def test_what_the_child_cannot_load_is_a_failed_check_and_says_why(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("a,target\n1,0\n")
    with pytest.raises(CheckFailedError, match=r"the evaluation failed: .* no model package"):
        sandbox.score(candidate(tmp_path), table, "target")


def test_a_child_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 0.01)
    with pytest.raises(OutsideError, match="was stopped"):
        sandbox.score(candidate(tmp_path), tmp_path / "rows.csv", "target")


def test_a_child_that_runs_out_of_memory_takes_nobody_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MEMORY", 64 << 20)
    table = tmp_path / "rows.csv"
    table.write_text("a,target\n1,0\n")
    with pytest.raises((OutsideError, CheckFailedError), match="the evaluation"):
        sandbox.score(candidate(tmp_path), table, "target")


@pytest.mark.parametrize(
    "answer",
    [
        {"rows": 2, "columns": {}, "networkCut": True},
        {"rows": 2, "columns": {"challenger": {"correct": [1.0]}}, "networkCut": True},
        {"rows": 1, "columns": {"challenger": {"correct": [float("nan")]}}, "networkCut": True},
        {"rows": 1, "columns": {"challenger": {"correct": ["1.0"]}}, "networkCut": True},
        {"rows": 1, "columns": {"challenger": {}, "extra": {}}, "networkCut": True},
        {"rows": 1, "columns": [], "networkCut": True},
        {"rows": 1, "columns": {"challenger": {"correct": 7}}},
        [],
        "x",
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_refused(answer: object) -> None:
    with pytest.raises(CheckFailedError, match="the evaluation"):
        sandbox.read_answer(json.dumps(answer).encode(), {"challenger"})


@pytest.mark.parametrize("answer", [b"", b"{", b"\xff"])
def test_an_answer_that_is_no_json_is_refused(answer: bytes) -> None:
    with pytest.raises(CheckFailedError, match="the evaluation"):
        sandbox.read_answer(answer, {"challenger"})
