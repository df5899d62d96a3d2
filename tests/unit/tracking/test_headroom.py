from __future__ import annotations

from pathlib import Path

import pytest

from mlgitops.tracking import headroom

MIB = 1 << 20


def system(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


MACHINE = {"proc/meminfo": "MemTotal:  9000 kB\nMemAvailable:  8192 kB\n"}
SECOND = {
    "proc/self/cgroup": "0::/jobs/mine\n",
    "sys/fs/cgroup/jobs/mine/memory.max": "max\n",
    "sys/fs/cgroup/jobs/mine/memory.current": f"{MIB}\n",
    "sys/fs/cgroup/jobs/memory.max": f"{6 * MIB}\n",
    "sys/fs/cgroup/jobs/memory.current": f"{5 * MIB}\n",
    "sys/fs/cgroup/jobs/memory.stat": f"anon {MIB}\ninactive_file {2 * MIB}\n",
}
FIRST = {
    "proc/self/cgroup": "9:cpu,cpuacct:/x\n4:memory:/docker/unknown/here\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * MIB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{3 * MIB}\n",
    "sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {MIB}\n",
}


@pytest.mark.parametrize(
    ("files", "free"),
    [
        (MACHINE, 8 * MIB),
        (MACHINE | SECOND, 3 * MIB),
        (MACHINE | FIRST, 2 * MIB),
        (SECOND, 3 * MIB),
        (MACHINE | SECOND | {"sys/fs/cgroup/jobs/memory.current": f"{9 * MIB}"}, 0),
        ({"proc/self/cgroup": "what\n::\n", "proc/meminfo": "MemAvailable: soon\n"}, None),
        ({}, None),
    ],
    ids=["machine", "group above", "container, version 1", "group only", "none left", "nonsense", "nothing"],
)
def test_what_is_free_is_the_least_of_machine_and_groups(
    files: dict[str, str], free: int | None, tmp_path: Path
) -> None:
    assert headroom.free(system(tmp_path, files)) == free


def test_this_machine_tells() -> None:
    assert (headroom.free() or 0) > MIB
