"""A cluster's folder says who runs it and where it listens."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from mlgitops.errors import InputError, NotFoundError
from mlgitops.local.cluster import Cluster
from mlgitops.local.layout import Endpoints, Layout, Process

ENDS = Endpoints(block=64, address="127.64.0.1", pods="127.64.128.0/17", api=1, gateway=2)


def test_endpoints_and_processes_are_read_as_they_were_written(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.write_endpoints(ENDS)
    layout.write_parts({"etcd": Process(7, 1)})
    assert layout.read_endpoints() == ENDS
    assert layout.read_parts() == {"etcd": Process(7, 1)}


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "endpoints.json").write_text(content)
    assert Layout(tmp_path).read_endpoints() is None


@pytest.mark.parametrize("content", ["", "x", "999999999", str(os.getpid())], ids=["empty", "text", "gone", "ours"])
def test_a_pid_file_alone_makes_no_supervisor(tmp_path: Path, content: str) -> None:
    (tmp_path / "supervisor.pid").write_text(content)
    assert Layout(tmp_path).supervisor() is None


def test_the_process_that_names_the_folder_is_its_supervisor(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print(1, flush=True); input()", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (tmp_path / "supervisor.pid").write_text(str(process.pid))
        assert Layout(tmp_path).supervisor() == process.pid
        process.communicate(b"\n")


@pytest.mark.parametrize("name", ["", "Upper", "../up", "a/b", "-a", "a" * 41])
def test_a_name_that_is_no_label_is_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(InputError, match="must be 1 to 40"):
        Cluster.up(name)


def test_elsewhere_than_on_linux_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(InputError, match="needs Linux, this is Darwin; use kind"):
        Cluster.up("any")


def test_an_unknown_cluster_is_answered_with_the_known_ones(nothing_of_the_user: Path) -> None:
    folder = nothing_of_the_user / "state" / "mlgitops" / "clusters" / "known"
    folder.mkdir(parents=True)
    Layout(folder).write_endpoints(ENDS)
    with pytest.raises(
        NotFoundError, match="no local cluster other; known: known; name one with --name, such as: --name known"
    ):
        Cluster.find("other")
    assert [cluster.name for cluster in Cluster.list()] == ["known"]
    assert not Cluster.find("known").running
