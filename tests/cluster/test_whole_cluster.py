"""The whole local cluster: what kubectl applies becomes processes that answer through the gateway."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mlgitops.errors import OutsideError
from mlgitops.local.cluster import PYTHON_IMAGE, Cluster

SERVER = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = os.environ["VERSION"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
print("serving", os.environ["VERSION"], flush=True)
http.server.ThreadingHTTPServer((os.environ["MLGITOPS_BIND"], 8080), Answer).serve_forever()
"""


def until(condition: Callable[[], bool], *, within: float = 40.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)


class World:
    """One namespace of the cluster."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.host = f"{namespace}.example.com"

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments)

    def apply(self, *documents: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        namespace = f"--namespace={self.namespace}"
        self.cluster.kubectl("apply", "--server-side", namespace, "-f", "-", stdin=json.dumps(listed))

    def serve(self, version: str) -> None:
        self.apply(deployment(version), SERVICE, self.route())

    def route(self) -> dict[str, Any]:
        spec = {
            "parentRefs": [{"name": "local", "namespace": "mlgitops-gateway"}],
            "hostnames": [self.host],
            "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
        }
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "web"},
            "spec": spec,
        }

    def ask(self) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.cluster.endpoints.address, self.cluster.endpoints.gateway)
        try:
            connection.request("GET", "/", headers={"Host": self.host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}


def deployment(version: str, replicas: int = 2) -> dict[str, Any]:
    container = {
        "name": "server",
        "image": PYTHON_IMAGE,
        "command": ["python", "-c", SERVER],
        "env": [{"name": "VERSION", "value": version}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
    }
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 5},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": template,
        },
    }


@pytest.fixture
def world(cluster: Cluster, cluster_namespace: str) -> World:
    # The controller manager makes it a moment after the namespace; pods are refused until then.
    world = World(cluster, cluster_namespace)
    until(lambda: "default" in world.kubectl("get", "serviceaccounts", "-o", "name"))
    return world


def test_a_deployment_serves_through_the_gateway_and_kubectl_shows_it(world: World) -> None:
    world.serve("1")
    world.kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=40s")
    until(lambda: world.ask() == (200, "1"))
    pods = json.loads(world.kubectl("get", "pods", "-o", "json"))["items"]
    assert len({pod["status"]["podIP"] for pod in pods}) == 2
    name = pods[0]["metadata"]["name"]
    assert "serving 1" in world.kubectl("logs", name)
    assert "Ready" in world.kubectl("describe", "pod", name)
    assert "Accepted" in world.kubectl("describe", "httproute", "web")


def test_no_request_fails_while_a_deployment_rolls_over(world: World) -> None:
    world.serve("1")
    until(lambda: world.ask() == (200, "1"))
    answers: Counter[tuple[int, str]] = Counter()
    stopping = threading.Event()

    def ask() -> None:
        while not stopping.is_set():
            answers[world.ask()] += 1

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        world.apply(deployment("2"))
        world.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        until(lambda: len(json.loads(world.kubectl("get", "pods", "-o", "json"))["items"]) == 2)
    finally:
        stopping.set()
        asker.join()
    assert set(answers) == {(200, "1"), (200, "2")}
    assert world.ask() == (200, "2")


def test_a_job_runs_to_its_end(world: World) -> None:
    container = {"name": "once", "image": PYTHON_IMAGE, "command": ["python", "-c", "print('done')"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    world.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": template}})
    world.kubectl("wait", "job/once", "--for=condition=Complete", "--timeout=40s")
    assert world.kubectl("logs", "job/once") == "done\n"


def test_deleting_a_deployment_ends_its_processes(world: World) -> None:
    world.serve("1")
    until(lambda: world.ask()[0] == 200)
    world.kubectl("delete", "deployment", "web", "--wait=true")
    until(lambda: json.loads(world.kubectl("get", "pods", "-o", "json"))["items"] == [])
    assert world.ask()[0] == 503


def test_a_killed_node_comes_back_and_so_do_its_pods(world: World) -> None:
    world.serve("1")
    until(lambda: world.ask() == (200, "1"))
    before = world.cluster.parts["node"]
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: world.cluster.parts["node"].restarts > before.restarts)

    def serves() -> bool:
        try:
            world.kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=1s")
        except OutsideError:
            return False
        return world.ask() == (200, "1")

    until(serves)
