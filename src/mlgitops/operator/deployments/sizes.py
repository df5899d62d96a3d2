"""How many pods an autoscaled Deployment has is not ours to say, from the moment on that we stop saying it.

A field that its only owner no longer applies falls back to the default: ten pods would be
one. So before we let go of ``replicas``, another field manager holds on to its value, until
the autoscaler writes the first of its own.
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership.
"""

from __future__ import annotations

from typing import Final

from mlgitops import kube
from mlgitops.kube import Raw
from mlgitops.operator.runtime import Context

FIELD_MANAGER: Final = "mlgitops-size"


async def release(context: Context, child: Raw) -> None:
    """Keep the number of pods of a Deployment that is about to be applied without one."""
    if child["kind"] != "Deployment" or "replicas" in child["spec"]:
        return
    live = context.get(kube.DEPLOYMENTS, kube.key_of(child))
    if live is None or not kube.owns(live, context.field_manager, "spec", "replicas"):
        return
    namespace, name = kube.key_of(child)
    held = {
        "apiVersion": child["apiVersion"],
        "kind": child["kind"],
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": live["spec"]["replicas"]},
    }
    # Without force: who has changed it since we looked has said what it shall be.
    await context.session.apply(held, field_manager=FIELD_MANAGER, force=False)
