"""How a container is stopped, hooked and probed; its processes are real."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cluster.waiting import asynchronous, until
from mlgitops.local.node import container as container_module
from unit.local_node.one_pod import POLITE, STUBBORN, pod

pytestmark = pytest.mark.slow

# --- the end


@asynchronous
async def test_a_stopped_container_is_asked_first(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        running = world.start(POLITE, policy="Always")
        await world.until_up()
        await world.container.stop(30)
        await running
        assert world.state.ended is not None
        assert (world.state.ended.exit_code, world.state.ended.signal) == (143, 15)


@asynchronous
async def test_one_that_does_not_listen_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        running = world.start(STUBBORN, policy="Always")
        await world.until_up()
        await world.container.stop(0.2)
        await running
        assert world.state.ended is not None
        assert world.state.ended.exit_code == 137


@asynchronous
async def test_a_second_call_shortens_the_time(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        running = world.start(STUBBORN)
        await world.until_up()
        patient = asyncio.create_task(world.container.stop(600))
        await until(lambda: not world.state.ready)
        await world.container.stop(0)
        await asyncio.gather(patient, running)


@asynchronous
async def test_stopping_one_that_waits_to_be_started_again_ends_its_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_module, "_FIRST_PAUSE", 600.0)
    async with pod(tmp_path) as world:
        running = world.start("raise SystemExit(1)", policy="Always")
        await until(lambda: world.state.waiting == "CrashLoopBackOff")
        await world.container.stop(5)
        await running


@asynchronous
async def test_one_that_is_stopped_while_it_starts_does_not_stay(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        world.settings["mode"] = "fast"
        world.may_read.clear()
        running = world.start(POLITE, policy="Always", envFrom=[{"configMapRef": {"name": "settings"}}])
        await world.reads.wait()
        await world.container.stop(5)
        world.may_read.set()
        async with asyncio.timeout(10):
            await running
        assert not world.state.running


@asynchronous
async def test_the_hook_before_the_end_runs_while_the_container_still_does(tmp_path: Path) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo $FROM_IMAGE >hook; sleep 0.1; echo end >>hook"]}}}
    note = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print(open('hook').read())));"
    async with pod(tmp_path) as world:
        running = world.start(f"{note} print('up', flush=True); signal.pause()", lifecycle=hook)
        await world.until_up()
        await world.container.stop(20)
        await running
        assert world.printed() == "up\nyes\nend\n\n"


@asynchronous
async def test_the_hook_before_the_end_counts_against_the_time_there_is(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        running = world.start(POLITE, lifecycle={"preStop": {"sleep": {"seconds": 600}}})
        await world.until_up()
        await world.container.stop(0.2)
        await running
        assert world.state.ended is not None


@asynchronous
async def test_a_container_whose_first_hook_fails_is_ended_and_says_so(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        await world.start(POLITE, lifecycle={"postStart": {"exec": {"command": ["false"]}}})
        assert world.state.ended is not None
        assert world.state.ended.message == "the postStart hook failed"
        assert not any(state.ready or state.started for state in world.states)


@asynchronous
async def test_what_a_hook_starts_is_remembered_as_long_as_it_runs(tmp_path: Path) -> None:
    both = "until [ $(ls processes | wc -l) = 2 ]; do sleep 0.01; done"
    async with pod(tmp_path) as world:
        world.start(POLITE, lifecycle={"postStart": {"exec": {"command": ["sh", "-c", both]}}})
        await until(lambda: world.state.started)
        await until(lambda: len(list((tmp_path / "processes").iterdir())) == 1)


# --- probes


def by_file(name: str, **more: Any) -> dict[str, Any]:
    return {"exec": {"command": ["test", "-e", name]}, "periodSeconds": 0.1, "failureThreshold": 1, **more}


@asynchronous
async def test_readiness_follows_its_probe(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        world.start(POLITE, readinessProbe=by_file("ready"))
        await world.until_up()
        assert (world.state.started, world.state.ready) == (True, False)
        (tmp_path / "ready").touch()
        await until(lambda: world.state.ready)
        (tmp_path / "ready").unlink()
        await until(lambda: not world.state.ready)
        assert world.state.running


@asynchronous
async def test_without_probes_a_container_is_ready_as_soon_as_it_runs(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        world.start(POLITE)
        await until(lambda: world.state.running)
        assert (world.state.started, world.state.ready) == (True, True)


@asynchronous
async def test_readiness_goes_as_soon_as_the_end_begins(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        (tmp_path / "ready").touch()
        running = world.start(STUBBORN, readinessProbe=by_file("ready"))
        await until(lambda: world.state.ready)
        await world.until_up()
        stopping = asyncio.create_task(world.container.stop(0.5))
        await until(lambda: not world.state.ready)
        assert world.state.running
        await asyncio.gather(stopping, running)
        assert [state.ready for state in world.states if state.running].count(True) == 1


@asynchronous
async def test_a_container_that_no_longer_lives_is_ended_and_started_again(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        (tmp_path / "alive").touch()
        world.start(POLITE, policy="Always", livenessProbe=by_file("alive"))
        await world.until_up()
        (tmp_path / "alive").unlink()
        await until(lambda: world.state.last)
        (tmp_path / "alive").touch()
        await until(lambda: world.state.running and world.state.restarts >= 1)
        assert world.state.last is not None
        assert (world.state.last.exit_code, world.state.last.message) == (143, "the liveness probe failed")


@asynchronous
async def test_the_startup_probe_holds_the_others_back(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        probes = {"startupProbe": by_file("up", failureThreshold=1000), "livenessProbe": by_file("alive")}
        running = world.start(POLITE, **probes)
        await world.until_up()
        assert (world.state.started, world.state.ready) == (False, False)
        (tmp_path / "up").touch()  # nobody has asked yet whether it is alive
        await until(lambda: world.container.started.is_set())
        await running
        assert world.state.ended is not None
        assert world.state.ended.message == "the liveness probe failed"


@asynchronous
async def test_a_container_that_is_not_up_in_time_is_ended(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        await world.start(POLITE, startupProbe=by_file("up"))
        assert world.state.ended is not None
        assert world.state.ended.message == "the startup probe failed"


@asynchronous
async def test_a_probe_that_the_node_cannot_make_ends_the_container_with_the_reason(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        await world.start(POLITE, readinessProbe={"grpc": {"port": 1}})
        assert world.state.ended is not None
        assert "no handler grpc" in world.state.ended.message
