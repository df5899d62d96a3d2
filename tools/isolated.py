"""Environments beside the project's own, made in the cache from a lock when they are first needed.

    python tools/isolated.py tests/frameworks/torch.lock      # prints the environment's python

The lock is installed with hashes, and its digest is part of the environment's name: a
changed lock is another environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from mlgitops import config, digest, files

_SHARED = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")


@cache
def python(lock: Path, kind: str) -> Path:
    """Return the Python of a lock's environment, which is one of several of its kind in the cache."""
    key = f"{lock.stem}-{digest.hex_of(digest.of_file(lock))[:16]}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = config.cache_dir() / kind / key
    done = folder / "complete"
    with files.lock(folder.with_name(f"{key}.lock")):
        if not done.exists():
            print(f"installing {lock.stem} into the cache", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            uv = Path(sys.prefix) / "bin" / "uv"
            environment = {name: value for name, value in os.environ.items() if name not in _SHARED}
            target = str(folder / "bin" / "python")
            install = ["pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--require-hashes"]
            for command in (
                ["venv", "--quiet", "--python", sys.executable, str(folder)],
                [*install, "--python", target, "-r", str(lock.absolute())],
            ):
                # Not from here, where pyproject.toml would have its say about a lock that is no part of it.
                subprocess.run([uv, *command], check=True, env=environment, stdout=sys.stderr, cwd=folder.parent)
            done.touch()
    return folder / "bin" / "python"


if __name__ == "__main__":
    print(python(Path(sys.argv[1]), "frameworks"))
