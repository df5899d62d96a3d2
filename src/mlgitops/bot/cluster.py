"""What a cluster holds of ours, read once for a plan; nothing is written."""

from __future__ import annotations

import asyncio

from mlgitops import api, kube
from mlgitops.kube import Raw, Resource, Session
from mlgitops.plan.live import Namespace
from mlgitops.plan.owned import CHILD_KINDS

_OUR_KINDS = tuple(Resource(api.GROUP, api.VERSION, kind.plural, kind.name) for kind in api.KINDS.values())


async def look(credentials: kube.Credentials, namespace: str = "") -> Namespace:
    """Read a namespace: all objects of our kinds, and of the kinds that our deployments own.

    Args:
        credentials: they need only be allowed to list.
        namespace: default: that of the credentials.

    Raises:
        KubeError: the API server does not answer, forbids it, or does not know our kinds.
    """
    name = namespace or credentials.namespace
    async with Session(credentials) as session:
        ours, children = await asyncio.gather(
            asyncio.gather(*(_listed(session, kind, name) for kind in _OUR_KINDS)),
            asyncio.gather(*(_listed(session, kind, name, optional=True) for kind in CHILD_KINDS)),
        )
    return Namespace(
        name, tuple(raw for found in ours for raw in found), tuple(raw for found in children for raw in found)
    )


async def _listed(session: Session, kind: Resource, namespace: str, *, optional: bool = False) -> tuple[Raw, ...]:
    try:
        return (await session.list(kind, namespace)).items
    except kube.NotFound:
        # Without the Gateway API there are no routes; without our kinds there is nothing to compare with.
        if optional:
            return ()
        raise
