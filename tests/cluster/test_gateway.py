"""The gateway follows the API server: routes, Services and pods' readiness decide who gets a request.

No node runs here: the tests write pods' statuses and serve on their addresses themselves.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import http.server
import itertools
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlgitops.local.cluster import Cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server and a gateway."""
    folder = tmp_path_factory.mktemp("gateway") / "routed"
    running = Cluster.up(attached=True, parts=("etcd", "kube-apiserver", "gateway"), folder=folder)
    yield running
    running.down()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, name: str, *arguments: Any) -> None:
        self.name = name
        super().__init__(*arguments)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"pod": self.name, "path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Ends as a process does: with all its connections."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def server_close(self) -> None:
        super().server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Shop:
    """A namespace of ``routed`` with pods that this test plays the node for."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.namespace = f"shop-{next(_numbers)}"
        self.host = f"{self.namespace}.example.com"
        self._servers: dict[str, Server] = {}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        # What the controller manager would make.
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})

    def apply(self, document: dict[str, Any]) -> None:
        document["metadata"].setdefault("namespace", self.namespace)
        self.cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(document))

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments)

    def service(self, name: str) -> None:
        spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}]}
        self.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})

    def route(self, *backends: dict[str, Any]) -> None:
        rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        rule = {
            "matches": [{"path": {"type": "PathPrefix", "value": "/iris"}}],
            "filters": [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}],
            "backendRefs": [{"port": 80, **backend} for backend in backends],
        }
        spec = {
            "parentRefs": [{"name": "local", "namespace": "mlgitops-gateway"}],
            "hostnames": [self.host],
            "rules": [rule],
        }
        api = "gateway.networking.k8s.io/v1"
        self.apply({"apiVersion": api, "kind": "HTTPRoute", "metadata": {"name": "iris"}, "spec": spec})
        until(lambda: self.route_is("True"))

    def route_is(self, status: str) -> bool:
        route = json.loads(self.kubectl("get", "httproute", "iris", "-o", "json"))
        parents = route.get("status", {}).get("parents", [])
        conditions = {c["type"]: c for parent in parents for c in parent["conditions"]}
        current = all(c["observedGeneration"] == route["metadata"]["generation"] for c in conditions.values())
        return bool(conditions) and current and conditions["ResolvedRefs"]["status"] == status

    def pod(self, name: str, app: str) -> None:
        """Start a server and say that it is a ready pod."""
        address = f"127.{self.cluster.endpoints.block}.200.{next(_numbers)}"
        handler = functools.partial(Answer, name)
        server = self._servers[name] = Server((address, 8080), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        container = {"name": "server", "image": "x", "ports": [{"name": "http", "containerPort": 8080}]}
        metadata = {"name": name, "labels": {"app": app}}
        spec = {"nodeName": "local", "containers": [container]}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        self.status(name, phase="Running", podIP=address, podIPs=[{"ip": address}])
        self.ready(name, "True")

    def status(self, name: str, **status: Any) -> None:
        self.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def ready(self, name: str, status: str) -> None:
        self.status(name, conditions=[{"type": "Ready", "status": status}])

    def end(self, name: str) -> None:
        """End a pod as the node does: said first, then a moment, then gone."""
        self.kubectl("delete", "pod", name, "--wait=false")
        until(lambda: name not in self.answers(20))
        self.stop(name)
        self.kubectl("delete", "pod", name, "--grace-period=0", "--force")

    def stop(self, name: str) -> None:
        server = self._servers.pop(name)
        server.shutdown()
        server.server_close()

    def stop_all(self) -> None:
        for name in tuple(self._servers):
            self.stop(name)

    def request(self, path: str = "/iris/v2") -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(self.cluster.endpoints.address, self.cluster.endpoints.gateway)
        try:
            connection.request("POST", path, body=b"{}", headers={"Host": self.host})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def answers(self, count: int) -> Counter[str]:
        answers = (self.request() for _ in range(count))
        return Counter(body["pod"] if status == 200 else str(status) for status, body in answers)


@pytest.fixture
def shop(routed: Cluster) -> Iterator[Shop]:
    shop = Shop(routed)
    yield shop
    shop.stop_all()


def until(condition: Callable[[], bool], *, within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def test_the_gateway_and_its_class_say_that_they_work(routed: Cluster) -> None:
    routed.kubectl("wait", "gatewayclass/mlgitops-local", "--for=condition=Accepted", "--timeout=10s")
    routed.kubectl("wait", "gateway/local", "-n", "mlgitops-gateway", "--for=condition=Programmed", "--timeout=10s")


def test_a_request_reaches_the_ready_pod_of_its_route(shop: Shop) -> None:
    shop.service("iris")
    shop.route({"name": "iris"})
    assert shop.request()[0] == 503
    shop.pod("one", app="iris")
    until(lambda: shop.request()[0] == 200)
    assert shop.request("/iris/v2/models?x=1") == (200, {"pod": "one", "path": "/v2/models?x=1"})


def test_a_route_s_status_says_when_its_backend_is_missing_and_when_it_came(shop: Shop) -> None:
    shop.service("iris")
    shop.route({"name": "iris"})
    shop.kubectl("delete", "service", "iris")
    until(lambda: shop.route_is("False"))
    shop.service("iris")
    until(lambda: shop.route_is("True"))


def test_a_pod_that_is_not_ready_gets_nothing(shop: Shop) -> None:
    shop.service("iris")
    shop.route({"name": "iris"})
    shop.pod("one", app="iris")
    shop.pod("two", app="iris")
    until(lambda: set(shop.answers(20)) == {"one", "two"})
    shop.ready("one", "False")
    until(lambda: set(shop.answers(20)) == {"two"})


def test_weights_move_traffic_from_one_service_to_the_other(shop: Shop) -> None:
    for name in ("stable", "canary"):
        shop.service(name)
        shop.pod(name, app=name)
    shop.route({"name": "stable", "weight": 1}, {"name": "canary", "weight": 0})
    until(lambda: shop.answers(10) == {"stable": 10})
    shop.route({"name": "stable", "weight": 50}, {"name": "canary", "weight": 50})
    until(lambda: set(shop.answers(50)) == {"stable", "canary"})
    shop.route({"name": "stable", "weight": 0}, {"name": "canary", "weight": 1})
    until(lambda: shop.answers(10) == {"canary": 10})


def test_no_request_fails_while_every_pod_is_replaced(shop: Shop) -> None:
    shop.service("iris")
    shop.route({"name": "iris"})
    shop.pod("old-0", app="iris")
    until(lambda: shop.request()[0] == 200)
    statuses: Counter[int] = Counter()
    stopping = threading.Event()

    def ask() -> None:
        while not stopping.is_set():
            statuses[shop.request()[0]] += 1

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for number in range(3):
            shop.pod(f"new-{number}", app="iris")
            until(lambda number=number: f"new-{number}" in shop.answers(20))
            shop.end(f"new-{number - 1}" if number else "old-0")
    finally:
        stopping.set()
        for asker in askers:
            asker.join()
    assert set(statuses) == {200}
    assert statuses[200] > 100


def test_a_pod_that_died_unannounced_costs_no_request_while_another_lives(shop: Shop) -> None:
    shop.service("iris")
    shop.route({"name": "iris"})
    shop.pod("one", app="iris")
    shop.pod("two", app="iris")
    until(lambda: set(shop.answers(20)) == {"one", "two"})
    shop.stop("one")  # its status still says ready
    assert shop.answers(30) == {"two": 30}


def test_a_killed_gateway_comes_back_with_all_it_knew(shop: Shop) -> None:
    shop.service("iris")
    shop.route({"name": "iris"})
    shop.pod("one", app="iris")
    until(lambda: shop.request()[0] == 200)
    before = shop.cluster.parts["gateway"]
    os.kill(before.pid, signal.SIGKILL)

    def answers() -> bool:
        try:
            return shop.cluster.parts["gateway"].pid != before.pid and shop.request()[0] == 200
        except OSError:
            return False

    until(answers)


def test_routes_work_on_while_the_api_server_is_away(shop: Shop) -> None:
    shop.service("iris")
    shop.route({"name": "iris"})
    shop.pod("one", app="iris")
    until(lambda: shop.request()[0] == 200)
    before = shop.cluster.parts["kube-apiserver"].restarts
    os.kill(shop.cluster.parts["kube-apiserver"].pid, signal.SIGKILL)
    assert shop.answers(30) == {"one": 30}
    until(lambda: shop.cluster.parts["kube-apiserver"].restarts > before)
    until(lambda: _reachable(shop))
    shop.ready("one", "False")
    until(lambda: shop.request()[0] == 503)


def _reachable(shop: Shop) -> bool:
    from mlgitops.errors import OutsideError

    try:
        shop.kubectl("get", "pods", "--request-timeout=2s")
    except OutsideError:
        return False
    return True
