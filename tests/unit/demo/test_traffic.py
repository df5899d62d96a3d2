"""The demo's application: it counts what it gets, and what it does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlgitops.demo.traffic import Traffic, first_answer
from mlgitops.errors import OutsideError

pytestmark = pytest.mark.slow


class Model(BaseHTTPRequestHandler):
    """Answers with the server's version, or its failure."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"model_version": self.server.version}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def model() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    server.version, server.status = "1", 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}/"


def test_answers_are_counted_by_the_version_that_gave_them(model) -> None:
    with Traffic(url(model), {}) as traffic:
        traffic.wait_until(lambda t: t.versions["1"] >= 5, what="five answers of version 1", timeout=60)
        model.version = "2"
        traffic.wait_until(lambda t: t.versions["2"] >= 5, what="five answers of version 2", timeout=60)
    assert traffic.failures == []
    assert traffic.requests == traffic.versions["1"] + traffic.versions["2"]


def test_a_refusal_is_a_failure_that_keeps_its_reason(model) -> None:
    with Traffic(url(model), {}) as traffic:
        model.status = 503
        traffic.wait_until(lambda t: bool(t.failures), what="a failure", timeout=60)
    assert traffic.failures[0].startswith("503: ")


def test_a_server_that_is_gone_is_a_failure() -> None:
    with Traffic("http://127.0.0.1:9/", {}) as traffic:
        traffic.wait_until(lambda t: bool(t.failures), what="a failure", timeout=60)
    assert "127.0.0.1" in traffic.failures[0]


def test_waiting_for_what_never_comes_ends_with_what_did_come(model) -> None:
    with Traffic(url(model), {}) as traffic, pytest.raises(OutsideError, match="version 9 did not happen within 0 s"):
        traffic.wait_until(lambda t: t.versions["9"] > 0, what="version 9", timeout=0.2)


def test_the_first_answer_is_returned(model) -> None:
    assert first_answer(url(model), {}, timeout=60) == {"model_version": "1"}


def test_no_first_answer_says_what_came_instead(model) -> None:
    model.status = 503
    with pytest.raises(OutsideError, match="last: 503"):
        first_answer(url(model), {}, timeout=0.3)
