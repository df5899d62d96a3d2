"""A key from a Secret opens one ssh server, whose own key is checked: a real sshd on a port of this machine."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mlgitops.errors import OutsideError
from mlgitops.git import Repository, SshLogin, ls_remote

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(SSHD).exists(), reason="needs sshd (Debian: openssh-server)"),
]


@dataclass(frozen=True)
class Server:
    """Where a repository is, what its head is called, and the login that opens it."""

    url: str
    head: str
    login: SshLogin


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    repository = Repository.init(tmp_path / "registry.git", bare=True)
    head = repository.commit(None, {"a.yaml": b"a: 1\n"}, "First")
    repository.set_ref("refs/heads/main", head)
    repository.close()
    host, own = make_key(tmp_path / "host"), make_key(tmp_path / "client")
    shutil.copy(own, tmp_path / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "authorized",
        "PidFile": "none",
        "StrictModes": "no",  # pytest's folders are not the user's home
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "ListenAddress": f"127.0.0.1:{port}",
    }
    (tmp_path / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    command = [SSHD, "-D", "-e", "-f", str(tmp_path / "sshd_config")]
    with (tmp_path / "sshd.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        _wait(port, process, tmp_path / "sshd.log")
        known = f"[127.0.0.1]:{port} {host.read_text()}"
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path / 'registry.git'}"
        yield Server(url, head, SshLogin((tmp_path / "client").read_text(), known))
    finally:
        process.terminate()
        process.wait(60)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)


def test_a_key_opens_the_repository(server: Server, tmp_path: Path) -> None:
    assert ls_remote(server.url, login=server.login) == {"refs/heads/main": server.head}
    repository = Repository.init(tmp_path / "mirror", bare=True)
    repository.login = server.login
    repository.fetch(server.url, "+refs/heads/main:refs/mirror/main")
    assert repository.resolve("refs/mirror/main") == server.head
    repository.close()


def test_a_host_with_another_key_is_not_spoken_to(server: Server, tmp_path: Path) -> None:
    stranger = make_key(tmp_path / "stranger").read_text()
    known = f"{server.login.known_hosts.split()[0]} {stranger}"
    with pytest.raises(OutsideError, match="Host key verification failed"):
        ls_remote(server.url, login=replace(server.login, known_hosts=known))


def test_a_key_that_the_server_does_not_know_is_refused_and_never_printed(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    login = replace(server.login, identity=(tmp_path / "other").read_text())
    with pytest.raises(OutsideError, match="Permission denied") as caught:
        ls_remote(server.url, login=login)
    assert "PRIVATE KEY" not in str(caught.value) + repr(login)
