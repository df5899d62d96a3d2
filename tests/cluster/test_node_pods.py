"""The life of a pod on the process node: order, ends, restarts, deletion."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from cluster.pods import WAIT, Pods, Raw, condition, container, pods, state
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.local.cluster import Cluster

STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
)


def note(text: str) -> str:
    return f"open('/notes/all', 'a').write('{text} ')"


NOTES: Raw = {"name": "notes", "emptyDir": {}}
MOUNT: list[Raw] = [{"name": "notes", "mountPath": "/notes"}]


def process(pod: Raw, name: str = "main") -> int:
    return int(state(pod, name)["containerID"].removeprefix("process://"))


def running(pod: Raw, name: str = "main") -> bool:
    return "running" in state(pod, name)["state"]


def waiting(pod: Raw, name: str = "main") -> str:
    return str(state(pod, name)["state"].get("waiting", {}).get("reason", ""))


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def notes(world: Pods, pod: Raw) -> Path:
    return world.cluster.layout.node / "pods" / pod["metadata"]["uid"] / "volumes" / "notes"


# --- order


@asynchronous
async def test_init_containers_come_first_one_after_another_and_sidecars_stay_to_the_end(
    cluster: Cluster, cluster_namespace: str
) -> None:
    leave = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: ({note('beside-left')}, sys.exit(0)));"
    beside = container(
        f"{leave} {note('beside')}; open('/notes/up', 'w'); signal.pause()",
        "beside",
        restartPolicy="Always",
        volumeMounts=MOUNT,
        startupProbe={"exec": {"command": ["test", "-e", "/notes/up"]}, "periodSeconds": 1},
    )
    inits = [
        container(note("first"), "first", volumeMounts=MOUNT),
        beside,
        container(note("second"), "second", volumeMounts=MOUNT),
    ]
    async with pods(cluster, cluster_namespace) as world:
        main = container(note("main"), volumeMounts=MOUNT)
        await world.start("p", main, initContainers=inits, volumes=[NOTES])
        pod = await world.over("p")
        assert (notes(world, pod) / "all").read_text() == "first beside second main beside-left "
        assert condition(pod, "Initialized") == "True"
        assert state(pod, "beside", init=True)["state"]["terminated"]["exitCode"] == 0


@asynchronous
async def test_a_failed_init_container_ends_a_pod_that_never_restarts_and_nothing_else_ran(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(WAIT), initContainers=[container("raise SystemExit(3)", "prepare")])
        pod = await world.over("p", "Failed")
        assert state(pod, "prepare", init=True)["state"]["terminated"]["exitCode"] == 3
        assert waiting(pod) == "PodInitializing"
        assert condition(pod, "Initialized") == "False"


@asynchronous
async def test_a_failed_init_container_is_tried_again_where_pods_restart(
    cluster: Cluster, cluster_namespace: str
) -> None:
    once = "import os, sys; again = os.path.exists('/notes/x'); open('/notes/x', 'w'); sys.exit(not again)"
    async with pods(cluster, cluster_namespace) as world:
        prepare = container(once, "prepare", volumeMounts=MOUNT)
        await world.start("p", container(WAIT), policy="Always", initContainers=[prepare], volumes=[NOTES])
        pod = await world.until("p", running)
        assert state(pod, "prepare", init=True)["restartCount"] == 1
        await world.delete("p", grace=0)


# --- ends


@pytest.mark.parametrize(("code", "phase"), [("print('fine')", "Succeeded"), ("raise SystemExit(7)", "Failed")])
def test_a_pod_that_never_restarts_ends_as_its_containers_do(
    cluster: Cluster, cluster_namespace: str, code: str, phase: str
) -> None:
    @asynchronous
    async def check() -> None:
        async with pods(cluster, cluster_namespace) as world:
            await world.start("p", container(code), container("", "other"))
            pod = await world.over("p", phase)
            assert condition(pod, "Ready") == "False"
            assert all(state(pod, name)["ready"] is False for name in ("main", "other"))

    check()


@asynchronous
async def test_a_pod_restarts_only_the_container_that_failed(cluster: Cluster, cluster_namespace: str) -> None:
    once = "import os, sys; again = os.path.exists('/notes/x'); open('/notes/x', 'w'); sys.exit(0 if again else 5)"
    async with pods(cluster, cluster_namespace) as world:
        main, other = container(once, volumeMounts=MOUNT), container("", "other")
        await world.start("p", main, other, policy="OnFailure", volumes=[NOTES])
        pod = await world.over("p")
        assert (state(pod)["restartCount"], state(pod, "other")["restartCount"]) == (1, 0)
        assert state(pod)["lastState"]["terminated"]["exitCode"] == 5


@asynchronous
async def test_a_pod_that_is_active_for_too_long_fails_with_the_reason(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(WAIT), activeDeadlineSeconds=2)
        pod = await world.over("p", "Failed")
        assert pod["status"]["reason"] == "DeadlineExceeded"
        ended = await world.until("p", lambda pod: "terminated" in state(pod)["state"])
        assert state(ended)["state"]["terminated"]["exitCode"] == 143


@asynchronous
async def test_a_process_that_is_killed_is_counted_and_started_again(cluster: Cluster, cluster_namespace: str) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(WAIT), policy="Always")
        pod = await world.until("p", running)
        os.kill(process(pod), 9)
        pod = await world.until("p", lambda pod: state(pod)["restartCount"] == 1 and running(pod))
        last = state(pod)["lastState"]["terminated"]
        assert (last["exitCode"], last["signal"], last["reason"]) == (137, 9, "Error")
        assert condition(pod, "Ready") == "True"
        await world.delete("p", grace=0)


@asynchronous
async def test_a_container_that_keeps_failing_waits_longer_each_time_and_says_how_it_ended(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        crash = container(
            "print('no such model'); raise SystemExit(4)", terminationMessagePolicy="FallbackToLogsOnError"
        )
        await world.start("p", crash, policy="Always")
        pod = await world.until("p", lambda pod: "back-off 2s" in str(state(pod)["state"]), "a longer pause")
        assert (state(pod)["restartCount"], waiting(pod)) == (1, "CrashLoopBackOff")
        last = state(pod)["lastState"]["terminated"]
        assert (last["exitCode"], last["message"]) == (4, "no such model\n")
        assert pod["status"]["phase"] == "Running"
        # One that waits to be started again goes at once.
        await world.delete("p", grace=600)
        await world.gone("p", seconds=5)


# --- deletion


@asynchronous
async def test_a_deleted_pod_is_not_ready_from_the_start_of_its_end_and_its_hook_runs_first(
    cluster: Cluster, cluster_namespace: str
) -> None:
    hook = {
        "preStop": {"exec": {"command": ["sh", "-c", "touch /notes/hook; until [ -e /notes/go ]; do sleep 0.05; done"]}}
    }
    async with pods(cluster, cluster_namespace) as world:
        main = container(STUBBORN, lifecycle=hook, volumeMounts=MOUNT)
        await world.start("p", main, volumes=[NOTES], terminationGracePeriodSeconds=30)
        pod = await world.until("p", lambda pod: condition(pod, "Ready") == "True")
        place = notes(world, pod)
        await world.delete("p", grace=3)
        pod = await world.until("p", lambda pod: condition(pod, "Ready") == "False")
        assert running(pod)
        await until((place / "hook").exists)
        assert exists(process(pod))
        (place / "go").touch()
        await world.gone("p")
        assert not exists(process(pod))
        await until(lambda: not place.exists())


@asynchronous
async def test_a_pod_that_waits_for_a_volume_goes_when_it_is_deleted_and_starts_when_it_is_there(
    cluster: Cluster, cluster_namespace: str
) -> None:
    volumes = [{"name": "settings", "configMap": {"name": "settings"}}]
    async with pods(cluster, cluster_namespace) as world:
        await world.start("gone", container(WAIT), volumes=volumes)
        await world.start("kept", container(""), volumes=volumes)
        for name in ("gone", "kept"):
            await world.until(name, lambda pod: "settings" in str(state(pod)["state"]))
        await world.delete("gone", grace=600)
        await world.gone("gone", seconds=5)
        await world.create("ConfigMap", "settings", data={})
        await world.over("kept")


@asynchronous
async def test_a_pod_that_is_removed_by_force_leaves_no_process(cluster: Cluster, cluster_namespace: str) -> None:
    child = "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])"
    family = f"import os, subprocess, sys; open('/notes/child', 'w').write(str({child}.pid)); {STUBBORN}"
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(family, volumeMounts=MOUNT), policy="Always", volumes=[NOTES])
        pod = await world.until("p", running)
        place = notes(world, pod) / "child"
        child = int(await until(lambda: place.exists() and place.read_text()))
        await world.delete("p", grace=0)
        await world.gone("p")
        await until(lambda: not exists(process(pod)) and not exists(child))


@asynchronous
async def test_a_shorter_time_than_before_is_taken_too(cluster: Cluster, cluster_namespace: str) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(STUBBORN), terminationGracePeriodSeconds=600)
        await world.until("p", running)
        await world.delete("p")
        await world.until("p", lambda pod: pod["metadata"].get("deletionTimestamp"))
        await world.delete("p", grace=1)
        await world.gone("p", seconds=10)


@asynchronous
async def test_a_pod_of_the_same_name_is_another_pod(cluster: Cluster, cluster_namespace: str) -> None:
    async with pods(cluster, cluster_namespace) as world:
        seen: list[tuple[str, str]] = []
        for _ in range(3):
            await world.start("p", container(WAIT))
            pod = await world.until("p", lambda pod: condition(pod, "Ready") == "True")
            seen.append((pod["metadata"]["uid"], pod["status"]["podIP"]))
            await world.delete("p", grace=0)
            await world.gone("p")
        assert len({uid for uid, _ in seen}) == 3
        assert len({address for _, address in seen}) == 3  # an address is not used again at once


@asynchronous
async def test_somebody_elses_condition_holds_a_pod_back_and_stays(cluster: Cluster, cluster_namespace: str) -> None:
    gate = "example.com/go"
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(WAIT), readinessGates=[{"conditionType": gate}])
        await world.until("p", lambda pod: condition(pod, "ContainersReady") == "True")
        assert condition(await world.get("p"), "Ready") == "False"
        body: dict[str, Any] = {"status": {"conditions": [{"type": gate, "status": "True"}]}}
        await world.session.patch(kube.PODS, "p", world.namespace, body, type="strategic", subresource="status")
        pod = await world.until("p", lambda pod: condition(pod, "Ready") == "True")
        assert condition(pod, gate) == "True"
        await world.delete("p", grace=0)


@asynchronous
async def test_many_pods_side_by_side_each_have_an_address_and_all_go(cluster: Cluster, cluster_namespace: str) -> None:
    names = [f"p{number}" for number in range(8)]
    async with pods(cluster, cluster_namespace) as world:
        await asyncio.gather(*(world.start(name, container(WAIT)) for name in names))
        found = [await world.until(name, running) for name in names]
        assert len({pod["status"]["podIP"] for pod in found}) == len(names)
        await asyncio.gather(*(world.delete(name) for name in names))
        for name in names:
            await world.gone(name)


@asynchronous
async def test_each_pod_has_the_ports_of_an_address_to_itself(cluster: Cluster, cluster_namespace: str) -> None:
    serve = "import http.server as h, os; h.HTTPServer((os.environ['MLGITOPS_BIND'], 8080), h.SimpleHTTPRequestHandler)"
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    async with pods(cluster, cluster_namespace) as world:
        for name in ("one", "two"):
            await world.start(name, container(f"{serve}.serve_forever()", readinessProbe=probe))
        for name in ("one", "two"):
            pod = await world.until(name, lambda pod: condition(pod, "Ready") == "True")
            _, writer = await asyncio.open_connection(pod["status"]["podIP"], 8080)
            writer.close()
            await world.delete(name, grace=0)
