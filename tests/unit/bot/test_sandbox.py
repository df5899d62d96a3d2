"""The wall between models and keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from statsmodels.regression.linear_model import OLS

from mlgitops import packages
from mlgitops.bot import sandbox, scorer
from mlgitops.errors import CheckFailedError, OutsideError

pytestmark = pytest.mark.slow

PROBE = """
import ctypes, json, os, socket, sys
from mlgitops.bot.scorer import confine
confined = confine(8 << 30, 60, sys.argv[2:])
found = {"cut": confined.network_cut, "hidden": confined.secrets_hidden, "environment": sorted(os.environ)}
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
def readable(path):
    try:
        with open(path, "rb") as file:
            return bool(file.read())
    except OSError:
        return False
found["seen"] = [path for path in sys.argv[2:] if readable(path) or os.path.isdir(path) and os.listdir(path)]
found["parent"] = readable(f"/proc/{os.getppid()}/environ")
libc = ctypes.CDLL(None)
found["uncovered"] = [path for path in sys.argv[2:] if libc.umount2(path.encode(), 2) == 0]
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


def test_a_confined_process_sees_no_keys_and_cannot_look_into_its_parent(tmp_path: Path) -> None:
    keys, key = tmp_path / "keys", tmp_path / "evaluator.key"
    keys.mkdir()
    (keys / "default.key").write_text("secret")
    key.write_text("secret")
    with sandbox._closed():
        done = subprocess.run(
            [sys.executable, "-I", "-c", PROBE, str(tmp_path / "out"), str(keys), str(key)],
            capture_output=True,
            env={"PATH": os.defpath},
        )
    found = json.loads(done.stdout)
    assert found["parent"] is False
    assert found["uncovered"] == []
    # Some kernels let nobody make a namespace; then the answer says so, and the statement with it.
    assert (found["seen"] == []) is found["hidden"]
    assert key.read_text() == "secret" and (keys / "default.key").read_text() == "secret"


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


def test_code_of_a_package_is_not_run_where_the_network_could_not_be_cut(tmp_path: Path) -> None:
    request = {"allowCode": True, "dataset": str(tmp_path / "rows.csv")}
    with pytest.raises(PermissionError, match="allowCode"):
        scorer.score(request, scorer.Confined(network_cut=False, secrets_hidden=True))


def test_a_format_that_runs_code_is_scored_where_it_is_allowed_and_the_network_cut(tmp_path: Path) -> None:
    x, y = np.arange(8.0).reshape(4, 2), np.array([1.0, 5.0, 9.5, 13.0])
    package = packages.save(OLS(y, x).fit(), tmp_path / "package", input_example=x)
    table = tmp_path / "rows.csv"
    table.write_text("a,b,target\n0,1,1\n2,3,5\n")

    def score(allow_code: bool) -> sandbox.Scores:
        given = sandbox.Candidate(package.folder, package.digest, allow_code=allow_code)
        return sandbox.score({"challenger": given}, table, "target")

    with pytest.raises(CheckFailedError, match="runs code when loaded"):
        score(allow_code=False)
    try:
        found = score(allow_code=True)
    except CheckFailedError as refused:  # this kernel lets nobody make a namespace
        assert "cut its network" in str(refused)
        return
    assert found.network_cut
    assert len(found.columns["challenger"]["absolute_error"]) == 2


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_answer_for_more_or_fewer_rows_than_the_data_set_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"rows{suffix}"
    write = csv.write_csv if suffix == ".csv" else parquet.write_table
    write(pa.table({"a": [1, 2, 3], "target": [0, 1, 0]}), path)
    answer = {
        "rows": 2,
        "columns": {"challenger": {"correct": [1.0, 1.0]}},
        "networkCut": True,
        "secretsHidden": True,
    }
    # A package that runs code can answer for itself whatever it likes: this Python does.
    liar = tmp_path / "python"
    liar.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{json.dumps(answer)}'\n")
    liar.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(liar))
    with pytest.raises(CheckFailedError, match="answered for 2 rows, the data set has 3"):
        sandbox.score(candidate(tmp_path), path, "target")


@pytest.mark.parametrize(
    "answer",
    [
        {"rows": 2, "columns": {}, "networkCut": True, "secretsHidden": True},
        {"rows": 2, "columns": {"challenger": {"correct": [1.0]}}, "networkCut": True, "secretsHidden": True},
        {"rows": 1, "columns": {"challenger": {"correct": [float("nan")]}}, "networkCut": True, "secretsHidden": True},
        {"rows": 1, "columns": {"challenger": {"correct": ["1.0"]}}, "networkCut": True, "secretsHidden": True},
        {"rows": 1, "columns": {"challenger": {}, "extra": {}}, "networkCut": True, "secretsHidden": True},
        {"rows": 1, "columns": [], "networkCut": True, "secretsHidden": True},
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


class Scoring:
    """Answers what it is asked to."""

    def __init__(self, answer: list[list[float]]) -> None:
        spec = packages.TensorSpec("input", "FP64", (-1, 1))
        self.signature = packages.Signature((spec,), (packages.TensorSpec("predict", "FP32", (-1, 2)),))
        self.answer = np.array(answer)

    def infer(self, inputs: object) -> dict[str, np.ndarray]:
        return {"predict": self.answer}


def test_scores_of_classes_are_right_where_the_highest_is_the_truth() -> None:
    features, truth = {"a": np.zeros(3)}, np.array([0, 1, 2])
    found = scorer.losses(Scoring([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]]), features, truth)  # type: ignore[arg-type]
    assert found["correct"] == [1.0, 1.0, 0.0]
    assert found["log_loss"] == pytest.approx([-np.log(0.5), -np.log(0.75), -np.log(1e-15)])
    found = scorer.losses(Scoring([[3.0, -1.0], [0.0, 2.0], [0.0, 0.0]]), features, truth)  # type: ignore[arg-type]
    assert found == {"correct": [1.0, 1.0, 0.0]}  # logits, of which no probability is known
    with pytest.raises(ValueError, match="1 predictions for 3 rows"):
        scorer.losses(Scoring([[0.5, 0.5]]), features, truth)  # type: ignore[arg-type]
