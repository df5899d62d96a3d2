from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CODE = """
from mlgitops.operator.runtime.crashes import crash_point
for number in range(1, 4):
    crash_point("after-status")
    crash_point("after-child")
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    ("wanted", "passed"),
    [("after-status", 0), ("after-child:2", 1), ("after-child:9", 3), ("elsewhere", 3), ("", 3)],
)
def test_a_process_dies_at_the_named_place_and_nowhere_else(wanted: str, passed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={"MLGITOPS_CRASH_AT": wanted}, capture_output=True, text=True
    )
    assert len(done.stdout.split()) == passed
    assert done.returncode == (0 if passed == 3 else -signal.SIGKILL)
