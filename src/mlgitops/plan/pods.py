"""The pod of a revision: fetch and verify, then serve exactly that version.

The template names no place of the artifact and no trusted type: those stand in a
ConfigMap named after the digest, so that moving an artifact restarts nothing and the
whole template can be the revision's identity.

Changing what is rendered here changes the revision of every deployment. The golden
file of ``tests/unit/plan`` is there to make that a decision and not an accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlgitops.api import ModelDeployment, ModelVersion, ServingRuntime
from mlgitops.digest import hex_of
from mlgitops.plan import labels
from mlgitops.plan.shape import shaped

Raw = dict[str, Any]

MODEL_DIR: Final = "/mnt/model"
PORT: Final = 8080
METRICS_PORT: Final = 8081
SERVER: Final = "server"
FETCHER: Final = "fetch"

# Keys of the settings' ConfigMap, each the value of one variable.
SETTINGS: Final = {
    "artifact": "MLGITOPS_ARTIFACT",
    "trusted-types": "MLGITOPS_TRUSTED_TYPES",
    "allow-code": "MLGITOPS_ALLOW_CODE",
}

# Seconds. The route drops a pod as soon as it terminates; the pause lets requests that
# were on their way to it arrive before the server stops to listen.
_PRE_STOP: Final = 2
_GRACE: Final = 30

# "nobody" of distroless images: any number does that is not root's.
_USER: Final = 65532


def settings_name(deployment: str, digest: str) -> str:
    """Return the name of the ConfigMap with a package's place and what is trusted in it."""
    return labels.child_name(deployment, hex_of(digest)[:10])


def template(deployment: ModelDeployment, version: ModelVersion, runtime: ServingRuntime) -> Raw:
    """Return the pod template of a version in a runtime, without the label of its revision."""
    name = deployment.metadata.name
    settings = settings_name(name, version.spec.artifact.digest)
    own = labels.of_deployment(name, deployment.spec.model_ref.name)
    rendered = {
        "metadata": {"labels": {**own, labels.VERSION: version.spec.version}},
        "spec": {
            "serviceAccountName": name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": _GRACE,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "initContainers": [_fetcher(deployment, version, runtime, settings)],
            "containers": [
                _server(deployment, version, container, settings) if container.name == SERVER else _container(container)
                for container in runtime.spec.containers
            ],
            "volumes": [{"name": "model", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        },
    }
    return shaped(rendered, deployment.spec.pods, deployment=name, server=SERVER)


def _fetcher(deployment: ModelDeployment, version: ModelVersion, runtime: ServingRuntime, settings: str) -> Raw:
    access = deployment.spec.artifact_access
    secret = {"envFrom": [{"secretRef": {"name": access.secret_ref.name}}]} if access and access.secret_ref else {}
    return {
        **_container(runtime.spec.fetcher),
        **secret,
        "name": FETCHER,
        "env": [
            *_variables(runtime.spec.fetcher),
            _setting("artifact", settings),
            _variable("MLGITOPS_DIGEST", version.spec.artifact.digest),
            _variable("MLGITOPS_MODEL_DIR", MODEL_DIR),
            _variable("TMPDIR", "/tmp"),  # noqa: S108 - a mount of the pod's own
        ],
        "volumeMounts": [{"name": "model", "mountPath": MODEL_DIR}, _scratch()],
    }


def _server(deployment: ModelDeployment, version: ModelVersion, container: Any, settings: str) -> Raw:
    resources = _resources(deployment.spec.resources) or _resources(container.resources)
    return {
        **_container(container),
        **({"resources": resources} if resources else {}),
        "env": [
            *_variables(container),
            _variable("MLGITOPS_MODEL", version.spec.model_ref.name),
            _variable("MLGITOPS_VERSION", version.spec.version),
            _variable("MLGITOPS_DIGEST", version.spec.artifact.digest),
            _variable("MLGITOPS_MODEL_DIR", MODEL_DIR),
            _setting("trusted-types", settings),
            _setting("allow-code", settings),
            _variable("MLGITOPS_PORT", str(PORT)),
            _variable("MLGITOPS_METRICS_PORT", str(METRICS_PORT)),
            _variable("TMPDIR", "/tmp"),  # noqa: S108 - a mount of the pod's own
        ],
        "ports": [
            {"name": "http", "containerPort": PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "readinessProbe": {
            "httpGet": {"path": "/v2/health/ready", "port": "http"},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
            "failureThreshold": 2,
        },
        "livenessProbe": {
            "httpGet": {"path": "/v2/health/live", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": _PRE_STOP}}},
        "volumeMounts": [{"name": "model", "mountPath": MODEL_DIR, "readOnly": True}, _scratch()],
    }


def _container(container: Any) -> Raw:
    optional = {
        "imagePullPolicy": container.image_pull_policy,
        "command": list(container.command),
        "args": list(container.args),
        "env": _variables(container),
        "resources": _resources(container.resources),
    }
    return {
        "name": getattr(container, "name", FETCHER),
        "image": container.image,
        **{field: value for field, value in optional.items() if value},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _resources(resources: Any) -> Raw:
    if resources is None:
        return {}
    both: Mapping[str, Mapping[str, Any]] = {"requests": resources.requests, "limits": resources.limits}
    return {kind: dict(amounts) for kind, amounts in both.items() if amounts}


def _variables(container: Any) -> list[Raw]:
    return [_variable(entry.name, entry.value) for entry in container.env]


def _variable(name: str, value: str) -> Raw:
    # The API server leaves an empty value out; so do we, or the two would always differ.
    return {"name": name, "value": value} if value else {"name": name}


def _setting(key: str, settings: str) -> Raw:
    return {"name": SETTINGS[key], "valueFrom": {"configMapKeyRef": {"name": settings, "key": key}}}


def _scratch() -> Raw:
    return {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - a mount of the pod's own
