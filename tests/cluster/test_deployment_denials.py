"""Children and pods that a real API server refuses: a condition with its words, and recovery without anybody's help."""

from __future__ import annotations

from typing import Any

from cluster.stand import Stand, operator, standing
from cluster.waiting import asynchronous, until
from mlgitops import api, kube
from mlgitops.api.deployment import RolloutSpec, RolloutStep
from mlgitops.api.pods import Resources
from mlgitops.kube import Raw
from mlgitops.local.cluster import Cluster

QUOTAS = kube.Resource("", "v1", "resourcequotas", "ResourceQuota")
QUICK = RolloutSpec(steps=(RolloutStep(50, "0s"),), keep_previous="1s")


async def create(stand: Stand, kind: str, **content: Any) -> None:
    metadata = {"name": "small", "namespace": stand.namespace}
    await stand.session.create({"apiVersion": "v1", "kind": kind, "metadata": metadata, **content})


async def refused(stand: Stand, kind: str, resource: kube.Resource, **content: Any) -> str:
    """Try to make an object until the API server knows that it is forbidden; returns its words."""

    async def words() -> str:
        try:
            await create(stand, kind, **content)
        except kube.Forbidden as error:
            return error.message
        await stand.session.delete(resource, "small", stand.namespace, grace_seconds=0)
        return ""

    return str(await until(words, f"a {kind} is refused"))


async def quota(stand: Stand, resource: str, used: int) -> None:
    """Let no more objects of a resource be made than there are; no controller that would count them runs here."""
    hard = {f"count/{resource}": str(used), "count/secrets": "0"}
    await create(stand, "ResourceQuota", spec={"hard": hard})
    body = {"status": {"hard": hard, "used": hard}}
    await stand.session.patch(QUOTAS, "small", stand.namespace, body, subresource="status")
    await refused(stand, "Secret", kube.SECRETS)


async def message(stand: Stand) -> str:
    found = api.conditions.find((await stand.deployment()).status.conditions, "Stalled")
    return found.message if found else ""


@asynchronous
async def test_a_quota_is_a_condition_and_lifting_it_is_enough(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await quota(stand, "deployments.apps", 0)
        await stand.commit()
        await stand.until_condition("Stalled", "True/QuotaExceeded")
        told = await message(stand)
        assert told.startswith("Deployment iris-production-")
        assert "exceeded quota: small" in told
        # The other children are there: what was refused keeps none of them waiting.
        assert {"Service", "HTTPRoute"} <= {kind for kind, _ in await stand.children()}
        await stand.session.delete(QUOTAS, "small", namespace)
        await stand.until_served(1)


@asynchronous
async def test_a_denied_challenger_takes_no_traffic_and_is_not_refused(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit(rollout=QUICK)
        await stand.until_served(1)
        await quota(stand, "services", 2)
        await stand.promote(2)
        await stand.until_condition("Stalled", "True/QuotaExceeded")
        assert await stand.condition("Available") == "True/Answering"
        assert await stand.serves() == {"1": 100}
        assert (await stand.deployment()).status.refused is None
        await stand.session.delete(QUOTAS, "small", namespace)
        await stand.until_served(2)


@asynchronous
async def test_a_child_that_is_invalid_is_a_condition_with_the_servers_words(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit()
        await stand.until_served(1)
        # A schema cannot compare quantities.
        await stand.commit(resources=Resources({"memory": "2Gi"}, {"memory": "1Gi"}))
        await stand.until_condition("Stalled", "True/ChildRefused")
        assert "must be less than or equal to memory limit" in await message(stand)
        assert await stand.condition("Available") == "True/Answering"
        await quiet(stand)
        await stand.commit()
        await stand.until_served(1)


async def quiet(stand: Stand) -> None:
    """Wait until the deployment is tried again; assert that this writes nothing."""
    written = (await stand.deployment()).metadata
    stand.reconciled.clear()
    await until(lambda: stand.reconciled.count("ModelDeployment") > 1, "it is tried again")
    assert (await stand.deployment()).metadata == written


async def only(stand: Stand) -> str:
    """Wait for the Deployment, which is made after the status said so, and return its name."""

    async def made() -> list[Raw]:
        return list((await stand.session.list(kube.DEPLOYMENTS, stand.namespace)).items)

    (found,) = await until(made, "there is a Deployment")
    return str(found["metadata"]["name"])


@asynchronous
async def test_pods_that_a_limit_refuses_are_a_condition(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await create(stand, "LimitRange", spec={"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]})
        await create(stand, "ServiceAccount")
        large = {"name": "a", "image": "a", "resources": {"limits": {"memory": "2Gi"}}}
        pod = {"containers": [large], "serviceAccountName": "small"}
        said = await refused(stand, "Pod", kube.PODS, spec=pod)
        stand.healthy = False
        await stand.commit(resources=Resources(limits={"memory": "512Mi"}))
        await stand.until_condition("Reconciling", "True/Starting")
        # What the Deployment controller, which does not run here, makes of the API server's answer.
        entry = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
        body = {"status": {"conditions": [entry]}}
        name = await only(stand)
        await stand.session.patch(kube.DEPLOYMENTS, name, namespace, body, subresource="status")
        await stand.until_condition("Stalled", "True/PodsRefused")
        assert "maximum memory usage per Container is 1Gi" in await message(stand)
        await stand.session.patch(
            kube.DEPLOYMENTS, name, namespace, {"status": {"conditions": None}}, subresource="status"
        )
        stand.healthy = True
        await stand.until_served(1)
