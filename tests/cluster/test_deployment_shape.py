"""What spec says about pods and what stands beside them, on a real API server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from cluster.stand import NAME, Stand, operator, standing
from cluster.waiting import asynchronous, until
from mlgitops import api, kube
from mlgitops.api.deployment import RolloutSpec, RolloutStep
from mlgitops.api.pods import LabelSelector, PodSettings
from mlgitops.api.routing import Header, HeaderModifier, ParentReference, Route, RouteFilter, Timeouts
from mlgitops.api.scaling import Autoscaling
from mlgitops.api.surroundings import AddressBlock, EgressRule, Network, Peer, PortRange
from mlgitops.local.cluster import Cluster
from mlgitops.operator import kinds
from mlgitops.plan import labels

CORPUS = Path(__file__).parents[1] / "corpus" / "model-deployment-pods.yaml"


def settings() -> PodSettings:
    """Return every setting, without the classes that the cluster would have to have."""
    found = api.parse(yaml.safe_load(CORPUS.read_text())["object"])
    assert isinstance(found, api.ModelDeployment)
    assert found.spec.pods is not None
    return replace(found.spec.pods, priority_class_name=None, runtime_class_name=None)


async def the_deployment(stand: Stand) -> dict[str, Any]:
    (found,) = (await stand.session.list(kube.DEPLOYMENTS, stand.namespace)).items
    return found


async def settled(stand: Stand) -> None:
    """Run another operator over what is there until it has nothing more to do; assert that it writes nothing."""
    for _ in range(2):
        before = await stand.children()
        async with operator(stand):
            await until(lambda: {"ModelDeployment", "ModelStage"} <= set(stand.reconciled))
    assert await stand.children() == before


@asynchronous
async def test_the_api_server_takes_every_setting_of_pods_and_a_restart_changes_none(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "iris-reader"}}
        await stand.session.create({**account, "metadata": {"name": "iris-reader", "namespace": namespace}})
        async with operator(stand):
            await stand.commit(pods=settings())
            await stand.until_served(1)
        spec = (await the_deployment(stand))["spec"]["template"]["spec"]
        assert spec["serviceAccountName"] == "iris-reader"
        assert spec["schedulerName"] == "volcano"
        assert [volume["name"] for volume in spec["volumes"]] == ["model", "tmp", "shm", "words", "keys", "cache"]
        await settled(stand)


@asynchronous
async def test_an_autoscaler_takes_over_the_number_of_pods_without_a_moment_of_fewer(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand:
        async with operator(stand):
            await stand.commit()
            await stand.until_served(1)
            sizes: list[int] = []
            async with kube.Reflector(stand.session, kube.DEPLOYMENTS, namespace) as reflector:
                await reflector.wait_synced()
                reflector.subscribe(lambda change: sizes.append(change.latest["spec"]["replicas"]))
                await stand.commit(autoscaling=Autoscaling(10, min_replicas=2))

                async def handed_over() -> bool:
                    live = await the_deployment(stand)
                    scalers = (await stand.session.list(kube.HORIZONTAL_POD_AUTOSCALERS, namespace)).items
                    return bool(scalers) and not kube.owns(live, "mlgitops", "spec", "replicas")

                await until(handed_over, "the operator no longer says how many pods there are")
                assert await stand.sizes() == {"1": 2}
                name = (await the_deployment(stand))["metadata"]["name"]
                body = {"spec": {"replicas": 5}}
                await stand.session.patch(kube.DEPLOYMENTS, name, namespace, body, subresource="scale")
                await until(lambda: 5 in sizes, "what the autoscaler says")
                await stand.until_served(1)
            assert min(sizes) == 2
        await settled(stand)
        assert await stand.sizes() == {"1": 5}


@asynchronous
async def test_a_canary_of_an_autoscaled_deployment_gets_its_share_and_then_all(
    api_server: Cluster, namespace: str
) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        scaled = Autoscaling(10, min_replicas=4)
        steps = RolloutSpec(steps=(RolloutStep(50, "Indefinite"),), keep_previous="1s")
        await stand.commit(autoscaling=scaled, rollout=steps)
        await stand.until_served(1)
        await stand.promote(2)
        await stand.until_condition("Reconciling", "True/Pausing")
        assert await stand.sizes() == {"1": 4, "2": 2}
        target = (await stand.deployment()).status.target
        assert target is not None
        note = {"metadata": {"annotations": {labels.ADVANCE: f"{target.revision}/0"}}}
        await stand.session.patch(kinds.MODEL_DEPLOYMENTS, NAME, namespace, note)
        await stand.until_served(2)

        async def alone() -> bool:
            scalers = (await stand.session.list(kube.HORIZONTAL_POD_AUTOSCALERS, namespace)).items
            return len(scalers) == 1 and await stand.sizes() == {"2": 4}

        await until(alone, "the old version's pods and autoscaler go")


@asynchronous
async def test_an_api_that_the_cluster_does_not_serve_is_a_condition(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit()
        await stand.until_served(1)
        await stand.commit(autoscaling=Autoscaling(10, "KEDA"))
        await stand.until_condition("Stalled", "True/MissingApi")
        assert await stand.condition("Available") == "True/Answering"
        assert await stand.sizes() == {"1": 2}
        await stand.commit(autoscaling=None)
        await stand.until_served(1)


@asynchronous
async def test_a_network_policy_stands_beside_the_pods_and_goes_when_it_is_no_longer_asked_for(
    api_server: Cluster, namespace: str
) -> None:
    infra = Peer(namespace_selector=LabelSelector({"kubernetes.io/metadata.name": "infra"}))
    store = EgressRule((Peer(ip_block=AddressBlock("10.0.0.0/8", ("10.1.0.0/16",))),), (PortRange(443),))
    async with standing(api_server, namespace) as stand:
        async with operator(stand):
            await stand.commit(network=Network((infra,), egress=(store,)))
            await stand.until_served(1)
        made = await stand.session.get(kube.NETWORK_POLICIES, NAME, namespace)
        assert len(made["spec"]["egress"]) == 2
        await settled(stand)
        async with operator(stand):
            await stand.commit()

            async def gone() -> bool:
                return not (await stand.session.list(kube.NETWORK_POLICIES, namespace)).items

            await until(gone, "the NetworkPolicy goes")


@asynchronous
async def test_the_gateway_api_takes_timeouts_and_filters(api_server: Cluster, namespace: str) -> None:
    headers = HeaderModifier(set=(Header("x-served-by", "iris"),), remove=("server",))
    shown = RouteFilter("ResponseHeaderModifier", response_header_modifier=headers)
    route = Route((ParentReference("gateway", "infra"),), timeouts=Timeouts("10s", "5s"), filters=(shown,))
    async with standing(api_server, namespace) as stand:
        async with operator(stand):
            await stand.commit(route=route)
            await stand.until_served(1)
        rules = (await stand.session.get(kube.HTTP_ROUTES, NAME, namespace))["spec"]["rules"]
        assert all(rule["timeouts"] == {"request": "10s", "backendRequest": "5s"} for rule in rules)
        await settled(stand)


@asynchronous
async def test_a_field_without_behaviour_stalls_and_the_old_version_serves(api_server: Cluster, namespace: str) -> None:
    async with standing(api_server, namespace) as stand, operator(stand):
        await stand.commit()
        await stand.until_served(1)
        await stand.commit(delivery="ImageVolume")
        await stand.promote(2)
        await stand.until_condition("Stalled", "True/NotSupported")
        assert await stand.condition("Available") == "True/Answering"
        assert await stand.serves() == {"1": 100}
