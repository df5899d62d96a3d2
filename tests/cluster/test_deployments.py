"""ModelDeployments on a real API server; the test plays node and gateway (``stand``)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from cluster.stand import NAME, operator, standing
from cluster.waiting import asynchronous, until
from mlgitops import kube, plan
from mlgitops.api.deployment import RolloutSpec, RolloutStep
from mlgitops.local.cluster import Cluster
from mlgitops.operator import kinds
from mlgitops.plan import labels
from worlds.rollout import digest

QUICK = RolloutSpec(steps=(RolloutStep(10, "1s"), RolloutStep(50, "1s")), keep_previous="1s")
HELD = RolloutSpec(steps=(RolloutStep(10, "Indefinite"),), keep_previous="1s")
PER_REVISION = ["ControllerRevision", "Deployment", "PodDisruptionBudget", "Service"]
PER_DEPLOYMENT = ["ConfigMap", "HTTPRoute", "Service", "ServiceAccount"]


@asynchronous
async def test_a_first_rollout_makes_every_child_and_ends_ready(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit()
        await stand.until_served(1)
        assert sorted(kind for kind, _ in await stand.children()) == sorted([*PER_REVISION, *PER_DEPLOYMENT])
        assert await stand.serves() == {"1": 100}


@asynchronous
async def test_a_promotion_is_a_canary_in_two_steps(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit(rollout=QUICK)
        await stand.until_served(1)
        await stand.promote(2)
        seen: list[dict[str, int]] = []

        async def done() -> bool:
            split = await stand.serves()
            if not seen or seen[-1] != split:
                seen.append(split)
            return split == {"2": 100}

        await until(done, "all traffic on version 2")
        assert seen in (
            [{"1": 90, "2": 10}, {"1": 50, "2": 50}, {"2": 100}],
            [{"1": 100}, {"1": 90, "2": 10}, {"1": 50, "2": 50}, {"2": 100}],
        )
        await stand.until_served(2)

        async def only_one() -> bool:
            return len([1 for kind, _ in await stand.children() if kind == "Deployment"]) == 1

        await until(only_one, "the old version's pods go after keepPrevious")


@asynchronous
async def test_a_restart_over_unchanged_objects_writes_nothing(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand:
        async with operator(stand):
            await stand.commit()
            await stand.until_served(1)
        # The second one finishes what the first one was stopped at, the third finds nothing to do.
        for _ in range(2):
            before = await stand.children(), (await stand.deployment()).metadata.resource_version
            async with operator(stand):
                await until(lambda: {"ModelDeployment", "ModelStage"} <= set(stand.reconciled))
        assert (await stand.children(), (await stand.deployment()).metadata.resource_version) == before


@asynchronous
async def test_a_status_that_is_erased_during_a_canary_is_rebuilt_from_the_route(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand:
        async with operator(stand):
            await stand.commit(rollout=HELD)
            await stand.until_served(1)
            await stand.promote(2)
            await stand.until_condition("Reconciling", "True/Pausing")
        before = (await stand.deployment()).status
        erase = [{"op": "remove", "path": "/status"}]
        await stand.session.patch(kinds.MODEL_DEPLOYMENTS, NAME, namespace, erase, type="json", subresource="status")
        assert (await stand.deployment()).status.active is None
        async with operator(stand):
            await stand.until_condition("Reconciling", "True/Pausing")
        after = (await stand.deployment()).status
        assert (after.active, after.target) == (before.active, before.target)
        assert after.rollout and before.rollout
        assert (after.rollout.step, after.rollout.weight) == (before.rollout.step, before.rollout.weight)
        assert after.rollout.started_at == before.rollout.started_at
        assert await stand.serves() == {"1": 90, "2": 10}


@asynchronous
async def test_a_corrupt_artifact_is_reported_with_both_digests_while_the_old_version_serves(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit(rollout=QUICK)
        await stand.until_served(1)
        said = {"reason": "DigestMismatch", "uri": "s3://models/iris/2", "expected": digest(2), "found": digest(9)}
        stand.corrupt["2"] = json.dumps(said)
        await stand.promote(2)
        await stand.until_condition("Stalled", "True/ArtifactCorrupt")
        message = next(
            entry.message for entry in (await stand.deployment()).status.conditions if entry.type == "Stalled"
        )
        assert digest(2) in message
        assert digest(9) in message
        assert await stand.condition("Verified") == "False/DigestMismatch"
        assert await stand.condition("Available") == "True/Answering"
        assert await stand.serves() == {"1": 100}


@asynchronous
async def test_what_somebody_changes_in_a_child_is_put_right(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit()
        await stand.until_served(1)
        await stand.session.patch(kube.SERVICES, NAME, namespace, {"spec": {"selector": {"app": "mine"}}})
        await stand.session.delete(kube.HTTP_ROUTES, NAME, namespace)

        async def restored() -> bool:
            service = await stand.session.get(kube.SERVICES, NAME, namespace)
            routes = (await stand.session.list(kube.HTTP_ROUTES, namespace)).items
            return "mlgitops.dev/revision" in service["spec"]["selector"] and bool(routes)

        await until(restored, "service and route are back")
        await stand.until_served(1)


@asynchronous
async def test_an_object_of_somebody_else_is_not_taken_over(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        ports = [{"port": 80}]
        foreign = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": namespace}}
        await stand.session.create({**foreign, "spec": {"selector": {"app": "mine"}, "ports": ports}})
        await stand.commit()
        await stand.until_condition("Stalled", "True/NameTaken")
        service = await stand.session.get(kube.SERVICES, NAME, namespace)
        assert service["spec"]["selector"] == {"app": "mine"}


@asynchronous
async def test_a_taken_name_stops_the_new_revision_and_keeps_up_the_old_one(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit(rollout=QUICK)
        await stand.until_served(1)
        deployment = await stand.deployment()
        old = next(name for kind, name in await stand.children() if kind == "PodDisruptionBudget")
        stand.git.stages["production"] = "2"
        revision = plan.render(plan.resolve(deployment, stand.git, datetime.now(UTC)))
        metadata = {"name": labels.child_name(NAME, revision.name), "namespace": namespace, "labels": {"app": "mine"}}
        spec = {"selector": {"app": "mine"}, "ports": [{"port": 80}]}
        await stand.session.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        await stand.promote(2)
        await stand.until_condition("Stalled", "True/NameTaken")
        await stand.session.delete(kube.POD_DISRUPTION_BUDGETS, old, namespace)

        async def restored() -> bool:
            return ("PodDisruptionBudget", old) in await stand.children()

        await until(restored, "what the active revision lost is made again")
        assert await stand.serves() == {"1": 100}
        assert await stand.sizes() == {"1": 2}
        await stand.session.delete(kube.SERVICES, metadata["name"], namespace)
        await stand.until_served(2)


@asynchronous
async def test_a_stage_is_ready_when_its_deployments_serve_its_version(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):

        async def stage() -> str:
            raw = await stand.session.get(kinds.MODEL_STAGES, "iris.production", namespace)
            found = [entry for entry in raw["status"].get("conditions", ()) if entry["type"] == "Ready"]
            return f"{found[0]['status']}/{found[0]['reason']}" if found else ""

        async def until_stage(wanted: str) -> None:
            async def holds() -> bool:
                return await stage() == wanted

            await until(holds, f"the stage is {wanted}")

        await stand.commit(rollout=HELD)
        await until_stage("True/Serving")
        await stand.promote(2)
        await until_stage("False/RollingOut")
        await stand.promote(9)
        await until_stage("False/MissingVersion")
        await stand.promote(1)
        await until_stage("True/Serving")


@asynchronous
async def test_a_missing_version_is_named_and_cured_by_its_arrival(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        version = stand.git.versions.pop("1")
        await stand.commit()
        await stand.until_condition("Stalled", "True/MissingVersion")
        stand.git.versions["1"] = version
        await stand.commit()
        await stand.until_served(1)


@asynchronous
async def test_nothing_is_made_again_for_a_deployment_that_is_deleted(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand) as manager:
        await stand.commit()
        await stand.until_served(1)
        await stand.session.delete(kinds.MODEL_DEPLOYMENTS, NAME, namespace)
        await until(lambda: (namespace, NAME) not in manager.caches.cache(kinds.MODEL_DEPLOYMENTS))
        await stand.session.delete(kube.HTTP_ROUTES, NAME, namespace)
        await until(lambda: (namespace, NAME) not in manager.caches.cache(kube.HTTP_ROUTES))
        done = len(stand.reconciled)
        await stand.promote(2)
        await until(lambda: len(stand.reconciled) > done)
        assert not (await stand.session.list(kube.HTTP_ROUTES, namespace)).items
