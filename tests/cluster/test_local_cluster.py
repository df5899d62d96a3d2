"""The local cluster's life: it comes up, it survives what kills its parts, and nothing outlives it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlgitops.errors import OutsideError
from mlgitops.local.cluster import Cluster
from mlgitops.local.layout import Layout

STORAGE = ("etcd", "kube-apiserver")


def until(condition: Callable[[], bool], *, within: float = 20.0) -> None:
    """Wait until a condition holds, or fail."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not yet asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def answers(cluster: Cluster) -> bool:
    try:
        cluster.kubectl("get", "namespace", "default", "--request-timeout=2s")
    except OutsideError:
        return False
    return True


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """An API server of the test's own, to be killed."""
    cluster = Cluster.up(attached=True, parts=STORAGE, folder=tmp_path / "own")
    yield cluster
    cluster.down()


def test_the_api_server_answers_kubectl(api_server: Cluster, namespace: str) -> None:
    assert api_server.kubectl("get", "namespace", namespace, "-o", "name") == f"namespace/{namespace}\n"


def test_two_clusters_live_side_by_side(api_server: Cluster, own: Cluster) -> None:
    assert api_server.endpoints.address != own.endpoints.address
    assert answers(api_server)
    assert answers(own)


def test_the_kubeconfig_is_for_its_owner_only(own: Cluster) -> None:
    assert own.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert own.layout.account_key.stat().st_mode & 0o777 == 0o600
    assert own.layout.folder.stat().st_mode & 0o777 == 0o700


def test_a_killed_api_server_comes_back_with_what_it_stored(own: Cluster) -> None:
    own.kubectl("create", "namespace", "kept")
    os.kill(own.parts["kube-apiserver"].pid, signal.SIGKILL)
    until(lambda: own.parts["kube-apiserver"].restarts == 1 and answers(own))
    assert own.kubectl("get", "namespace", "kept", "-o", "name") == "namespace/kept\n"


def test_down_and_up_again_keeps_data_address_and_token(own: Cluster) -> None:
    own.kubectl("create", "namespace", "kept")
    before = own.endpoints
    own.down()
    assert not own.running
    again = Cluster.up(attached=True, parts=STORAGE, folder=own.layout.folder)
    try:
        assert again.endpoints == before
        assert again.kubectl("get", "namespace", "kept", "-o", "name") == "namespace/kept\n"
    finally:
        again.down()


def test_a_second_up_finds_the_first(own: Cluster) -> None:
    pid = own.parts["etcd"].pid
    assert Cluster.up(parts=STORAGE, folder=own.layout.folder).parts["etcd"].pid == pid


def test_a_killed_supervisor_takes_every_part_with_it(own: Cluster) -> None:
    pids = [process.pid for process in own.parts.values()]
    supervisor = own.layout.supervisor()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not any(map(alive, pids)))


def test_a_stale_pid_file_with_somebody_elses_number_does_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "stale"
    folder.mkdir()
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (folder / "supervisor.pid").write_text(str(bystander.pid))
        cluster = Cluster.up(attached=True, parts=STORAGE, folder=folder)
        assert answers(cluster)
        cluster.down()
        assert bystander.poll() is None
    finally:
        bystander.communicate(b"\n")


def test_a_port_in_use_is_left_to_its_owner(own: Cluster) -> None:
    before = own.endpoints
    own.down()
    with socket.create_server((before.address, before.api)):
        again = Cluster.up(attached=True, parts=STORAGE, folder=own.layout.folder)
        try:
            assert again.endpoints.address == before.address
            assert again.endpoints.api != before.api
            assert answers(again)
        finally:
            again.down()


OWNER = """
import signal, sys, time
from pathlib import Path
# A shell that starts tests in the background ignores SIGINT, and its children would too.
signal.signal(signal.SIGINT, signal.default_int_handler)
from mlgitops.local.cluster import Cluster
cluster = Cluster.up(attached=True, parts=("etcd", "kube-apiserver"), folder=Path(sys.argv[1]))
print(*(process.pid for process in cluster.parts.values()), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_process_that_owns_the_cluster(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "owned")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        owner.send_signal(number)
    until(lambda: not any(map(alive, pids)))


STARTER = """
import sys
from pathlib import Path
from mlgitops.local.cluster import Cluster
Cluster.up(parts=("etcd", "kube-apiserver"), folder=Path(sys.argv[1]), progress=lambda line: print(line, flush=True))
print("up", flush=True)
"""


def test_a_start_that_is_killed_half_way_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "half"
    with subprocess.Popen([sys.executable, "-c", STARTER, str(folder)], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        while starter.stdout.readline() != b"started etcd\n":
            pass
        half = Cluster(Layout(folder))
        supervisor, pids = half.layout.supervisor(), [process.pid for process in half.parts.values()]
        starter.kill()
        assert b"up\n" not in starter.stdout.read()
    assert supervisor is not None
    assert pids
    until(lambda: not any(map(alive, [supervisor, *pids])))


def test_a_cluster_that_came_up_outlives_who_started_it(tmp_path: Path) -> None:
    folder = tmp_path / "left"
    subprocess.run([sys.executable, "-c", STARTER, str(folder)], check=True, stdout=subprocess.DEVNULL)
    left = Cluster(Layout(folder))
    try:
        assert answers(left)
    finally:
        left.down()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_supervisor_is_an_orderly_end(tmp_path: Path, number: signal.Signals) -> None:
    cluster = Cluster.up(parts=STORAGE, folder=tmp_path / "signalled")
    pids = [process.pid for process in cluster.parts.values()]
    supervisor = cluster.layout.supervisor()
    assert supervisor is not None
    os.kill(supervisor, number)
    until(lambda: not alive(supervisor) and not any(map(alive, pids)))
    cluster.down()


def test_a_part_that_cannot_start_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "service-accounts.key").write_text("not a key")
    with pytest.raises(OutsideError, match=r"(?s)kube-apiserver keeps ending.*service-accounts\.key"):
        Cluster.up(attached=True, parts=STORAGE, folder=folder)
