"""The control plane's programs: where they are found, and how they are made when they are not.

In this order: the folder that ``local.binaries`` names, the cache, official release
binaries, a Go build. ``python -m mlgitops.local.binaries`` does it and prints nothing
when there is nothing to do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlgitops import config
from mlgitops.errors import InputError, MlgitopsError, OutsideError
from mlgitops.files import lock
from mlgitops.local import build, releases

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds the programs, as one ``controlplane`` or one file each, and Gateway API's CRDs."""

    folder: Path

    def command(self, component: str) -> tuple[str, ...]:
        """Return how a component is started, without its own flags."""
        joined = self.folder / build.PROGRAM
        return (str(joined), component) if joined.is_file() else (str(self.folder / component),)

    @property
    def gateway_crds(self) -> Path:
        """The folder of the Gateway API's custom resource definitions."""
        return self.folder / build.CRDS

    @property
    def missing(self) -> tuple[str, ...]:
        """What the folder lacks, by name; empty when it is complete."""
        lacks = [name for name in COMPONENTS if not os.access(self.command(name)[0], os.X_OK)]
        if not any(self.gateway_crds.glob("*.yaml")):
            lacks.append(f"{build.CRDS}/*.yaml")
        return tuple(lacks)


def find(progress: Progress = lambda _: None) -> Binaries:
    """Return the programs, made first when this machine does not have them (minutes).

    Args:
        progress: receives a line whenever there is something to say about a download or build.

    Raises:
        InputError: the folder that ``local.binaries`` names is not complete.
        OutsideError: no way worked; the message lists the ways and what each of them said.
    """
    chosen = config.load().get("local.binaries")
    if chosen:
        return _chosen(Path(chosen))
    ways = (
        (_entry("release", releases.identity()), releases.download),
        (_entry("build", build.identity()), build.build),
    )
    for entry, _ in ways:
        if not Binaries(entry).missing:
            return Binaries(entry)
    refusals: list[str] = []
    for entry, make in ways:
        try:
            return _make(entry, make, progress)
        except (MlgitopsError, OSError) as error:
            refusals.append(str(error))
            progress(str(error))
    raise OutsideError(
        "the local cluster's programs were not found and could not be made:\n"
        + "".join(f"  - {refusal}\n" for refusal in refusals)
        + f"Ways out: install Go {build.go_needed()}; or set MLGITOPS_LOCAL_MIRROR to a server that holds the official "
        f"releases; or set MLGITOPS_LOCAL_BINARIES to a folder with {', '.join(COMPONENTS)} and {build.CRDS}/*.yaml"
    )


def _chosen(folder: Path) -> Binaries:
    binaries = Binaries(folder)
    if binaries.missing:
        raise InputError(f"{folder} (local.binaries) lacks {', '.join(binaries.missing)}; add them or unset it")
    return binaries


def _entry(way: str, identity: str) -> Path:
    """Return the cache folder for one way of getting the programs; its name changes with everything that goes in."""
    key = hashlib.sha256(f"{way}\n{releases.system()}\n{identity}".encode()).hexdigest()
    return config.cache_dir() / "controlplane" / key


def _make(entry: Path, make: Callable[[Path, Progress], None], progress: Progress) -> Binaries:
    """Fill a cache entry beside its place and rename it in, one process at a time."""
    guard = entry.with_suffix(".lock")
    if _is_held(guard):
        progress("another process is making the control plane; waiting for it")
    with lock(guard):
        return _fill(entry, make, progress)


def _is_held(guard: Path) -> bool:
    try:
        with lock(guard, blocking=False):
            return False
    except OutsideError:
        return True


def _fill(entry: Path, make: Callable[[Path, Progress], None], progress: Progress) -> Binaries:
    if not Binaries(entry).missing:
        return Binaries(entry)
    unfinished = entry.with_suffix(".unfinished")
    for leftover in (unfinished, entry):
        shutil.rmtree(leftover, ignore_errors=True)
    (unfinished / build.CRDS).mkdir(parents=True)
    try:
        make(unfinished, progress)
        if lacks := Binaries(unfinished).missing:
            raise OutsideError(f"{make.__name__} left out {', '.join(lacks)}")
        unfinished.rename(entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Binaries(entry)


def main() -> int:
    """Find or make the programs, telling on stderr; return an exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the compiler ends with us
    try:
        find(lambda line: print(line, file=sys.stderr, flush=True))
    except MlgitopsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
