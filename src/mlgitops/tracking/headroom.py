"""How much memory is free before the system ends processes: of the machine, and of the control group that limits us.

A control group counts files that were read as used; those that were not used again lately are given back on demand, so
they count as free here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_VERSIONS = {  # of control groups: where they lie, and their names for the limit, what is used, and idle files
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free(system: Path = Path("/")) -> int | None:
    """Return bytes that may be taken, None where the system (below ``system``, for tests) does not tell."""
    found = list(_limits(system))
    machine = _values(system / "proc/meminfo").get("MemAvailable:")
    if machine is not None:
        found.append(machine * 1024)
    return max(0, min(found)) if found else None


def _limits(system: Path) -> Iterator[int]:
    """Yield what is free in each control group that holds this process."""
    for line in _text(system / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        for controller in controllers.split(","):
            if controller in _VERSIONS:
                top, most, used, idle = _VERSIONS[controller]
                # Of a container that sees the names of outside only the top is there.
                for folder in (system / top / place.lstrip("/"), *map((system / top).joinpath, _above(place))):
                    limit, taken = _text(folder / most).strip(), _text(folder / used).strip()
                    if limit.isdigit() and taken.isdigit():
                        yield int(limit) - int(taken) + _values(folder / "memory.stat").get(idle, 0)


def _above(place: str) -> list[str]:
    return [str(parent).lstrip("/") for parent in Path(place).parents]


def _values(path: Path) -> dict[str, int]:
    """Return the numbers of a file with a name and a number a line."""
    pairs = [line.split() for line in _text(path).splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) > 1 and pair[1].isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
