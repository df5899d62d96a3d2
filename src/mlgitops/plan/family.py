"""What all children of a deployment have in common: namespace, labels, owner, selectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlgitops.api import API_VERSION, ModelDeployment
from mlgitops.plan import labels
from mlgitops.plan.revisions import Revision

Raw = dict[str, Any]


class Family:
    """What all children of a deployment have in common."""

    def __init__(self, deployment: ModelDeployment) -> None:
        self.deployment = deployment
        self.name = deployment.metadata.name
        self.model = deployment.spec.model_ref.name

    def object(
        self,
        api_version: str,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        *,
        revision: Revision | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Raw:
        """Return one child; ``body`` is what stands beside its metadata."""
        return {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, **self.metadata(revision, annotations)},
            **body,
        }

    def metadata(self, revision: Revision | None, annotations: Mapping[str, str] | None = None) -> Raw:
        """Return namespace, labels, annotations and owner of a child."""
        own = self.deployment.metadata
        owner = {
            "apiVersion": API_VERSION,
            "kind": "ModelDeployment",
            "name": own.name,
            "uid": own.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
        return {
            "namespace": own.namespace,
            "labels": self.labels(revision),
            **({"annotations": dict(annotations)} if annotations else {}),
            # In CI there is no object in a cluster yet that could own anything.
            **({"ownerReferences": [owner]} if own.uid else {}),
        }

    def labels(self, revision: Revision | None) -> dict[str, str]:
        """Return the labels of a child of the deployment, or of one of its revisions."""
        if revision is None:
            return labels.of_deployment(self.name, self.model)
        return labels.of_revision(self.name, revision.model, revision.name, revision.version)

    def selector(self, revision: str | None) -> dict[str, str]:
        """Return what selects the pods of one revision, or of all."""
        own = {labels.DEPLOYMENT: self.name}
        return {**own, labels.REVISION: revision} if revision else own
