"""Credentials reach the one host that they are for, and no message."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

import pytest

from mlgitops.errors import OutsideError
from mlgitops.git import Login, ls_remote


class Guarded(ThreadingTCPServer):
    """A host that lets nobody in without a password, and remembers who tried."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/team/registry.git"


class _Handler(BaseHTTPRequestHandler):
    server: Guarded

    def do_GET(self) -> None:
        said = self.headers.get("Authorization")
        self.server.seen.append(said)
        self.send_response(401 if said is None else 403)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with Guarded() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_login_is_given_to_the_host_that_asks_and_never_printed(guarded: Guarded) -> None:
    login = Login("bot", "s3cret; $(touch x)")
    with pytest.raises(OutsideError) as caught:
        ls_remote(guarded.url, login=login)
    expected = "Basic " + base64.b64encode(b"bot:s3cret; $(touch x)").decode()
    assert expected in guarded.seen
    assert "s3cret" not in str(caught.value) and "s3cret" not in repr(login)


def test_without_a_login_nobody_is_asked_and_the_command_ends(guarded: Guarded) -> None:
    with pytest.raises(OutsideError, match="cannot read git repository"):
        ls_remote(guarded.url)
    assert set(guarded.seen) == {None}
