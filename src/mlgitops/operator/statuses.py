"""Statuses written from typed resources."""

from __future__ import annotations

from mlgitops import api
from mlgitops.api.kinds import Resource
from mlgitops.kube import Raw
from mlgitops.operator.runtime import Context


async def write(context: Context, raw: Raw, decided: Resource) -> Raw:
    """Write the status of a decided resource with the resourceVersion of the copy that was read; returns it as stored.

    Nothing else of the copy is sent: a cache keeps only our part of ``managedFields``,
    and sending that would take the other managers' away.

    Raises:
        Conflict: somebody wrote since; nothing was changed.
    """
    metadata = {name: raw["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
    status = api.dump(decided)["status"]
    return await context.write_status(
        {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "metadata": metadata, "status": status}
    )
