"""What people say about a deployment's pods, put into their template.

What nobody said adds nothing: the template of a deployment without ``spec.pods`` is the
same as before the field was known, so its revision is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlgitops.api import codec
from mlgitops.api.pods import PodSettings, TopologySpread
from mlgitops.plan import labels

Raw = dict[str, Any]

# Fields of spec.pods that a pod's spec has too, under the same name.
_AS_IN_A_POD: Final = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "terminationGracePeriodSeconds",
    "serviceAccountName",
    "imagePullSecrets",
)


def shaped(template: Raw, settings: PodSettings | None, *, deployment: str, server: str) -> Raw:
    """Return a pod template with a deployment's settings.

    Args:
        template: as rendered from the runtime.
        settings: ``spec.pods``, None when nothing was said.
        deployment: the deployment's name, whose pods are spread.
        server: the name of the container that arguments, variables and mounts are for.
    """
    if settings is None:
        return template
    said: Mapping[str, Any] = codec.encode(settings)
    spec = template["spec"]
    return {
        "metadata": _metadata(template["metadata"], settings),
        "spec": {
            **spec,
            **{field: said[field] for field in _AS_IN_A_POD if field in said},
            **_spread(settings, deployment),
            "containers": [
                _server(container, said) if container["name"] == server else container
                for container in spec["containers"]
            ],
            "volumes": [*spec["volumes"], *said.get("volumes", ())],
        },
    }


def _metadata(own: Raw, settings: PodSettings) -> Raw:
    notes = {"annotations": dict(settings.annotations)} if settings.annotations else {}
    return {**own, "labels": {**settings.labels, **own["labels"]}, **notes}


def _spread(settings: PodSettings, deployment: str) -> Raw:
    constraints = [_constraint(entry, deployment) for entry in settings.topology_spread_constraints]
    return {"topologySpreadConstraints": constraints} if constraints else {}


def _constraint(spread: TopologySpread, deployment: str) -> Raw:
    # A template cannot name its own revision; the label's key makes each revision count for itself.
    own = {"labelSelector": {"matchLabels": {labels.DEPLOYMENT: deployment}}, "matchLabelKeys": [labels.REVISION]}
    said = codec.encode(spread)
    return {"maxSkew": spread.max_skew, **({} if spread.label_selector else own), **said}


def _server(container: Raw, said: Mapping[str, Any]) -> Raw:
    lists = {
        "args": [*container.get("args", ()), *said.get("args", ())],
        "env": _variables(container["env"], said.get("env", ())),
        "volumeMounts": [*container["volumeMounts"], *said.get("volumeMounts", ())],
    }
    return {**container, **{field: items for field, items in lists.items() if items}}


def _variables(own: list[Raw], said: Any) -> list[Raw]:
    replaced = {entry["name"] for entry in said}
    return [*(entry for entry in own if entry["name"] not in replaced), *said]
