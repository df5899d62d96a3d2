"""``mlgitops plan --live`` beside a real API server on which the operator works."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from cluster.stand import NAME, Stand, operator, standing
from cluster.waiting import asynchronous, until
from mlgitops import api, kube
from mlgitops.api.deployment import RolloutSpec, RolloutStep
from mlgitops.bot import cluster as looking
from mlgitops.local.cluster import Cluster
from mlgitops.operator import kinds
from mlgitops.plan import Plan, live
from mlgitops.registry import Tree, layout
from mlgitops.registry.documents import Document
from mlgitops.registry.tree import Entry
from worlds.rollout import deployment

QUICK = RolloutSpec(steps=(RolloutStep(50, "1s"),), keep_previous="1s")
HELD = RolloutSpec(steps=(RolloutStep(10, "Indefinite"),), keep_previous="1s")


def tree(stand: Stand, **spec: object) -> Tree:
    """Return the registry that ``Stand.commit`` applies."""
    git = stand.git
    stage = git.stage("iris", "production")
    shared = (git.model("iris"), *git.versions.values(), *git.servers, *git.policies.values(), stage)
    resources = [(resource, "") for resource in shared if resource] + [(deployment(replicas=2, **spec), "prod")]
    entries = []
    for resource, environment in resources:
        written = replace(resource, metadata=api.Metadata(resource.metadata.name))
        document = Document(layout.path_of(api.dump(written), environment) or "", api.dump(written), b"")
        entries.append(Entry(document, environment, written))
    return Tree(entries)


async def planned(stand: Stand, wanted: Tree) -> Plan:
    found = await looking.look(stand.session.credentials, stand.namespace)
    return live.diff(found, wanted, "prod", datetime.now(UTC))


@asynchronous
async def test_a_cluster_that_agrees_with_git_needs_nothing(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit(rollout=QUICK)
        await stand.until_served(1)
        found = await planned(stand, tree(stand, rollout=QUICK))
        assert found.empty, found.text()


@asynchronous
async def test_a_promotion_is_planned_told_while_it_is_under_way_and_done_in_the_end(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit(rollout=QUICK)
        await stand.until_served(1)
        stand.git.stages["production"] = "2"
        wanted = tree(stand, rollout=QUICK)
        (change,) = (await planned(stand, wanted)).deployments
        assert (change.before, change.after, change.how) == ("1", "2", "a canary: 50 % for 1s, then all traffic")
        replaced = {item.kind for item in change.objects if item.action == "replace"}
        assert {"Deployment", "Service", "PodDisruptionBudget"} <= replaced
        route = next(item for item in change.objects if item.kind == "HTTPRoute")
        assert all("backendRefs" in field.path or "path" in field.path for field in route.fields), route.fields
        await stand.promote(2)
        await stand.until_served(2)

        async def done() -> bool:
            return (await planned(stand, wanted)).empty

        await until(done, "the old version's children are gone")


@asynchronous
async def test_a_rollout_under_way_tells_how_far_it_is(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit(rollout=HELD)
        await stand.until_served(1)
        await stand.promote(2)
        await stand.until_condition("Reconciling", "True/Pausing")
        (change,) = (await planned(stand, tree(stand, rollout=HELD))).deployments
        assert change.how == "its roll-out is under way: pausing at step 0, 10 % of traffic"
        assert {(item.kind, item.action) for item in change.objects} >= {
            ("Deployment", "update"),
            ("Deployment", "delete"),
        }


@asynchronous
async def test_what_somebody_changed_by_hand_is_shown_with_its_value(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand:
        async with operator(stand):
            await stand.commit(rollout=QUICK)
            await stand.until_served(1)
        (child,) = (await stand.session.list(kube.DEPLOYMENTS, namespace)).items
        await stand.session.patch(kube.DEPLOYMENTS, child["metadata"]["name"], namespace, {"spec": {"replicas": 7}})
        (change,) = (await planned(stand, tree(stand, rollout=QUICK))).deployments
        (item,) = change.objects
        assert [(field.path, field.before, field.after) for field in item.fields] == [("spec.replicas", 7, 2)]


@asynchronous
async def test_what_the_cluster_refused_is_not_promised_again(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit(rollout=HELD)
        await stand.until_served(1)
        await stand.promote(2)
        await stand.until_condition("Reconciling", "True/Pausing")
        target = (await stand.deployment()).status.target
        assert target is not None
        body = {"metadata": {"annotations": {"mlgitops.dev/abort": target.revision}}}
        await stand.session.patch(kinds.MODEL_DEPLOYMENTS, NAME, namespace, body)
        await stand.until_condition("Stalled", "True/RolledBack")
        (change,) = (await planned(stand, tree(stand, rollout=HELD))).deployments
        assert change.blocked is not None
        assert change.blocked.reason == "Aborted"
        assert change.objects == ()


@asynchronous
async def test_versions_that_nothing_in_the_cluster_needs_are_no_difference_where_a_source_brings_them(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit(rollout=QUICK)
        await stand.until_served(1)
        stand.git.versions["9"] = replace(stand.git.versions["4"], metadata=api.Metadata("iris.9"))
        all_of_it = await planned(stand, tree(stand, rollout=QUICK))
        assert [(item.action, item.name) for item in all_of_it.objects] == [("create", "iris.9")]
        body = {"metadata": {"labels": {"mlgitops.dev/source": "registry"}}}
        await stand.session.patch(kinds.MODEL_DEPLOYMENTS, NAME, namespace, body)
        names = {item.name for item in (await planned(stand, tree(stand, rollout=QUICK))).objects}
        assert "iris.9" not in names
