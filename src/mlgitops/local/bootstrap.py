"""What a fresh API server is given: the Gateway API's kinds, our GatewayClass and one Gateway.

Plain HTTP of the standard library: the supervisor has to start fast, and a server-side
apply takes the files as they are.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mlgitops.errors import OutsideError
from mlgitops.local import credentials
from mlgitops.local.layout import Endpoints, Layout

GATEWAY_CLASS = "mlgitops-local"
CONTROLLER = "mlgitops.dev/local-gateway"
GATEWAY_NAMESPACE = "mlgitops-gateway"
GATEWAY = "local"
_FIELD_MANAGER = "mlgitops-local"
_ESTABLISHED_WITHIN = 20.0  # seconds until a new kind must be served


class Api:
    """The few requests that bootstrapping makes, as the administrator."""

    def __init__(self, layout: Layout, ends: Endpoints) -> None:
        self._url = ends.api_url
        self._token = credentials.token(layout)
        self._tls = ssl.create_default_context(cafile=str(layout.certificates / "apiserver.crt"))

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Send one request and return the answer's body.

        Raises:
            urllib.error.URLError: the server refused it or cannot be reached.
        """
        request = urllib.request.Request(self._url + path, data=body, method=method)  # noqa: S310 - our own https
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Content-Type", "application/apply-patch+yaml")
        with urllib.request.urlopen(request, timeout=10, context=self._tls) as answer:  # noqa: S310
            data: bytes = answer.read()
            return data

    def apply(self, path: str, body: bytes) -> None:
        """Apply one object server-side at its own path."""
        self.request("PATCH", f"{path}?fieldManager={_FIELD_MANAGER}&force=true", body)


def is_ready(layout: Layout, ends: Endpoints) -> bool:
    """Tell whether the API server answers that it is ready."""
    try:
        return Api(layout, ends).request("GET", "/readyz") == b"ok"
    except (OSError, urllib.error.URLError):
        return False


def node_is_ready(layout: Layout, ends: Endpoints, name: str, since: datetime) -> bool:
    """Tell whether a node takes pods: alive since a moment (UTC), Ready, and without a taint that keeps pods away."""
    lease = _read(layout, ends, f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
    renewed = lease.get("spec", {}).get("renewTime")
    if not renewed or datetime.fromisoformat(renewed) < since:
        return False  # what is stored may be from the last time that the cluster was up
    node = _read(layout, ends, f"/api/v1/nodes/{name}")
    conditions = {one["type"]: one["status"] for one in node.get("status", {}).get("conditions", ())}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")


def gateway_is_ready(ends: Endpoints) -> bool:
    """Tell whether the gateway answers; to a request that no route wants it says 404."""
    try:
        with urllib.request.urlopen(ends.gateway_url, timeout=2):  # noqa: S310 - our own http
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, urllib.error.URLError):
        return False


def _read(layout: Layout, ends: Endpoints, path: str) -> dict[str, Any]:
    """Return an object, an empty one when it cannot be read."""
    try:
        found: dict[str, Any] = json.loads(Api(layout, ends).request("GET", path))
    except (OSError, urllib.error.URLError):
        return {}
    return found


def install_gateway(layout: Layout, ends: Endpoints, crds: Path) -> None:
    """Apply the Gateway API's CRDs, our GatewayClass and the Gateway that routes attach to.

    Raises:
        OutsideError: the API server refused one of them.
    """
    api = Api(layout, ends)
    try:
        for path in sorted(crds.glob("*.yaml")):
            plural = path.stem.partition("_")[2]
            name = f"{plural}.gateway.networking.k8s.io"
            api.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}", path.read_bytes())
        for resource, document in _gateway_objects(ends):
            _apply_when_served(api, resource, document)
    except urllib.error.HTTPError as error:
        raise OutsideError(f"{error.url}: {error} {error.read().decode(errors='replace')}") from error


def _gateway_objects(ends: Endpoints) -> list[tuple[str, dict[str, Any]]]:
    version = "gateway.networking.k8s.io/v1"
    listener = {
        "name": "http",
        "protocol": "HTTP",
        "port": ends.gateway,
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return [
        ("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": GATEWAY_NAMESPACE}}),
        (
            "/apis/gateway.networking.k8s.io/v1/gatewayclasses",
            {
                "apiVersion": version,
                "kind": "GatewayClass",
                "metadata": {"name": GATEWAY_CLASS},
                "spec": {"controllerName": CONTROLLER},
            },
        ),
        (
            f"/apis/gateway.networking.k8s.io/v1/namespaces/{GATEWAY_NAMESPACE}/gateways",
            {
                "apiVersion": version,
                "kind": "Gateway",
                "metadata": {"name": GATEWAY, "namespace": GATEWAY_NAMESPACE},
                "spec": {"gatewayClassName": GATEWAY_CLASS, "listeners": [listener]},
            },
        ),
    ]


def _apply_when_served(api: Api, resource: str, document: dict[str, Any]) -> None:
    """Apply an object of a kind that may be too new to be served yet."""
    deadline = time.monotonic() + _ESTABLISHED_WITHIN
    while True:
        try:
            return api.apply(f"{resource}/{document['metadata']['name']}", json.dumps(document).encode())
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
