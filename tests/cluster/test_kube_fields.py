"""`kube.differs` against what the API server makes of an apply."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from cluster.waiting import asynchronous
from mlgitops import kube
from mlgitops.kube import Raw
from mlgitops.local import binaries
from mlgitops.local.cluster import Cluster

MANAGER = "mlgitops-test"


def deployment(namespace: str) -> Raw:
    """A deployment that the API server rewrites in every way it knows: defaults, quantities, key defaults."""
    container = {
        "name": "server",
        "image": "mlgitops.dev/python:1",
        "command": ["python", "-m", "mlgitops.serving.server"],
        "env": [{"name": "MODEL", "value": "1.0"}, {"name": "EMPTY", "value": ""}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "0.5", "memory": "512Mi"}, "limits": {"memory": "1024Mi"}},
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": "http"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "model", "mountPath": "/mnt/model"}],
        "securityContext": {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "iris",
            "namespace": namespace,
            "labels": {"app": "iris"},
            "annotations": {},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "1-2-3", "controller": True}
            ],
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "iris"}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": {"app": "iris"}},
                "spec": {
                    "containers": [container],
                    "volumes": [{"name": "model", "emptyDir": {}}],
                    "topologySpreadConstraints": [],
                },
            },
        },
    }


def others(namespace: str) -> list[Raw]:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "1-2-3", "controller": True}
    meta = {"name": "iris", "namespace": namespace, "ownerReferences": [owner]}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": "iris"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, "automountServiceAccountToken": False},
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": meta,
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "iris"}}},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {**meta, "finalizers": ["example.com/a"]},
            "revision": 3,
            "data": {"template": {"list": [1, {"a": None}], "empty": {}}},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {**meta, "annotations": {"mlgitops.dev/step": "1"}},
            "spec": {
                "parentRefs": [{"name": "local", "namespace": "mlgitops-gateway"}],
                "hostnames": ["iris.example.com"],
                "rules": [
                    {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/iris"}}],
                        "filters": [
                            {
                                "type": "URLRewrite",
                                "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                            }
                        ],
                        "backendRefs": [{"name": "a", "port": 80, "weight": 90}, {"name": "b", "port": 80}],
                    }
                ],
            },
        },
    ]


@pytest.fixture
def routes(api_server: Cluster) -> None:
    """The API server knows HTTPRoutes."""
    crd = next(binaries.find().gateway_crds.glob("*httproutes*"))
    api_server.kubectl("apply", "--server-side", f"--filename={crd}")
    api_server.kubectl("wait", "--for=condition=Established", f"--filename={crd}", "--timeout=30s")


@pytest.mark.usefixtures("routes")
@asynchronous
async def test_what_was_just_applied_does_not_differ(api_server: Cluster, namespace: str) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        for desired in [deployment(namespace), *others(namespace)]:
            stored = await session.apply(desired, field_manager=MANAGER)
            assert not kube.differs(desired, stored, MANAGER), desired["kind"]
            again = await session.apply(desired, field_manager=MANAGER)
            assert kube.version_of(again) == kube.version_of(stored), "the API server agrees that nothing differs"


def _set(path: str, value: Any) -> Callable[[Raw], None]:
    def change(raw: Raw) -> None:
        *parents, last = path.split(".")
        place: Any = raw
        for part in parents:
            place = place[int(part) if part.isdecimal() else part]
        if value is None:
            del place[int(last) if last.isdecimal() else last]
        else:
            place[int(last) if last.isdecimal() else last] = value

    return change


POD = "spec.template.spec"
CHANGES = {
    "another owner": _set("metadata.ownerReferences.0.uid", "3-2-1"),
    "the owner is no controller": _set("metadata.ownerReferences.0.controller", False),
    "another number": _set("spec.replicas", 3),
    "a field less": _set("spec.replicas", None),
    "a field more": _set("spec.minReadySeconds", 5),
    "a label more": _set("metadata.labels.team", "flowers"),
    "a label less": _set("metadata.labels", {}),
    "another environment value that is equal as a number": _set(f"{POD}.containers.0.env.0.value", "1"),
    "a variable less": _set(f"{POD}.containers.0.env", [{"name": "MODEL", "value": "1.0"}]),
    "another command": _set(f"{POD}.containers.0.command.0", "python3"),
    "a shorter command": _set(f"{POD}.containers.0.command", ["python"]),
    "another quantity": _set(f"{POD}.containers.0.resources.requests.cpu", "0.6"),
    "another port": _set(f"{POD}.containers.0.ports.0.containerPort", 8081),
    "another container": _set(f"{POD}.containers.0.name", "other"),
    "another volume": _set(f"{POD}.volumes.0.emptyDir", {"sizeLimit": "1Gi"}),
    "another list of strings": _set(f"{POD}.containers.0.securityContext.capabilities.drop", ["NET_RAW"]),
}


@pytest.mark.parametrize("name", CHANGES)
@asynchronous
async def test_every_change_that_the_api_server_would_make_is_seen(
    api_server: Cluster, namespace: str, name: str
) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        stored = await session.apply(deployment(namespace), field_manager=MANAGER)
        desired = copy.deepcopy(deployment(namespace))
        CHANGES[name](desired)
        assert kube.differs(desired, stored, MANAGER)
        changed = await session.apply(desired, field_manager=MANAGER, dry_run=True)
        changed["metadata"]["managedFields"] = stored["metadata"]["managedFields"] = []
        assert changed != stored, "the API server would change nothing: the test's change is none"


ROUTE_CHANGES = {
    "a parent's namespace less": _set("spec.parentRefs.0.namespace", None),
    "a weight less": _set("spec.rules.0.backendRefs.0.weight", None),
    "a filter less": _set("spec.rules.0.filters", None),
}


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("name", ROUTE_CHANGES)
@asynchronous
async def test_a_field_that_is_left_out_of_a_list_owned_as_a_whole_is_seen(
    api_server: Cluster, namespace: str, name: str
) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        stored = await session.apply(others(namespace)[-1], field_manager=MANAGER)
        desired = copy.deepcopy(others(namespace)[-1])
        ROUTE_CHANGES[name](desired)
        assert kube.differs(desired, stored, MANAGER)
        assert kube.in_our_words(stored, desired, MANAGER)["spec"] != desired["spec"]
        changed = await session.apply(desired, field_manager=MANAGER)
        assert changed["spec"] != stored["spec"]
        assert kube.in_our_words(changed, desired, MANAGER)["spec"] == desired["spec"]


@asynchronous
async def test_equal_quantities_do_not_differ(api_server: Cluster, namespace: str) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        stored = await session.apply(deployment(namespace), field_manager=MANAGER)
        same = deployment(namespace)
        resources = same["spec"]["template"]["spec"]["containers"][0]["resources"]
        resources.update(requests={"cpu": "500m", "memory": "512Mi"}, limits={"memory": "1Gi"})
        assert not kube.differs(same, stored, MANAGER)


@asynchronous
async def test_somebody_elses_edit_of_our_field_differs_and_of_theirs_does_not(
    api_server: Cluster, namespace: str
) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        desired = deployment(namespace)
        await session.apply(desired, field_manager=MANAGER)
        theirs = {"metadata": {"labels": {"kubectl": "was-here"}}, "spec": {"revisionHistoryLimit": 3}}
        stored = await session.patch(kube.DEPLOYMENTS, "iris", namespace, theirs)
        assert not kube.differs(desired, stored, MANAGER)
        stored = await session.patch(kube.DEPLOYMENTS, "iris", namespace, {"spec": {"replicas": 9}})
        assert kube.differs(desired, stored, MANAGER)


def test_an_object_that_we_never_applied_differs() -> None:
    raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}, "data": {"a": "1"}}
    assert kube.differs(raw, raw, MANAGER)
