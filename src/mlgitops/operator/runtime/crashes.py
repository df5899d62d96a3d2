"""Named places at which a test may kill the operator, to prove that nothing is lost there.

``MLGITOPS_CRASH_AT=after-status`` kills the process with SIGKILL when it first passes
``after-status``; ``after-child:3`` when it passes that place the third time. The places:
``before-status``, ``after-status``, ``before-child``, ``after-child``, ``before-delete``, ``after-delete``.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()


def crash_point(place: str) -> None:
    """Die here when ``MLGITOPS_CRASH_AT`` says so; otherwise nothing."""
    wanted = os.environ.get("MLGITOPS_CRASH_AT")
    if not wanted:
        return
    _passed[place] += 1
    name, _, count = wanted.partition(":")
    if name == place and _passed[place] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
