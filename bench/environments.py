"""Environments of the peers: pinned and hashed in ``peers/<name>.txt``, made in the cache when first needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from mlgitops import config, digest, files

PEERS = Path(__file__).parent / "peers"
_SHARED = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")


@cache
def python(peer: str) -> Path:
    """Return the Python of a peer's environment; install the environment when the cache does not have it."""
    lock = PEERS / f"{peer}.txt"
    key = f"{peer}-{digest.hex_of(digest.of_file(lock))[:16]}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = config.cache_dir() / "peers" / key
    done = folder / "complete"
    with files.lock(folder.with_suffix(".lock")):
        if not done.exists():
            print(f"installing {peer} into the cache", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            uv = Path(sys.prefix) / "bin" / "uv"
            environment = {name: value for name, value in os.environ.items() if name not in _SHARED}
            target = str(folder / "bin" / "python")
            install = ["pip", "install", "--quiet", "--compile-bytecode", "--require-hashes", "--python", target]
            for command in (["venv", "--quiet", "--python", sys.executable, str(folder)], [*install, "-r", str(lock)]):
                subprocess.run([uv, *command], check=True, env=environment, stdout=sys.stderr)
            done.touch()
    return folder / "bin" / "python"
