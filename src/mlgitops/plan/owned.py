"""What a deployment may own in the cluster, and how an owned object says whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlgitops import kube

# Every kind that ``children`` makes, in no order.
CHILD_KINDS = (
    kube.CONFIG_MAPS,
    kube.CONTROLLER_REVISIONS,
    kube.DEPLOYMENTS,
    kube.HORIZONTAL_POD_AUTOSCALERS,
    kube.HTTP_ROUTES,
    kube.NETWORK_POLICIES,
    kube.POD_DISRUPTION_BUDGETS,
    kube.SCALED_OBJECTS,
    kube.SERVICES,
    kube.SERVICE_ACCOUNTS,
    kube.SERVICE_MONITORS,
)


def owner_of(raw: Mapping[str, Any]) -> str | None:
    """Return the uid of the object that controls this one, None when nothing does."""
    owners = raw["metadata"].get("ownerReferences", ())
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)
