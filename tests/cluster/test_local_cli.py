"""``mlgitops local`` as a person uses it, in processes of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlgitops.local.cluster import Cluster

NAME = "typed"
MLGITOPS = (sys.executable, "-c", "from mlgitops.cli.main import main; main()")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*MLGITOPS, "local", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def until(condition: Callable[[], bool], *, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


@pytest.fixture
def started(nothing_of_the_user: Path) -> Iterator[Cluster]:
    """A cluster that the commands find by its name."""
    cluster = Cluster.up(NAME, attached=True, parts=("etcd", "kube-apiserver"))
    yield cluster
    cluster.down()


def test_status_lists_clusters_with_the_processes_they_are_made_of(started: Cluster) -> None:
    (shown,) = json.loads(run("status", "--output", "json").stdout)["clusters"]
    assert (shown["name"], shown["state"], shown["gateway"]) == (NAME, "running", started.gateway_url)
    assert {part["name"]: part["pid"] for part in shown["parts"]} == {
        name: process.pid for name, process in started.parts.items()
    }
    assert f"{NAME}: running" in run("status").stdout
    assert run("kubeconfig", "--name", NAME).stdout == f"{started.kubeconfig}\n"


def test_kubectl_runs_against_the_cluster_and_hands_back_its_exit_code(started: Cluster) -> None:
    fine = run("kubectl", "--name", NAME, "--", "get", "namespace", "default", "-o", "name")
    assert (fine.returncode, fine.stdout) == (0, "namespace/default\n")
    wrong = run("kubectl", "--name", NAME, "--", "get", "namespace", "no-such-namespace")
    assert wrong.returncode == 1
    assert "NotFound" in wrong.stderr


def test_logs_show_the_end_of_a_part_s_log_and_name_the_known_parts(started: Cluster) -> None:
    assert len(run("logs", "kube-apiserver", "--name", NAME, "--tail", "2").stdout.splitlines()) == 2
    unknown = run("logs", "kubelet", "--name", NAME)
    assert unknown.returncode == 2
    assert "known: etcd, kube-apiserver, supervisor" in unknown.stderr


def test_down_stops_and_forget_deletes(started: Cluster) -> None:
    assert run("down", "--name", NAME).returncode == 0
    assert not started.running
    assert started.layout.etcd.is_dir()
    assert run("down", "--name", NAME, "--forget").returncode == 0
    assert not started.layout.folder.exists()


def test_an_unknown_cluster_is_one_line_without_a_traceback(nothing_of_the_user: Path) -> None:
    answer = run("kubeconfig", "--name", "nowhere")
    assert answer.returncode == 2
    assert answer.stderr == "error: no local cluster nowhere; known: none; start one with: mlgitops local up\n"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_the_command_while_a_cluster_comes_up_leaves_nothing_behind(
    nothing_of_the_user: Path, how: signal.Signals
) -> None:
    command = [*MLGITOPS, "local", "up", "--name", NAME]
    pid_file = nothing_of_the_user / "state/mlgitops/clusters" / NAME / "supervisor.pid"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as starting:
        assert starting.stderr is not None
        starting.stderr.readline()  # "started etcd"
        supervisor = int(pid_file.read_text())
        starting.send_signal(how)
    until(lambda: not Path(f"/proc/{supervisor}").exists())
    assert starting.returncode != 0
    assert not pid_file.exists()
    assert any((pid_file.parent / "logs").iterdir())  # what happened can still be read
