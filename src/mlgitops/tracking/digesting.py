"""Digests large data beside training: ``python -m mlgitops.tracking.digesting RUN_FOLDER PATH LINE``.

``LINE`` is the JSON of what the record says of the data; the digest is added, and the whole written
into a file of this process's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from mlgitops.errors import MlgitopsError
from mlgitops.tracking import filedigests, helper
from mlgitops.tracking.writer import HELPER, Writer

PATIENCE = 600.0  # seconds that the end of a run waits


class Digesting:
    """A process that digests one data set of a run."""

    def __init__(self, folder: Path, path: Path, line: dict[str, Any]) -> None:
        self.owner = os.getpid()
        self.name = str(line["name"])
        text = json.dumps(line)
        self.has_failed = False  # it ended, and not as it should have
        self._child = helper.spawn("mlgitops.tracking.digesting", str(folder), str(path.absolute()), text)

    def wait(self, patience: float) -> bool:
        """Wait for it, for so many seconds at most; say whether it has ended."""
        if self._child and self.owner == os.getpid():
            status = helper.status_of(self._child, patience)
            if status is not None:
                self._child, self.has_failed = 0, status != 0
        return not self._child


def main(folder: Path, path: Path, line: dict[str, Any]) -> None:
    """Digest a file or folder and write the line."""
    with contextlib.suppress(OSError):
        os.nice(10)  # the training comes first
    with filedigests.cached() as digests:
        found = digests.of(path)
    whole = {"dataset": {**line, "digest": found}, "time": time.time()}
    writer = Writer(folder, HELPER)
    writer.write(json.dumps(whole).encode() + b"\n")
    writer.close()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
    except (MlgitopsError, OSError) as error:
        sys.exit(str(error))
