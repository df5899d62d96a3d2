"""Jobs on the process node end as their pods do, and are tried again as they say."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.pods import Pods, container, pods
from cluster.waiting import asynchronous, until
from mlgitops import kube
from mlgitops.local.cluster import Cluster


async def job(world: Pods, code: str, *, policy: str = "Never", **spec: Any) -> dict[str, str]:
    """Run a Job to its end and return its conditions that are true, with their reasons."""
    template = {"spec": {"restartPolicy": policy, "containers": [container(code)], "terminationGracePeriodSeconds": 1}}
    await world.create("Job", "job", api_version="batch/v1", spec={"template": template, **spec})
    found: dict[str, str] = {}

    async def ended() -> bool:
        status = (await world.session.get(kube.JOBS, "job", world.namespace)).get("status", {})
        true = [entry for entry in status.get("conditions") or () if entry["status"] == "True"]
        found.update({entry["type"]: entry.get("reason", "") for entry in true})
        return bool({"Complete", "Failed"} & set(found))

    await until(ended, "the job ends")
    return found


async def tries(world: Pods) -> list[dict[str, Any]]:
    return [*(await world.session.list(kube.PODS, world.namespace, label_selector="job-name=job")).items]


@asynchronous
async def test_a_job_whose_pods_end_well_is_complete(cluster: Cluster, cluster_namespace: str) -> None:
    async with pods(cluster, cluster_namespace) as world:
        assert "Complete" in await job(world, "print('done')", completions=2, parallelism=2)
        assert [pod["status"]["phase"] for pod in await tries(world)] == ["Succeeded"] * 2


@asynchronous
async def test_a_job_that_never_ends_well_has_failed_and_its_pods_tell_how(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        found = await job(world, "raise SystemExit(6)", backoffLimit=0)
        assert found["Failed"] == "BackoffLimitExceeded"
        (pod,) = await tries(world)
        assert pod["status"]["phase"] == "Failed"
        assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 6


@pytest.mark.parametrize("policy", ["OnFailure", "Never"])
def test_a_job_that_takes_too_long_is_stopped(cluster: Cluster, cluster_namespace: str, policy: str) -> None:
    @asynchronous
    async def check() -> None:
        async with pods(cluster, cluster_namespace) as world:
            code = "import signal; signal.pause()"
            found = await job(world, code, policy=policy, activeDeadlineSeconds=1)
            assert found["Failed"] == "DeadlineExceeded"

            async def nobody() -> bool:
                return not any(pod["status"]["phase"] == "Running" for pod in await tries(world))

            await until(nobody, "its pods end")

    check()
