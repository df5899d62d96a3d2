"""Get the control plane from the official releases, every file checked against a checksum.

A mirror (``local.mirror``) keeps the addresses of the originals as paths: what is at
``https://HOST/PATH`` is looked for at ``MIRROR/HOST/PATH``.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import platform
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from mlgitops import config
from mlgitops.errors import IntegrityError, OutsideError
from mlgitops.local import build

KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
_GATEWAY_API = "sigs.k8s.io/gateway-api"
_CONNECT = 5.0  # seconds without a byte before a server counts as out of reach


def identity() -> str:
    """Return what decides the downloaded bytes: the versions."""
    modules = ("k8s.io/kubernetes", "go.etcd.io/etcd/server/v3", _GATEWAY_API)
    return "\n".join(f"{module} {build.required(module)}" for module in modules)


def system() -> tuple[str, str]:
    """Return this machine's operating system and architecture as Go names them."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return platform.system().lower(), architecture


def download(folder: Path, progress: Callable[[str], None]) -> None:
    """Fill a folder with Kubernetes, etcd and the Gateway API's CRDs (about 300 MB).

    Raises:
        OutsideError: a server could not be reached or does not have a file.
        IntegrityError: a file is not what its checksum says.
    """
    for name in KUBERNETES:
        _kubernetes(folder, name, progress)
    _etcd(folder, progress)
    _gateway_crds(folder)


def _kubernetes(folder: Path, name: str, progress: Callable[[str], None]) -> None:
    system_name, architecture = system()
    version = build.required("k8s.io/kubernetes")
    address = f"dl.k8s.io/release/{version}/bin/{system_name}/{architecture}/{name}"
    # The checksum is small: a server out of reach is noticed before anything is announced.
    checksum = _get(f"{address}.sha256").decode().split()[0]
    progress(f"downloading {name} {version}")
    _executable(folder / name, _checked(address, _get(address), checksum))


def _etcd(folder: Path, progress: Callable[[str], None]) -> None:
    version = build.required("go.etcd.io/etcd/server/v3")
    top = "-".join(("etcd", version, *system()))
    release = f"github.com/etcd-io/etcd/releases/download/{version}"
    listed = (line.split() for line in _get(f"{release}/SHA256SUMS").decode().splitlines())
    checksums = {fields[1]: fields[0] for fields in listed if len(fields) == 2}
    archive = f"{top}.tar.gz"
    progress(f"downloading etcd {version}")
    data = _checked(archive, _get(f"{release}/{archive}"), checksums.get(archive, "none listed"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.extractfile(f"{top}/etcd")
        assert member is not None, f"{archive} holds no {top}/etcd"
        _executable(folder / "etcd", member.read())


def _gateway_crds(folder: Path) -> None:
    """Take the CRDs out of the Go module, whose hash stands in ``go.sum``."""
    version = build.required(_GATEWAY_API)
    address = f"proxy.golang.org/{_GATEWAY_API}/@v/{version}.zip"
    with zipfile.ZipFile(io.BytesIO(_get(address))) as archive:
        found, expected = _module_hash(archive), _go_sum(_GATEWAY_API, version)
        if found != expected:
            raise IntegrityError(address, expected=expected, found=found)
        for name in build.CRD_FILES:
            member = f"{_GATEWAY_API}@{version}/config/crd/standard/{name}"
            (folder / build.CRDS / name).write_bytes(archive.read(member))


def _module_hash(archive: zipfile.ZipFile) -> str:
    """Return a module's hash as ``go.sum`` writes it (golang.org/x/mod/sumdb/dirhash, Hash1)."""
    digest = hashlib.sha256()
    for name in sorted(archive.namelist()):
        digest.update(f"{hashlib.sha256(archive.read(name)).hexdigest()}  {name}\n".encode())
    return "h1:" + base64.b64encode(digest.digest()).decode()


def _go_sum(module: str, version: str) -> str:
    for line in (build.SOURCES / "go.sum").read_text().splitlines():
        fields = line.split()
        if fields[:2] == [module, version]:
            return fields[2]
    raise AssertionError(f"go.sum has no line for {module} {version}")


def _get(address: str) -> bytes:
    mirror = config.load().get("local.mirror")
    url = f"{mirror.rstrip('/')}/{address}" if mirror else f"https://{address}"
    try:
        with urllib.request.urlopen(url, timeout=_CONNECT) as answer:  # noqa: S310 - https, or the user's mirror
            data: bytes = answer.read()
            return data
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise OutsideError(f"official releases: {url}: {error}") from error


def _checked(address: str, data: bytes, checksum: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != checksum:
        raise IntegrityError(address, expected=f"sha256:{checksum}", found=f"sha256:{found}")
    return data


def _executable(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o755)
