"""The Kubernetes objects of a deployment, from its specs and its written status alone.

Nothing here looks at the cluster: the same inputs and status give the same objects in
CI and in the operator. Each object holds only the fields that we own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlgitops.api import DeploymentStatus
from mlgitops.plan import labels, optional, pods, revisions, scaling, surroundings
from mlgitops.plan.family import Family
from mlgitops.plan.inputs import Inputs
from mlgitops.plan.revisions import Revision
from mlgitops.plan.routes import PORT, http_route, progress
from mlgitops.plan.traffic import ALL, scaled, sizes, weights

Raw = dict[str, Any]


def children(inputs: Inputs, status: DeploymentStatus, kept: Mapping[str, Revision]) -> tuple[Raw, ...]:
    """Return every object that the deployment shall own, in the order to apply them.

    Args:
        inputs: the deployment and what it resolves to.
        status: as written; its roll-out says which revisions there are and how traffic splits.
        kept: the revisions that the cluster has ControllerRevisions of, by name. A new
            target that is not among them is rendered from the inputs.
    """
    known = dict(kept)
    if not inputs.blocked:
        target = revisions.render(inputs)
        known.setdefault(target.name, target)
    family = Family(inputs.deployment)
    running = {name: count for name, count in sizes(inputs.deployment, status).items() if name in known}
    made: list[Raw] = []
    if running:
        made.append(family.object("v1", "ServiceAccount", family.name, {"automountServiceAccountToken": False}))
    made += (_controller_revision(family, known[name], status) for name in _remembered(status) if name in known)
    autoscaled = scaled(inputs.deployment, status)
    for name, count in running.items():
        revision = known[name]
        size = {} if name in autoscaled else {"replicas": count}
        made += _of_revision(family, revision, _settings(inputs, revision), size)
        if name in autoscaled:
            made.append(_autoscaler(family, revision, count))
    if running:
        made.append(_stable_service(family, status))
        made += surroundings.of_deployment(family)
        if inputs.deployment.spec.route:
            made.append(http_route(family, status, [known[name] for name in running]))
    # Two revisions of one version share their settings.
    return tuple({(raw["kind"], raw["metadata"]["name"]): raw for raw in made}.values())


def surplus(inputs: Inputs, status: DeploymentStatus, owned: Iterable[Raw], wanted: Iterable[Raw]) -> list[Raw]:
    """Return the owned objects that are no longer wanted.

    Nothing of a revision that the status still counts on is among them, even when its
    ControllerRevision is gone and nothing can be rendered for it any more.
    """
    name = inputs.deployment.metadata.name
    keys = {(raw["kind"], raw["metadata"]["name"]) for raw in wanted}
    running = sizes(inputs.deployment, status)
    # An autoscaler that stays behind would shrink what shall be kept.
    autoscaled = scaled(inputs.deployment, status)
    asked = optional.asked(inputs.deployment)
    references = (status.active, status.target, *status.retiring)
    places = {pods.settings_name(name, kept.digest) for kept in references if kept and kept.revision in running}
    found = []
    for raw in owned:
        kind, child = raw["kind"], raw["metadata"]["name"]
        revision = raw["metadata"].get("labels", {}).get(labels.REVISION)
        in_use = revision in (autoscaled if kind in optional.AUTOSCALERS else running)
        in_use = in_use or child == name or (kind == "ConfigMap" and child in places)
        unasked = kind in optional.KINDS and kind not in asked
        if (kind, child) not in keys and (unasked or not in_use):
            found.append(raw)
    return found


def _remembered(status: DeploymentStatus) -> Iterator[str]:
    """Yield the names of the revisions whose template is kept: those in use, refused or served lately."""
    references = (
        status.active,
        status.target if status.rollout else None,
        *status.retiring,
        status.refused,
        *status.history,
    )
    yield from dict.fromkeys(reference.revision for reference in references if reference)


def _controller_revision(family: Family, revision: Revision, status: DeploymentStatus) -> Raw:
    notes = {}
    refused = status.refused
    if refused and refused.revision == revision.name:
        note = {"reason": refused.reason, "message": refused.message or "", "at": refused.at}
        notes[labels.REFUSED] = json.dumps(note, sort_keys=True)
    return revisions.to_raw(revision, family.name, family.metadata(revision, notes))


def _settings(inputs: Inputs, revision: Revision) -> Mapping[str, str]:
    """Return where a revision's package lies: as git says now, else as it was known last."""
    version = inputs.versions.get(revision.version)
    if inputs.version and inputs.version.spec.version == revision.version:
        version = inputs.version
    fits = version is not None and version.spec.artifact.digest == revision.digest and inputs.policy is not None
    return revisions.settings(version, inputs.policy) if version and fits else revision.settings


def _of_revision(family: Family, revision: Revision, settings: Mapping[str, str], size: Raw) -> Iterator[Raw]:
    name = labels.child_name(family.name, revision.name)
    selector = family.selector(revision.name)
    if settings:
        place = pods.settings_name(family.name, revision.digest)
        yield family.object("v1", "ConfigMap", place, {"data": dict(settings)})
    template: Raw = {**revision.template}
    metadata = template["metadata"]
    template["metadata"] = {**metadata, "labels": {**metadata["labels"], **family.labels(revision)}}
    deployment = {
        **size,
        "revisionHistoryLimit": 1,
        "selector": {"matchLabels": selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": template,
    }
    yield family.object("apps/v1", "Deployment", name, {"spec": deployment}, revision=revision)
    ports = surroundings.metrics_ports(family.deployment)
    yield family.object("v1", "Service", name, {"spec": _service_spec(selector, *ports)}, revision=revision)
    budget = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": selector},
    }
    yield family.object("policy/v1", "PodDisruptionBudget", name, {"spec": budget}, revision=revision)


def _autoscaler(family: Family, revision: Revision, floor: int) -> Raw:
    autoscaling = family.deployment.spec.autoscaling
    assert autoscaling is not None
    api_version, kind = scaling.KINDS[autoscaling.engine]
    name = labels.child_name(family.name, revision.name)
    spec = scaling.spec(autoscaling, name, floor, pods.SERVER)
    return family.object(api_version, kind, name, {"spec": spec}, revision=revision)


def _service_spec(selector: Mapping[str, str], *further: Raw) -> Raw:
    ports = [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}]
    return {"selector": dict(selector), "ports": [*ports, *further]}


def _stable_service(family: Family, status: DeploymentStatus) -> Raw:
    """Return the Service named as the deployment: of the one revision that serves, or of all while two share."""
    serving = weights(status)
    if family.deployment.spec.route and status.active:
        # The route splits; whoever uses the Service stays on the proven revision.
        serving = {status.active.revision: ALL}
    only = next(iter(serving)) if len(serving) == 1 else None
    notes = None if family.deployment.spec.route else progress(status)
    return family.object(
        "v1", "Service", family.name, {"spec": _service_spec(family.selector(only))}, annotations=notes
    )
