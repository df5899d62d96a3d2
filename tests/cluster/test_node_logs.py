"""``kubectl logs`` against the process node, and what it answers where a kubelet does more."""

from __future__ import annotations

import asyncio
import re

import pytest

from cluster.pods import WAIT, container, pods, state
from cluster.waiting import asynchronous, until
from mlgitops.errors import OutsideError
from mlgitops.local import binaries
from mlgitops.local.cluster import Cluster

# Says one line, and the next for each that it is allowed to.
SLOW = """
import os, time
print("first", flush=True)
while not os.path.exists("/notes/go"):
    time.sleep(0.02)
print("second", flush=True)
"""


@asynchronous
async def test_logs_are_shown_as_kubectl_asks(cluster: Cluster, cluster_namespace: str) -> None:
    both = "import sys; print('one', flush=True); print('two', file=sys.stderr, flush=True); print('three')"
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(both), container("print('beside')", "other"))
        await world.over("p")
        assert await world.kubectl("logs", "p", "-c", "main") == "one\ntwo\nthree\n"
        assert await world.kubectl("logs", "p", "-c", "other") == "beside\n"
        assert await world.kubectl("logs", "p", "-c", "main", "--tail=1") == "three\n"
        assert await world.kubectl("logs", "p", "-c", "main", "--since=1h", "--limit-bytes=5") == "one\nt"
        assert await world.kubectl("logs", "p", "-c", "main", "--since-time=2100-01-01T00:00:00Z") == ""
        timed = await world.kubectl("logs", "p", "-c", "main", "--timestamps")
        assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z \w+\n){3}", timed)


@asynchronous
async def test_a_follower_sees_lines_as_they_come_and_ends_with_the_container(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        mounts = [{"name": "notes", "mountPath": "/notes"}]
        await world.start("p", container(SLOW, volumeMounts=mounts), volumes=[{"name": "notes", "emptyDir": {}}])
        pod = await world.until("p", lambda pod: "running" in state(pod)["state"])
        kubectl = [*binaries.find().command("kubectl"), f"--kubeconfig={cluster.kubeconfig}"]
        follower = await asyncio.create_subprocess_exec(
            *kubectl, "--namespace", world.namespace, "logs", "--follow", "p", stdout=asyncio.subprocess.PIPE
        )
        assert follower.stdout is not None
        assert await follower.stdout.readline() == b"first\n"
        (cluster.layout.node / "pods" / pod["metadata"]["uid"] / "volumes" / "notes" / "go").touch()
        assert await follower.stdout.read() == b"second\n"
        assert await follower.wait() == 0


@asynchronous
async def test_the_log_before_a_restart_is_there_and_only_after_one(cluster: Cluster, cluster_namespace: str) -> None:
    once = "import os, signal\nif os.path.exists('/notes/x'):\n  print('again', flush=True)\n  signal.pause()\n"
    once += "open('/notes/x', 'w'); print('at first'); raise SystemExit(1)"
    async with pods(cluster, cluster_namespace) as world:
        main = container(once, volumeMounts=[{"name": "notes", "mountPath": "/notes"}])
        fresh = container(WAIT, "fresh")
        await world.start("p", main, fresh, policy="Always", volumes=[{"name": "notes", "emptyDir": {}}])
        await world.until("p", lambda pod: state(pod)["restartCount"] == 1 and "running" in state(pod)["state"])

        async def again() -> bool:
            return await world.kubectl("logs", "p", "-c", "main") == "again\n"

        await until(again)
        assert await world.kubectl("logs", "p", "-c", "main", "--previous") == "at first\n"
        with pytest.raises(OutsideError, match="previous"):
            await world.kubectl("logs", "p", "-c", "fresh", "--previous")
        await world.delete("p", grace=0)


@asynchronous
async def test_a_container_that_has_not_started_says_why(cluster: Cluster, cluster_namespace: str) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", {"name": "main", "image": "example.com/nowhere:1"})
        await world.until("p", lambda pod: "ErrImageNeverPull" in str(state(pod)["state"]))
        with pytest.raises(OutsideError, match="waiting to start: ErrImageNeverPull"):
            await world.kubectl("logs", "p")


@asynchronous
async def test_what_needs_a_way_into_a_pod_is_told_where_the_gateway_is(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(WAIT))
        await world.until("p", lambda pod: "running" in state(pod)["state"])
        for command in (("exec", "p", "--", "true"), ("port-forward", "p", "18080:80"), ("attach", "p")):
            with pytest.raises(OutsideError) as refusal:
                await world.kubectl(*command)
            assert "the process node has neither exec nor port-forward" in str(refusal.value), command
            assert cluster.gateway_url in str(refusal.value)
        await world.delete("p", grace=0)
