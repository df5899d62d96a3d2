"""How a container starts, ends and is started again; its processes are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.waiting import asynchronous, until
from mlgitops.local.node import container as container_module
from mlgitops.local.node.container import Container
from unit.local_node.one_pod import pod

pytestmark = pytest.mark.slow

# --- ends


@asynchronous
async def test_a_process_that_ends_well_is_completed(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        await world.start("print('done')")
        ended = world.state.ended
        assert ended is not None
        assert (ended.exit_code, ended.reason, ended.signal) == (0, "Completed", 0)
        assert ended.started_at <= ended.finished_at
        assert world.printed() == "done\n"
        assert list((tmp_path / "processes").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "exit_code", "signal"),
    [
        ("raise SystemExit(3)", 3, 0),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, 9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139, 11),
    ],
)
def test_a_process_that_fails_tells_its_code_or_signal(tmp_path: Path, code: str, exit_code: int, signal: int) -> None:
    @asynchronous
    async def check() -> None:
        async with pod(tmp_path) as world:
            await world.start(code)
            ended = world.state.ended
            assert ended is not None
            assert (ended.exit_code, ended.reason, ended.signal) == (exit_code, "Error", signal)

    check()


@asynchronous
async def test_what_a_container_wrote_is_its_termination_message(tmp_path: Path) -> None:
    write = "import os; open(os.environ['MLGITOPS_TERMINATION_LOG'], 'w').write('because'); raise SystemExit(1)"
    async with pod(tmp_path) as world:
        await world.start(write, terminationMessagePolicy="FallbackToLogsOnError")
        assert world.state.ended is not None
        assert world.state.ended.message == "because"


@asynchronous
async def test_the_path_that_the_container_names_for_its_message_is_rewritten(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        await world.start("open('/no/folder/why', 'w').write('because')", terminationMessagePath="/no/folder/why")
        assert world.state.ended is not None
        assert world.state.ended.message == "because"


@asynchronous
async def test_a_message_is_cut_at_four_kilobytes_and_may_be_missing(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        await world.start("open('/dev/termination-log', 'w').write('x' * 5000)")
        assert world.state.ended is not None
        assert world.state.ended.message == "x" * 4096
        await world.start("import os; os.unlink('/dev/termination-log')")
        assert world.state.ended is not None
        assert (world.state.ended.exit_code, world.state.ended.message) == (0, "")


@pytest.mark.parametrize(
    ("policy", "code", "message"),
    [("FallbackToLogsOnError", 1, "oops\n"), ("FallbackToLogsOnError", 0, ""), ("File", 1, "")],
)
def test_the_last_lines_are_the_message_only_after_an_error_and_on_demand(
    tmp_path: Path, policy: str, code: int, message: str
) -> None:
    @asynchronous
    async def check() -> None:
        async with pod(tmp_path) as world:
            await world.start(f"print('oops'); raise SystemExit({code})", terminationMessagePolicy=policy)
            assert world.state.ended is not None
            assert world.state.ended.message == message

    check()


@asynchronous
async def test_whom_a_process_leaves_in_its_group_ends_with_it(tmp_path: Path) -> None:
    leave = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'input()']).pid)"
    async with pod(tmp_path) as world:
        await world.start(leave)
        child = Path("/proc") / world.printed().strip()
        await until(lambda: not child.exists() or "\nState:\tZ" in (child / "status").read_text())


# --- restarts


@asynchronous
async def test_a_container_that_fails_is_started_again_after_growing_pauses(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        world.start("print('again'); raise SystemExit(1)", policy="OnFailure")
        await until(lambda: world.state.restarts >= 3)
        waits = [state for state in world.states if state.waiting == "CrashLoopBackOff" and not state.running]
        assert {state.last.exit_code for state in waits if state.last} == {1}
        assert [state.restarts for state in waits[:3:2]] == [0, 1]
        starts = [state for state in world.states if state.running]
        assert [state.restarts for state in starts[:3]] == [0, 1, 2]


@asynchronous
async def test_pauses_double_up_to_five_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pause(self: Container, seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 12:
            await self.stop(0)
        return self._stopping.is_set()

    monkeypatch.setattr(container_module, "_FIRST_PAUSE", 1.0)
    monkeypatch.setattr(Container, "_pause", pause)
    async with pod(tmp_path) as world:
        await world.start("", policy="Always", command=["false"])
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


@pytest.mark.parametrize(
    ("policy", "code", "again"), [("Always", 0, True), ("OnFailure", 0, False), ("Never", 1, False)]
)
def test_the_restart_policy_decides_who_is_started_again(tmp_path: Path, policy: str, code: int, again: bool) -> None:
    @asynchronous
    async def check() -> None:
        async with pod(tmp_path) as world:
            running = world.start(f"raise SystemExit({code})", policy=policy)
            await until(lambda: world.state.restarts > 0 or running.done())
            assert (world.state.restarts > 0) is again

    check()


@asynchronous
async def test_the_log_before_is_there_after_a_restart(tmp_path: Path) -> None:
    count = "import pathlib; p = pathlib.Path('n'); n = int(p.read_text()) + 1 if p.exists() else 0; "
    count += "p.write_text(str(n)); print('run', n, flush=True); (input() if False else None); "
    count += "import time; time.sleep(60 if n == 2 else 0); raise SystemExit(1)"
    async with pod(tmp_path) as world:
        world.start(count, policy="Always")
        await until(lambda: world.state.running and world.state.restarts == 2 and world.printed() == "run 2\n")
        assert world.printed(previous=True) == "run 1\n"


# --- what cannot start


@asynchronous
async def test_an_unknown_image_waits_with_the_table_named(tmp_path: Path) -> None:
    async with pod(tmp_path) as world:
        world.start("", image="example.com/nowhere:1")
        await until(lambda: world.state.waiting == "ErrImageNeverPull")
        assert "example.com/nowhere:1" in world.state.message
        assert "images.json; known: python" in world.state.message


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"image": "two words"}, "InvalidImageName", "two words"),
        ({"command": ["/no/such/program"]}, "RunContainerError", "/no/such/program"),
        ({"command": []}, "CreateContainerConfigError", "no entrypoint"),
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, "CreateContainerConfigError", "ConfigMap none"),
        (
            {"volumeMounts": [{"name": "data", "mountPath": "/data", "subPath": "../../etc"}]},
            "CreateContainerConfigError",
            "leaves its volume",
        ),
    ],
)
def test_what_cannot_start_waits_and_says_why(tmp_path: Path, spec: dict[str, Any], reason: str, message: str) -> None:
    @asynchronous
    async def check() -> None:
        async with pod(tmp_path) as world:
            world.start("", **spec)
            await until(lambda: world.state.waiting == reason)
            assert message in world.state.message

    check()


@asynchronous
async def test_one_that_cannot_start_is_tried_again_after_the_same_pause_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def pause(self: Container, seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 5:
            await self.stop(0)
        return self._stopping.is_set()

    monkeypatch.setattr(container_module, "_TRY_AGAIN", 2.0)
    monkeypatch.setattr(Container, "_pause", pause)
    async with pod(tmp_path) as world:
        await world.start("", policy="Always", command=["/no/such/program"])
    assert pauses == [2.0] * 5


@asynchronous
async def test_a_container_starts_once_what_it_waits_for_is_there(tmp_path: Path) -> None:
    source = {"configMapKeyRef": {"name": "settings", "key": "mode"}}
    async with pod(tmp_path) as world:
        running = world.start("import os; print(os.environ['MODE'])", env=[{"name": "MODE", "valueFrom": source}])
        await until(lambda: world.state.waiting == "CreateContainerConfigError")
        world.settings["mode"] = "fast"
        await running
        assert world.printed() == "fast\n"
        assert world.state.restarts == 0
