"""Programs that tests need, built from Go modules into the cache: once for each go.sum."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from mlgitops import config, digest, files


def program(sources: Path, package: str, *, linker: str = "-s -w", cgo: bool = False) -> Path:
    """Return the path of a program; build it when the cache does not have it.

    Args:
        sources: the folder of ``go.mod`` and ``go.sum``.
        package: the Go package of the program; its last part is the program's name.
        linker: flags of the linker.
        cgo: whether C may be part of it.
    """
    name = package.rpartition("/")[2]
    key = digest.hex_of(digest.of_file(sources / "go.sum"))[:16]
    entry = config.cache_dir() / name / key
    built = entry / name
    with files.lock(entry.parent / f"{key}.lock"):
        if not built.exists():
            entry.mkdir(parents=True, exist_ok=True)
            partial = entry / "partial"
            command = ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", f"-ldflags={linker}"]
            environment = os.environ | {"CGO_ENABLED": "1" if cgo else "0"}
            subprocess.run([*command, "-o", str(partial), package], cwd=sources, env=environment, check=True)
            partial.replace(built)
    return built
