"""Nothing that a killed node started goes on to run, and nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlgitops.local.node import guard, leftovers
from mlgitops.local.node.leftovers import Register, kill_group

# A leader, its child in the same group, and a grandchild in a group of its own: all one session.
FAMILY = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
other = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], process_group=0)
print(child.pid, other.pid, flush=True)
if sys.argv[1] == "stay":
    child.wait()
"""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def until_gone(*pids: int) -> None:
    deadline = time.monotonic() + 60
    while any(lives(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[pid for pid in pids if lives(pid)]}"
        time.sleep(0.01)


class Family:
    def __init__(self, how: str) -> None:
        command = [sys.executable, "-c", FAMILY, how]
        self.leader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.leader.stdout is not None
        self.child, self.other = (int(pid) for pid in self.leader.stdout.readline().split())

    def end(self) -> None:
        for pid in (self.child, self.other):
            if lives(pid):
                os.kill(pid, signal.SIGKILL)
        self.leader.kill()
        self.leader.wait()
        assert self.leader.stdout is not None
        self.leader.stdout.close()


@pytest.fixture
def family() -> Iterator[Family]:
    found = Family("stay")
    yield found
    found.end()


def test_everybody_in_a_remembered_session_is_ended_whatever_its_group(tmp_path: Path, family: Family) -> None:
    Register(tmp_path / "1").add(family.leader.pid)
    assert leftovers.end_earlier(tmp_path) == 3
    until_gone(family.leader.pid, family.child, family.other)
    assert list(tmp_path.iterdir()) == []


def test_those_whose_leader_is_long_gone_are_ended_too(tmp_path: Path) -> None:
    family = Family("leave")
    try:
        Register(tmp_path / "1").add(family.leader.pid)
        family.leader.wait()
        assert Register(tmp_path / "1").end_all() == 2
        until_gone(family.child, family.other)
    finally:
        family.end()


def test_a_process_that_only_has_a_remembered_number_is_left_alone(tmp_path: Path, family: Family) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / str(family.leader.pid)).write_text("1")  # it began when the machine did
    assert leftovers.end_earlier(tmp_path) == 0
    assert all(lives(pid) for pid in (family.leader.pid, family.child, family.other))


def test_a_session_that_is_forgotten_is_left_alone(tmp_path: Path, family: Family) -> None:
    register = Register(tmp_path / "1")
    register.add(family.leader.pid)
    register.remove(family.leader.pid)
    register.remove(family.leader.pid)
    assert register.end_all() == 0
    assert lives(family.leader.pid)


def test_a_folder_that_never_was_holds_nothing_to_end(tmp_path: Path) -> None:
    assert leftovers.end_earlier(tmp_path / "none") == 0


def test_a_group_is_killed_without_those_who_left_it(family: Family) -> None:
    kill_group(family.leader.pid)
    until_gone(family.leader.pid, family.child)
    assert lives(family.other)
    family.leader.wait()
    kill_group(family.leader.pid)  # nobody is left: no error


def test_a_guard_ends_what_is_left_once_the_node_at_its_other_end_is_no_more(tmp_path: Path, family: Family) -> None:
    folder = tmp_path / "1"
    Register(folder).add(family.leader.pid)
    # The node of this test: it starts a guard, says so, and is killed.
    node = subprocess.Popen(
        [sys.executable, "-c", NODE, str(folder)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert node.stdout is not None
        keeper = int(node.stdout.readline())
        assert lives(family.child)
    finally:
        node.kill()
        node.wait()
        node.stdout.close() if node.stdout else None
    until_gone(family.leader.pid, family.child, family.other, keeper)
    assert not folder.exists()


NODE = f"""
import asyncio, sys
from pathlib import Path
from {guard.__name__} import start
async def main():
    keeper = await start(Path(sys.argv[1]))
    print(keeper.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
