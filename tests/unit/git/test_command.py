from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mlgitops.errors import OutsideError
from mlgitops.git.command import run


def test_what_git_says_and_reads_is_bytes(tmp_path: Path) -> None:
    output = run(tmp_path, ["stripspace"], stdin=b"\xff \n\n")
    assert (output.status, output.stdout, output.text) == (0, b"\xff\n", "\udcff")


def test_a_complaint_is_one_in_english_with_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_CH.UTF-8")
    output = run(tmp_path, ["no-such-command"])
    assert output.status == 1
    assert "is not a git command" in output.reason


@pytest.mark.slow
def test_a_server_that_never_answers_is_left_with_nobody_on_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/registry.git"
        output = run(tmp_path, ["ls-remote", address], timeout=2)
        assert output.status != 0
        assert output.reason == "git did not end within 2 seconds"
        line, _ = server.accept()
        with line:
            line.settimeout(30)
            while line.recv(4096):
                pass  # what it had asked before; then the end, because its process is gone


def test_a_machine_without_git_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutsideError, match="install git"):
        run(tmp_path, ["version"])
