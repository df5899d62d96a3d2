"""The control plane's programs are found, downloaded with checksums, or built; and never half."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import io
import os
import shutil
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlgitops.errors import InputError, OutsideError
from mlgitops.local import binaries, build, releases

KUBERNETES, ETCD, GATEWAY_API = "v1.2.3", "v3.4.5", "v1.0.0"
CUT_SHORT = "/cut-short"
SYSTEM = "-".join(releases.system())


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content[:2] if self.path.endswith(CUT_SHORT) else content)


def module_zip() -> tuple[bytes, str]:
    """A Go module with the CRDs, and its hash as go.sum has it."""
    top = f"sigs.k8s.io/gateway-api@{GATEWAY_API}"
    files = {f"{top}/config/crd/standard/{name}": f"kind: {name}\n".encode() for name in build.CRD_FILES}
    files[f"{top}/go.mod"] = b"module sigs.k8s.io/gateway-api\n"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    lines = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return data.getvalue(), "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


def etcd_archive() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"etcd-{ETCD}-{SYSTEM}/etcd")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"etcd"))
    return data.getvalue()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small stand-ins for the official releases, laid out as a mirror of them."""
    top = tmp_path / "mirror"
    kubernetes = top / "dl.k8s.io/release" / KUBERNETES / "bin" / SYSTEM.replace("-", "/")
    kubernetes.mkdir(parents=True)
    for name in releases.KUBERNETES:
        (kubernetes / name).write_bytes(name.encode())
        (kubernetes / f"{name}.sha256").write_text(hashlib.sha256(name.encode()).hexdigest())
    etcd = top / "github.com/etcd-io/etcd/releases/download" / ETCD
    etcd.mkdir(parents=True)
    archive = f"etcd-{ETCD}-{SYSTEM}.tar.gz"
    (etcd / archive).write_bytes(etcd_archive())
    (etcd / "SHA256SUMS").write_text(f"{hashlib.sha256((etcd / archive).read_bytes()).hexdigest()}  {archive}\n")
    module = top / "proxy.golang.org/sigs.k8s.io/gateway-api/@v"
    module.mkdir(parents=True)
    data, go_sum = module_zip()
    (module / f"{GATEWAY_API}.zip").write_bytes(data)
    sources = tmp_path / "sources"
    sources.mkdir()
    needed = (
        f"k8s.io/kubernetes {KUBERNETES}\n go.etcd.io/etcd/server/v3 {ETCD}\n sigs.k8s.io/gateway-api {GATEWAY_API}"
    )
    (sources / "go.mod").write_text(f"module test\n\ngo 1.26.0\n\nrequire (\n {needed}\n)\n")
    (sources / "go.sum").write_text(f"sigs.k8s.io/gateway-api {GATEWAY_API} {go_sum}\n")
    (sources / "main.go").write_text("package main\n\nfunc main() { does not compile }\n")
    (sources / "tools.go").write_text("package main\n")
    monkeypatch.setattr(build, "SOURCES", sources)
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    return top


@pytest.fixture
def server(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The mirror, served, and no Go to fall back on."""
    handler = functools.partial(Quiet, directory=mirror)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("MLGITOPS_LOCAL_MIRROR", f"http://127.0.0.1:{serving.server_port}")
        without_go(monkeypatch)
        yield mirror
        serving.shutdown()
        thread.join()


def without_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_LOCAL_MIRROR", "http://127.0.0.1:1")


def test_official_releases_are_downloaded_and_verified(server: Path) -> None:
    found = binaries.find()
    assert not found.missing
    for name in binaries.COMPONENTS:
        (program,) = found.command(name)
        assert Path(program).read_bytes() == name.encode()
        assert os.access(program, os.X_OK)
    assert sorted(path.name for path in found.gateway_crds.iterdir()) == sorted(build.CRD_FILES)


def test_what_was_downloaded_once_is_found_without_network_and_go(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = binaries.find()
    offline(monkeypatch)
    assert binaries.find() == first


@pytest.mark.parametrize(
    "spoiled",
    ["**/kubectl", "**/etcd-*.tar.gz", "**/*.zip"],
)
def test_a_file_that_is_not_what_its_checksum_says_is_refused_and_nothing_is_kept(server: Path, spoiled: str) -> None:
    (path,) = server.glob(spoiled)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("sigs.k8s.io/gateway-api@v1.0.0/more", b"more")
    else:
        path.write_bytes(b"something else")
    with pytest.raises(OutsideError, match="expected digest"):
        binaries.find()
    assert not [one for one in (Path(os.environ["MLGITOPS_CACHE_DIR"]) / "controlplane").iterdir() if one.is_dir()]


def test_a_download_that_breaks_off_is_an_error_that_names_the_file(server: Path) -> None:
    (server / "cut-short").write_bytes(b"half")
    with pytest.raises(OutsideError, match=r"official releases: .*/cut-short: IncompleteRead"):
        releases._get("cut-short")


def test_without_network_and_go_one_error_lists_the_ways(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch)
    without_go(monkeypatch)
    with pytest.raises(OutsideError) as caught:
        binaries.find()
    for way in ("official releases", "go build", "Go 1.26.0", "MLGITOPS_LOCAL_MIRROR", "MLGITOPS_LOCAL_BINARIES"):
        assert way in str(caught.value)


@pytest.mark.skipif(not shutil.which("go"), reason="needs Go")
def test_a_build_that_fails_ends_with_the_compiler_s_words(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch)
    with pytest.raises(OutsideError, match=r"(?s)go build failed.*main\.go|go build failed.*updates to go\.mod"):
        binaries.find()


def test_a_named_folder_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gateway-api").mkdir()
    (tmp_path / "gateway-api" / "crd.yaml").touch()
    (tmp_path / "controlplane").touch(mode=0o755)
    monkeypatch.setenv("MLGITOPS_LOCAL_BINARIES", str(tmp_path))
    assert binaries.find().command("etcd") == (str(tmp_path / "controlplane"), "etcd")


def test_a_named_folder_that_lacks_something_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etcd").touch(mode=0o755)
    monkeypatch.setenv("MLGITOPS_LOCAL_BINARIES", str(tmp_path))
    with pytest.raises(InputError, match=r"lacks kube-apiserver, .*gateway-api/\*\.yaml"):
        binaries.find()


def test_who_comes_second_waits_for_who_makes_the_programs(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download, begun, lines = releases.download, threading.Event(), list[str]()
    made = []

    def slowly(folder: Path, progress: binaries.Progress) -> None:
        made.append(folder)
        begun.set()
        deadline = time.monotonic() + 60
        while not lines and time.monotonic() < deadline:
            time.sleep(0.01)
        download(folder, progress)

    monkeypatch.setattr(releases, "download", slowly)
    first = threading.Thread(target=binaries.find)
    first.start()
    assert begun.wait(60)
    assert not binaries.find(lines.append).missing
    first.join()
    assert len(made) == 1
    assert "waiting" in lines[0]


def test_the_cache_entry_changes_with_the_versions(server: Path) -> None:
    before = releases.identity()
    path = build.SOURCES / "go.mod"
    path.write_text(path.read_text().replace(KUBERNETES, "v1.2.4"))
    assert releases.identity() != before
