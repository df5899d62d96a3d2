"""The last words of a container: one JSON object that the kubelet copies into the pod's status."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

# The kubelet's own default. A process node has no file there and says where it reads instead.
_PATH: Final = "/dev/termination-log"

# The kubelet cuts a message after 4096 bytes, which would leave no JSON at all.
_LONGEST: Final = 1500


def write(message: dict[str, Any]) -> None:
    """Leave a termination message, and the same line on stderr; long texts are cut, never raises."""
    short = {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in message.items()}
    line = json.dumps(short)
    print(line, file=sys.stderr, flush=True)
    try:
        Path(os.environ.get("MLGITOPS_TERMINATION_LOG") or _PATH).write_text(line, encoding="utf-8")
    except OSError as error:
        print(f"the termination message could not be written: {error}", file=sys.stderr, flush=True)
