"""The labels and annotations that tie children to their deployment and revision."""

from __future__ import annotations

from typing import Final

GROUP: Final = "mlgitops.dev"
FIELD_MANAGER: Final = "mlgitops"

# On every child. Children are found by owner and by these, never by labels of users.
DEPLOYMENT: Final = f"{GROUP}/deployment"
MODEL: Final = f"{GROUP}/model"
# On what belongs to one revision.
REVISION: Final = f"{GROUP}/revision"
VERSION: Final = f"{GROUP}/version"

# On ControllerRevisions: what status needs when it is lost.
DIGEST: Final = f"{GROUP}/digest"

# On the HTTPRoute (without a route, on the stable Service), written together with
# the weights: with status lost they say how far a roll-out had come.
ACTIVE: Final = f"{GROUP}/active"
TARGET: Final = f"{GROUP}/target"
STEP: Final = f"{GROUP}/step"
STARTED_AT: Final = f"{GROUP}/startedAt"
REFUSED: Final = f"{GROUP}/refused"

# Commands of people on a ModelDeployment. Each names a revision and means nothing for another.
ADVANCE: Final = f"{GROUP}/advance"
ABORT: Final = f"{GROUP}/abort"
PAUSE: Final = f"{GROUP}/pause"
RETRY: Final = f"{GROUP}/retry"

# Asks for a reconcile now; any new value does.
REQUESTED_AT: Final = f"{GROUP}/requestedAt"
FLUX_REQUESTED_AT: Final = "reconcile.fluxcd.io/requestedAt"


def of_deployment(deployment: str, model: str) -> dict[str, str]:
    """Return the labels of every child of a deployment."""
    return {"app.kubernetes.io/managed-by": FIELD_MANAGER, DEPLOYMENT: deployment, MODEL: model}


def of_revision(deployment: str, model: str, revision: str, version: str) -> dict[str, str]:
    """Return the labels of every child of one revision, its pods among them."""
    return {**of_deployment(deployment, model), REVISION: revision, VERSION: version}


def child_name(deployment: str, revision: str) -> str:
    """Return the name of a revision's children: at most 40 + 1 + 10 characters."""
    return f"{deployment}-{revision}"
