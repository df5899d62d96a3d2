"""Build the control plane from Go modules; everything that goes in is named by ``go.mod`` and ``go.sum``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from mlgitops.errors import OutsideError
from mlgitops.local.processes import dying_with

SOURCES = Path(__file__).parent / "controlplane"
PROGRAM = "controlplane"
CRDS = "gateway-api"
# The kinds that a route needs; every further CRD costs the API server memory and start-up time.
CRD_FILES = tuple(
    f"gateway.networking.k8s.io_{plural}.yaml"
    for plural in ("gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants")
)
_TELL_EVERY = 15.0  # seconds


def required(module: str) -> str:
    """Return the version of a module that ``go.mod`` asks for, with its leading ``v``."""
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    assert found, f"go.mod does not require {module}"
    return found[1]


def go_needed() -> str:
    """Return the oldest Go that can build, such as ``1.26.0``."""
    found = re.search(r"^go (\S+)$", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    assert found, "go.mod has no go line"
    return found[1]


def flags() -> tuple[str, ...]:
    """Return the flags of ``go build``; the version is stamped as the official releases do it."""
    version = required("k8s.io/kubernetes")
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamp = " ".join(f"-X {package}.gitVersion={version}" for package in packages)
    return ("-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {stamp}")


def identity() -> str:
    """Return what decides the built bytes: sources, flags and Go's version."""
    sources = (SOURCES / name for name in ("main.go", "tools.go", "go.mod", "go.sum"))
    return "\n".join((*(path.read_text() for path in sources), *flags(), _go_version()))


def _go_version() -> str:
    if not shutil.which("go"):
        return "no Go"
    asked = subprocess.run(["go", "env", "GOVERSION"], cwd=SOURCES, capture_output=True, text=True)
    return asked.stdout.strip() or "no usable Go"


def build(folder: Path, progress: Callable[[str], None]) -> None:
    """Build the program and copy the Gateway API's CRDs into a folder (10 minutes cold on two cores).

    Raises:
        OutsideError: there is no Go, or it failed; the message ends with its last lines.
    """
    if not shutil.which("go"):
        raise OutsideError(f"go build: no go on PATH; Go {go_needed()} or newer is needed")
    progress("building the control plane from Go modules; the first time takes about ten minutes")
    began = time.monotonic()
    _run_with_progress(["go", "build", "-v", *flags(), "-o", str(folder / PROGRAM), "."], progress)
    module = _module_folder("sigs.k8s.io/gateway-api")
    for name in CRD_FILES:
        # Plain copies: files of the module cache are read-only.
        (folder / CRDS / name).write_bytes((module / "config/crd/standard" / name).read_bytes())
    progress(f"built the control plane in {time.monotonic() - began:.0f} s")


def _run_with_progress(command: list[str], progress: Callable[[str], None]) -> None:
    """Run a verbose Go build, telling now and then how many packages it has compiled."""
    began = told = time.monotonic()
    environment = os.environ | {"CGO_ENABLED": "0"}
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=SOURCES,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=dying_with(os.getpid()),
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                lines.append(line)
                if time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    progress(f"{told - began:.0f} s, {len(lines)} packages and modules: {line.strip()}")
        except BaseException:  # a polite kill reaches us alone, not the compiler
            process.terminate()
            raise
    if process.returncode:
        raise OutsideError(f"go build failed ({process.returncode}): " + "".join(lines[-12:]).strip())


def _module_folder(module: str) -> Path:
    """Return a module's folder, fetched when the build alone would not need it; ``go.sum`` vouches for it."""
    command = ["go", "mod", "download", "-json", module]
    fetched = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)
    try:
        found = json.loads(fetched.stdout)
    except ValueError:
        found = {}
    if fetched.returncode or not found.get("Dir"):
        raise OutsideError(f"go mod download {module}: {found.get('Error') or fetched.stderr.strip()}")
    return Path(found["Dir"])
