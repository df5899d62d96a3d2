"""A process node that is killed leaves nothing behind, and the next one goes on where it was."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from cluster.pods import WAIT, Pods, Raw, condition, container, pods, state
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.local.cluster import Cluster
from mlgitops.local.layout import NODE_NAME

# A child in the container's group, and one in a group of its own.
FAMILY = """
import signal, subprocess, sys
wait = [sys.executable, "-c", "import signal; signal.pause()"]
children = [subprocess.Popen(wait), subprocess.Popen(wait, process_group=0)]
open("/notes/children", "w").write(" ".join(str(child.pid) for child in children))
signal.pause()
"""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def running(pod: Raw) -> bool:
    return "running" in state(pod)["state"]


async def kill_node(cluster: Cluster) -> None:
    before = cluster.parts["node"]
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: cluster.parts["node"].restarts > before.restarts, "the node comes back")


async def family(world: Pods, name: str) -> list[int]:
    main = container(FAMILY, volumeMounts=[{"name": "notes", "mountPath": "/notes"}])
    await world.start(name, main, policy="Always", volumes=[{"name": "notes", "emptyDir": {}}])
    pod = await world.until(name, running)
    notes = world.cluster.layout.node / "pods" / pod["metadata"]["uid"] / "volumes" / "notes" / "children"
    children = await until(lambda: notes.exists() and notes.read_text().count(" ") and notes.read_text())
    return [int(state(pod)["containerID"].removeprefix("process://")), *map(int, children.split())]


@asynchronous
async def test_a_killed_node_leaves_no_process_and_the_next_starts_its_pods_again(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        before = await family(world, "p")
        assert all(lives(pid) for pid in before)
        await kill_node(cluster)
        await until(lambda: not any(lives(pid) for pid in before), "everybody ends")
        pod = await world.until("p", lambda pod: state(pod)["restartCount"] == 1 and running(pod))
        last = state(pod)["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (137, "ContainerStatusUnknown")
        assert int(state(pod)["containerID"].removeprefix("process://")) not in before
        await world.delete("p", grace=0)


@asynchronous
async def test_what_had_ended_before_a_node_was_killed_stays_as_it_was(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("done", container("print('done')"))
        await world.start("cut", container(WAIT))
        await world.over("done")
        before = await world.get("done")
        await world.until("cut", running)
        await kill_node(cluster)
        cut = await world.over("cut", "Failed")
        assert state(cut)["state"]["terminated"]["exitCode"] == 137
        assert (await world.get("done"))["status"] == before["status"]
        assert await world.kubectl("logs", "done") == "done\n"
        for name in ("done", "cut"):
            await world.delete(name)
            await world.gone(name)


@asynchronous
async def test_a_pod_that_is_deleted_while_no_node_runs_goes_with_the_next(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        before = await family(world, "p")
        before_kill = cluster.parts["node"]
        os.kill(before_kill.pid, signal.SIGSTOP)
        try:
            await world.delete("p")
        finally:
            os.kill(before_kill.pid, signal.SIGKILL)
        await world.gone("p")
        await until(lambda: not any(lives(pid) for pid in before), "everybody ends")


@asynchronous
async def test_a_pods_deadline_counts_from_its_start_whichever_node_saw_that(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(WAIT), policy="Always", activeDeadlineSeconds=600)
        await world.until("p", running)
        node = cluster.parts["node"].pid
        os.kill(node, signal.SIGSTOP)
        try:
            long_ago = {"status": {"startTime": "2020-01-01T00:00:00Z"}}
            await world.session.patch(kube.PODS, "p", world.namespace, long_ago, subresource="status")
        finally:
            os.kill(node, signal.SIGKILL)
        assert (await world.over("p", "Failed"))["status"]["reason"] == "DeadlineExceeded"


@asynchronous
async def test_a_node_object_that_is_deleted_comes_back_ready_with_its_lease(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        old = await world.session.get(kube.NODES, NODE_NAME)
        await world.session.delete(kube.NODES, NODE_NAME)

        async def back() -> bool:
            try:
                node = await world.session.get(kube.NODES, NODE_NAME)
            except kube.NotFound:
                return False
            return bool(node["metadata"]["uid"] != old["metadata"]["uid"] and condition(node, "Ready") == "True")

        await until(back, "the node registers again")
        lease = await world.session.get(kube.LEASES, NODE_NAME, "kube-node-lease")
        assert lease["spec"]["holderIdentity"] == NODE_NAME
        # And it takes pods.
        await world.start("p", container(""))
        await world.over("p")
