"""What would fail at the end of a training is told at its start."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import mlgitops
from mlgitops import artifacts, tracking
from mlgitops.cli import run_page
from mlgitops.tracking import beginning, places
from mlgitops.tracking.capture import Code
from mlgitops.tracking.preflight import Preflight
from servers.s3 import S3

pytestmark = pytest.mark.slow

Script = Callable[..., subprocess.Popen[str]]
TWO_RUNS = "import mlgitops\nfor _ in range(2):\n    with mlgitops.start_run(): mlgitops.log_metric('loss', 1)\n"
WARNING = "mlgitops: warning: "


def warned(process: subprocess.Popen[str]) -> list[str]:
    _, told = process.communicate()
    assert process.returncode == 0, told
    return [line.removeprefix(WARNING) for line in told.splitlines() if line.startswith(WARNING)]


def kept(root: Path) -> list[str]:
    newest = max((root / "runs").iterdir())
    found: list[str] = json.loads((newest / places.CAPTURE).read_text())["preflight"]
    return found


def test_where_nothing_is_amiss_nothing_is_said(root: Path, script: Script, tmp_path: Path) -> None:
    assert warned(script(TWO_RUNS)) == []
    assert warned(script(TWO_RUNS, MLGITOPS_STORE_URL=(tmp_path / "store").as_uri())) == []
    assert kept(root) == []


def test_a_store_that_cannot_be_written_is_told_once_and_kept(root: Path, script: Script, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    found = warned(script(TWO_RUNS, MLGITOPS_STORE_URL=(tmp_path / "taken").as_uri()))
    assert found == [f"this run cannot be pushed at its end: {tmp_path}/taken is no folder"]
    assert kept(root) == found
    newest = tracking.list_runs(root)[0]
    assert f"told at its start\n  !  {found[0]}" in run_page.page(newest)
    (newest.folder / places.CAPTURE).write_text('{"format": 1, "preflight": [1, {}, "\\u001b[2J"]}')
    assert "told at its start\n  !  [2J" in run_page.page(tracking.read(newest.folder))


def test_a_package_that_the_store_needs_is_told_with_its_command(script: Script, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "boto3.py").write_text("raise ModuleNotFoundError('no boto3', name='boto3')\n")
    store = {"MLGITOPS_STORE_URL": "s3://models", "PYTHONPATH": str(tmp_path / "without")}
    (found,) = warned(script(TWO_RUNS, **store))
    assert found.endswith("boto3 is not installed; run: pip install 'mlgitops[s3]'")


def of_store(working: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is said of a store that is waited for, however busy the machine is."""
    monkeypatch.setenv("MLGITOPS_STORE_URL", url)
    return Preflight(working).warnings(None, patience=120)


def test_credentials_that_are_absent_or_wrong_are_told_and_never_shown(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    (found,) = of_store(tmp_path, s3.uri, monkeypatch)
    assert "access denied" in found and "hunter2" not in found
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    (found,) = of_store(tmp_path, s3.uri, monkeypatch)
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in found


def test_a_bucket_that_can_be_written_is_left_as_it_was(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert of_store(tmp_path, s3.uri, monkeypatch) == []
    assert artifacts.open_store(s3.uri).list() == {}
    (found,) = of_store(tmp_path, f"{s3.uri}-elsewhere", monkeypatch)
    assert "does not exist" in found


@pytest.mark.parametrize(
    "url", ["s3://key:hunter2@models", "s3://key:hun/hunter2@models/x", "s3://models/a b?k=hunter2"]
)
def test_secrets_of_an_address_are_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MLGITOPS_S3_ENDPOINT_URL", "http://ann:hunter2@127.0.0.1:9")
    (found,) = of_store(tmp_path, url, monkeypatch)
    assert "hunter2" not in found


def test_a_store_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLGITOPS_S3_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("MLGITOPS_STORE_URL", "s3://models")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        (found,) = Preflight(tmp_path).warnings(None, patience=0.1)
    assert "did not answer within 0.1 seconds" in found


def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlgitops.toml").write_text("[store\x1b")
    (found,) = Preflight(tmp_path).warnings(Code(commit="c" * 40))
    assert "mlgitops.toml" in found and found.isprintable()


def test_code_that_is_not_committed_is_told_where_a_registry_refuses_it(tmp_path: Path) -> None:
    dirty, clean = Code(commit="c" * 40, dirty=True), Code(commit="c" * 40)
    assert Preflight(tmp_path).warnings(dirty) == []
    (tmp_path / "mlgitops.toml").write_text('[registry]\nurl = "https://forge.example/models.git"\n')
    assert Preflight(tmp_path).warnings(clean) == Preflight(tmp_path).warnings(None) == []
    assert "which a last stage of the registry refuses" in Preflight(tmp_path).warnings(dirty)[0]
    assert "no commit holds this code" in Preflight(tmp_path).warnings(Code())[0]


def test_a_disk_that_is_nearly_full_is_told_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mlgitops.start_run().end()
    assert "warning" not in capsys.readouterr().err
    monkeypatch.setattr(beginning, "_LITTLE", 1 << 62)
    for _ in range(2):
        mlgitops.start_run().end()
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(WARNING)]
    assert len(told) == 1
    assert f"MiB more fit where run records are kept, {root}" in told[0]


def test_a_training_without_standard_error_starts_its_runs(script: Script, root: Path) -> None:
    process = script("import os, sys\nsys.stderr = open(os.devnull, 'w')\nos.close(2)\n" + TWO_RUNS)
    assert process.wait() == 0
    assert len(list((root / "runs").glob("*/capture.json"))) == 2
