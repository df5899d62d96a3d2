"""The images of the container ring: pause, a Debian base, and ours; kept in the cache as archives.

They are made by buildah from packages of the distribution and wheels: no registry is asked.
Run as a program (``python -m containers.images``) it makes what is missing, with a network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mlgitops import config, digest, files
from servers import building

ROOT = Path(__file__).parents[2]
OURS = "mlgitops.dev/python:1"
PAUSE = "mlgitops.dev/pause:1"
BASE = "mlgitops.dev/debian:12"
EXTRAS = "operator,serve,s3,sklearn"
KUBELET = Path(__file__).parent / "kubelet"
RELEASE = "v1.37.2"
_PACKAGES = "python3,python3-venv,git,openssh-client,ca-certificates"
# Holds the network namespace of a pod, and waits to be told to end.
_PAUSE_C = """
#include <signal.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }
"""


def kubelet() -> Path:
    """Return the path of the kubelet; it needs C, for it asks for users and disks."""
    version = " ".join(f"-X k8s.io/{lib}/version.gitVersion={RELEASE}" for lib in ("component-base", "client-go/pkg"))
    return building.program(KUBELET, "k8s.io/kubernetes/cmd/kubelet", linker=f"-s -w {version}", cgo=True)


def archives() -> dict[str, Path]:
    """Return the archive of each image, by name; what is missing is made."""
    return {PAUSE: _kept(PAUSE, [Path(__file__)], _pause), OURS: _kept(OURS, _sources(), _ours)}


def _sources() -> list[Path]:
    folders = ("src", "crds", "manifests", "images")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    kept = [path for path in found if "__pycache__" not in path.parts]
    return [*sorted(kept), ROOT / "pyproject.toml", ROOT / "requirements.lock", Path(__file__)]


def _kept(name: str, sources: list[Path], make: object) -> Path:
    content = digest.of_json([digest.of_file(path) for path in sources])
    folder = config.cache_dir() / "images" / name.rpartition("/")[2].replace(":", "-")
    archive = folder / f"{digest.hex_of(content)[:16]}.tar"
    with files.lock(folder / "lock"):
        if not archive.exists():
            assert callable(make)
            make()
            partial = archive.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            _run("buildah", "push", "--quiet", name, f"oci-archive:{partial}:{name}")
            for old in folder.glob("*.tar"):
                old.unlink()
            partial.replace(archive)
    return archive


def _pause() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "pause.c")
        source.write_text(_PAUSE_C)
        _run("gcc", "-static", "-Os", "-o", source.with_suffix(""), source)
        Path(folder, "Containerfile").write_text('FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
        _run("buildah", "build", "--quiet", "--isolation=chroot", f"--tag={PAUSE}", folder)


def _ours() -> None:
    if subprocess.run(["buildah", "inspect", BASE], env=_environment(), capture_output=True).returncode:
        _base()
    tool = [sys.executable, ROOT / "tools" / "image.py", "--engine=buildah"]
    _run(*tool, f"--tag={OURS}", f"--base={BASE}", f"--extras={EXTRAS}")


def _base() -> None:
    """Make a Debian with Python; users take an image of a registry instead."""
    with tempfile.TemporaryDirectory() as folder:
        _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", folder)
        container = subprocess.check_output(["buildah", "from", "scratch"], env=_environment(), text=True).strip()
        _run("buildah", "add", "--quiet", container, f"{folder}/", "/")
        _run("buildah", "commit", "--quiet", "--rm", container, BASE)


def _environment() -> dict[str, str]:
    """Return an environment in which buildah keeps its images in our cache, by plain copies."""
    folder = config.cache_dir() / "images" / "storage"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "storage.conf"
    places = f'graphroot = "{folder / "root"}"\nrunroot = "{folder / "run"}"\n'
    settings.write_text(f'[storage]\ndriver = "vfs"\n{places}')
    return {**os.environ, "CONTAINERS_STORAGE_CONF": str(settings)}


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], env=_environment(), check=True, stdout=sys.stderr)


if __name__ == "__main__":
    print(kubelet())
    for archive in archives().values():
        print(archive)
