"""The operator as the process that a Deployment starts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.operating import Remote, example_files
from cluster.proxy import Proxy
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.kube import Raw
from mlgitops.local.cluster import Cluster
from mlgitops.operator import kinds


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    remote = Remote(tmp_path / "remote.git")
    remote.commit(example_files())
    return remote


def source(namespace: str, remote: Remote, interval: str = "1s") -> Raw:
    return {
        "apiVersion": "mlgitops.dev/v1alpha1",
        "kind": "RegistrySource",
        "metadata": {"name": "registry", "namespace": namespace},
        "spec": {"url": remote.url, "interval": interval},
    }


class Operator:
    """A process, its probes and its log."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / f"operator-{self.port}.log"
        probes = {"MLGITOPS_OPERATOR_PROBES_PORT": str(self.port), "MLGITOPS_BIND": "127.0.0.1"}
        variables = {**os.environ, "MLGITOPS_CACHE_DIR": str(folder / "cache"), **environment, **probes}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)

    def answers(self, path: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def ended(self, seconds: float = 15) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running:\n{self.log.read_text()}") from None


@contextlib.contextmanager
def running(
    kubeconfig: Path, namespace: str, folder: Path, command: tuple[str, ...] = ("-m", "mlgitops.operator"), **env: str
) -> Iterator[Operator]:
    environment = {"KUBECONFIG": str(kubeconfig), "MLGITOPS_OPERATOR_NAMESPACE": namespace, **env}
    operator = Operator([sys.executable, *command], environment, folder)
    try:
        yield operator
    except BaseException:
        print(operator.log.read_text())  # pytest shows it with the failure
        raise
    finally:
        if operator.process.poll() is None:
            operator.process.kill()
            operator.process.wait()


async def applied(session: kube.Session, namespace: str) -> Raw | None:
    raw = await session.get(kinds.REGISTRY_SOURCES, "registry", namespace)
    return raw if raw.get("status", {}).get("lastAppliedRevision") else None


@pytest.mark.parametrize("how", ["python", "kopf"])
@asynchronous
async def test_it_becomes_ready_works_and_ends_with_0_on_a_signal(
    api_server: Cluster, namespace: str, remote: Remote, tmp_path: Path, how: str
) -> None:
    commands = {
        "python": ("-m", "mlgitops.operator"),
        "kopf": ("-m", "kopf", "run", "-m", "mlgitops.operator", "-n", namespace),
    }
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        with running(api_server.kubeconfig, namespace, tmp_path, commands[how]) as operator:
            await until(lambda: operator.answers("/readyz"))
            assert operator.answers("/healthz")
            assert not operator.answers("/elsewhere")
            await session.apply(source(namespace, remote), field_manager="test")
            raw = await until(lambda: applied(session, namespace))
            assert "finalizers" not in raw["metadata"]
            assert "annotations" not in raw["metadata"]
            operator.process.send_signal(signal.SIGTERM)
            assert operator.ended() == 0


@pytest.mark.parametrize("reconnecting", [False, True])
@asynchronous
async def test_it_ends_with_3_when_kopf_ends(
    api_proxy: Proxy, namespace: str, tmp_path: Path, reconnecting: bool
) -> None:
    with running(api_proxy.kubeconfig, namespace, tmp_path) as operator:
        await until(lambda: operator.answers("/readyz"))
        # Of the two watches of a kind, kopf's is the one that leaves the time-out to the server.
        kopfs_watch = r"/{}\?(?!.*timeoutSeconds).*watch=true"
        if reconnecting:  # another of its watches then logs in anew, and kopf would wait for that without end
            other = kopfs_watch.format("modeloverrides")
            api_proxy.fail("drop", other)
            api_proxy.disconnect(other)
            await until(lambda: "modeloverrides?watch" in operator.log.read_text())
        api_proxy.fail("answer", kopfs_watch.format("registrysources"), status=404)
        api_proxy.disconnect(kopfs_watch.format("registrysources"))
        assert operator.ended(60) == 3


def test_wrong_options_end_with_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlgitops.operator", "--workers", "many"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: --workers must be a whole number, not 'many'\n")


@asynchronous
async def test_the_api_server_may_be_killed_under_it(
    api_server: Cluster, namespace: str, remote: Remote, tmp_path: Path
) -> None:
    with running(api_server.kubeconfig, namespace, tmp_path) as operator:
        await until(lambda: operator.answers("/readyz"))
        os.kill(api_server.parts["kube-apiserver"].pid, signal.SIGKILL)
        async with kube.Session(kube.login(api_server.kubeconfig)) as session:

            async def created() -> bool:
                try:
                    await session.apply(source(namespace, remote), field_manager="test")
                except kube.KubeError:
                    return False
                return True

            await until(created)
            await until(lambda: applied(session, namespace))
        assert operator.process.poll() is None


@asynchronous
async def test_kopfs_watch_notices_that_ours_is_silent(
    api_proxy: Proxy, api_server: Cluster, namespace: str, remote: Remote, tmp_path: Path
) -> None:
    ours = r"/registrysources\?.*timeoutSeconds"
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        with running(api_proxy.kubeconfig, namespace, tmp_path) as operator:
            await until(lambda: operator.answers("/readyz"))
            await until(lambda: any("timeoutSeconds" in line for line in api_proxy.requests))
            api_proxy.silence(ours)
            await session.apply(source(namespace, remote), field_manager="test")
            await until(lambda: applied(session, namespace))
            assert "listing again" in operator.log.read_text()


@pytest.mark.parametrize("place", ["before-child", "after-child", "after-child:5", "before-status", "after-status"])
@asynchronous
async def test_killed_at_any_step_of_a_sync_the_next_one_finishes_it(
    api_server: Cluster, namespace: str, remote: Remote, tmp_path: Path, place: str
) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        await session.apply(source(namespace, remote), field_manager="test")
        with running(api_server.kubeconfig, namespace, tmp_path, MLGITOPS_CRASH_AT=place) as operator:
            assert operator.ended(30) == -signal.SIGKILL
        with running(api_server.kubeconfig, namespace, tmp_path):
            await until(lambda: applied(session, namespace))
            versions = await session.list(kinds.MODEL_VERSIONS, namespace)
            assert {raw["metadata"]["name"] for raw in versions.items} == {"iris.1", "iris.3"}
