"""The container ring stands for the whole session; without root, containerd and a namespace it is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from containers.ring import Ring, standing

NEEDED = ("containerd", "ctr", "runc", "buildah", "ip")


def _why_not() -> str:
    if os.environ.get("MLGITOPS_CONTAINER_RING") != "1":
        return "run: make containers"
    if os.getuid() != 0:
        return "needs root"
    missing = [name for name in NEEDED if not shutil.which(name)]
    return f"needs {', '.join(missing)}; run: make containers" if missing else ""


@pytest.fixture(scope="session")
def ring() -> Iterator[Ring]:
    if reason := _why_not():
        pytest.skip(reason)
    links = subprocess.check_output(["ip", "-oneline", "link", "show", "up"], text=True).splitlines()
    assert len(links) <= 1, "the ring wants a network namespace of its own: make containers"
    # Not pytest's folder: a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="mlgitops-ring-"))
    try:
        with standing(folder) as found:
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)
