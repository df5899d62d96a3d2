"""Git as a registry of 10,000 and 100,000 versions, beside GTO, which keeps them as tags.

``live_version_p95_ms_10k``  which version is in production: ours in one process, the repository
opened for every question; GTO's own command, because it has no other way that is documented.
``cold_seconds_100k``  the same question by a process that starts for it.
``promote_seconds_10k``  ``mlgitops promote`` up to the pull request on the remote, with what earlier
commands of that user left in the cache; ``gto assign`` up to the tag in the clone.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import environments
from harness import Metric

PROBE = Path(__file__).parent / "probes" / "registry.py"
VERSIONS, MANY = 10_000, 100_000
QUESTIONS = 200
PATIENCE = 1800.0  # seconds; GTO needs minutes

_promotions = count(2)


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield an empty folder on the disk that registries would lie on, not in memory."""
    folder = _folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="mlgitops-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")))


def _run(*command: str, folder: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **(variables or {})}, capture_output=True, text=True, timeout=PATIENCE
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


@cache
def repository(job: str, versions: int) -> Path:
    """Return a repository that the probe made, made once for all rounds."""
    folder = _folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _run(sys.executable, str(PROBE), job, str(folder), str(versions))
    return folder


@cache
def checkout(versions: int) -> Path:
    """Return a registry with its work tree."""
    folder = repository("make", versions)
    _run("git", "-C", str(folder), "reset", "--quiet", "--hard")
    return folder


def _seconds(*command: str, folder: Path | None = None, variables: Mapping[str, str] | None = None) -> float:
    began = time.monotonic()
    _run(*command, folder=folder, variables=variables)
    return time.monotonic() - began


def _live() -> float:
    folder = repository("make", VERSIONS)
    return float(_run(sys.executable, str(PROBE), "p95", str(folder), str(VERSIONS), str(QUESTIONS)))


def _live_of_gto() -> float:
    folder = repository("make-gto", VERSIONS)
    return _seconds(_gto(), "show", "model-7#production", "--version", folder=folder) * 1000


def _cold() -> float:
    folder = repository("make", MANY)
    return _seconds(sys.executable, str(PROBE), "live", str(folder), "model-7", "production")


@cache
def _user() -> tuple[Path, dict[str, str]]:
    """Return the working folder and settings of somebody who promoted before, and has a remote."""
    folder = _folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    remote = folder / "remote.git"
    _run("git", "clone", "--quiet", "--bare", str(repository("make", VERSIONS)), str(remote))
    (folder / "mlgitops.toml").write_text(f"[registry]\nurl = {json.dumps(remote.as_uri())}\n")
    variables = {"MLGITOPS_CACHE_DIR": str(folder / "cache")}
    _run(_mlgitops(), "promote", "model-1", "production", "2", folder=folder, variables=variables)
    return folder, variables


def _promote() -> float:
    folder, variables = _user()
    model = f"model-{next(_promotions)}"
    return _seconds(_mlgitops(), "promote", model, "production", "7", folder=folder, variables=variables)


def _promote_of_gto() -> float:
    folder = repository("make-gto", VERSIONS)
    version = f"v{next(_promotions)}.0.0"
    return _seconds(_gto(), "assign", "model-7", "--version", version, "--stage", "production", folder=folder)


def _mlgitops() -> str:
    return str(Path(sys.prefix) / "bin" / "mlgitops")


def _gto() -> str:
    return str(environments.python("gto").with_name("gto"))


METRICS = (
    Metric("live_version_p95_ms_10k", "ms", "lower", _live, {"gto": _live_of_gto}, goal="<=50", rounds=(3, 1)),
    Metric("cold_seconds_100k", "s", "lower", _cold, goal="<=0.5"),
    Metric("promote_seconds_10k", "s", "lower", _promote, {"gto": _promote_of_gto}, goal="<=0.1x", rounds=(3, 1)),
)
