"""How traffic reaches the pods: the HTTPRoute, and the notes from which a lost status is rebuilt."""

from __future__ import annotations

from typing import Any, Final

from mlgitops.api import DeploymentStatus, codec
from mlgitops.api.routing import Route
from mlgitops.plan import labels
from mlgitops.plan.family import Family
from mlgitops.plan.revisions import Revision
from mlgitops.plan.traffic import weights

Raw = dict[str, Any]

# The port of every Service of ours.
PORT: Final = 80


def progress(status: DeploymentStatus) -> dict[str, str]:
    """Return the annotations from which a lost status is rebuilt."""
    rollout = status.rollout
    since = rollout.started_at if rollout else next((entry.at for entry in status.history), None)
    target = status.target if rollout else status.active
    notes = {
        labels.ACTIVE: status.active.revision if status.active else None,
        labels.TARGET: target.revision if target else None,
        labels.STEP: str(rollout.step) if rollout else None,
        labels.STARTED_AT: since,
    }
    return {name: value for name, value in notes.items() if value}


def http_route(family: Family, status: DeploymentStatus, running: list[Revision]) -> Raw:
    """Return the HTTPRoute: a rule for each version that runs, and the last one that splits traffic."""
    route = family.deployment.spec.route
    assert route is not None
    parents = (
        {"name": parent.name, "namespace": parent.namespace, "sectionName": parent.section_name}
        for parent in route.parent_refs
    )
    backends = [_backend(family, revision, share) for revision, share in weights(status).items()]
    # Of two revisions of one version the one that serves stands last and wins.
    versions = {revision.version: revision for revision in running}
    spec = {
        "parentRefs": [{field: value for field, value in parent.items() if value} for parent in parents],
        **({"hostnames": list(route.hostnames)} if route.hostnames else {}),
        "rules": [
            *(
                _rule(route, f"{route.path.rstrip('/')}/versions/{version}", [_backend(family, revision.name, 1)])
                for version, revision in sorted(versions.items(), key=lambda item: int(item[0]))
            ),
            # The last rule is the one that splits traffic (plan.observed reads it back).
            _rule(route, route.path, backends),
        ],
    }
    return family.object(
        "gateway.networking.k8s.io/v1", "HTTPRoute", family.name, {"spec": spec}, annotations=progress(status)
    )


def _rule(route: Route, path: str, backends: list[Raw]) -> Raw:
    timeouts = codec.encode(route.timeouts) if route.timeouts else {}
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "filters": [
            {
                "type": "URLRewrite",
                "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
            },
            *codec.encode(route.filters),
        ],
        "backendRefs": backends,
        **({"timeouts": timeouts} if timeouts else {}),
    }


def _backend(family: Family, revision: str, weight: int) -> Raw:
    return {
        "kind": "Service",
        "name": labels.child_name(family.name, revision),
        "port": PORT,
        "weight": weight,
    }
