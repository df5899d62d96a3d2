"""What only a real node shows: restricted pods, a read-only root, a kubelet's probes and restarts."""

from __future__ import annotations

import asyncio
import json
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from sklearn.linear_model import LogisticRegression

from cluster.stand import Stand
from containers.ring import NODE, Ring, until
from mlgitops import artifacts, digest, kube, packages
from mlgitops.api import Reference
from mlgitops.api.deployment import ArtifactAccess, RolloutSpec
from servers import s3
from worlds.rollout import version

ROOT = Path(__file__).parents[2]
NAMESPACE = "models"
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def operated(ring: Ring) -> Ring:
    """The ring with our kinds and the operator of the manifests."""
    ring.kubectl("apply", "--server-side", f"--filename={ROOT / 'crds'}")
    ring.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    ring.kubectl("apply", "--server-side", f"--filename={ROOT / 'manifests'}")
    return ring


@dataclass(frozen=True)
class Bucket:
    """A bucket that pods reach, with its credentials in a Secret."""

    uri: str
    endpoint: str
    folder: Path


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    patch = pytest.MonkeyPatch()
    # Beside the home and not below /tmp: object metadata needs extended attributes.
    folder = Path.home() / f".mlgitops-ring-{uuid.uuid4().hex[:8]}"
    (folder / "buckets").mkdir(parents=True)
    try:
        with s3.running(folder / "buckets", NODE) as endpoint:
            patch.setenv("MLGITOPS_S3_ENDPOINT_URL", endpoint)
            patch.setenv("AWS_ACCESS_KEY_ID", s3.ACCESS)
            patch.setenv("AWS_SECRET_ACCESS_KEY", s3.SECRET)
            boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="models")
            yield Bucket("s3://models", endpoint, folder / "buckets" / "models")
    finally:
        patch.undo()
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def served(operated: Ring, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Ring:
    """The ring, with a model that the operator deployed into a restricted namespace."""
    operated.kubectl("create", "namespace", NAMESPACE)
    operated.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    literals = {
        "AWS_ACCESS_KEY_ID": s3.ACCESS,
        "AWS_SECRET_ACCESS_KEY": s3.SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLGITOPS_S3_ENDPOINT_URL": bucket.endpoint,
    }
    options = [f"--from-literal={name}={value}" for name, value in literals.items()]
    operated.kubectl("create", "secret", "generic", "store", f"--namespace={NAMESPACE}", *options)
    folder = tmp_path_factory.mktemp("package") / "iris"
    packages.save(LogisticRegression().fit([[0.0], [1.0], [3.0]], [0, 1, 2]), folder, input_example=[[0.5]])
    uri = artifacts.upload(folder, bucket.uri, "iris")
    asyncio.run(_commit(operated, uri, digest.of_bytes((folder / digest.MANIFEST).read_bytes())))
    until(lambda: _deployment(operated)["status"].get("readyReplicas") == 1, "the model is ready", seconds=240)
    return operated


async def _commit(ring: Ring, uri: str, found: str) -> None:
    async with kube.Session(kube.login(ring.cluster.kubeconfig)) as session:
        stand = Stand(session, NAMESPACE)
        policy = stand.git.policies["default"]
        rule = replace(policy.spec.artifacts, prefixes=("s3://models/",))
        stand.git.policies["default"] = replace(policy, spec=replace(policy.spec, artifacts=rule))
        stand.git.versions = {"1": version(1, uri=uri, digest=found)}
        access = ArtifactAccess(Reference("store"))
        await stand.commit(replicas=1, route=None, rollout=RolloutSpec(), artifact_access=access)


def _deployment(ring: Ring) -> dict[str, Any]:
    told = ring.kubectl("get", "modeldeployment/iris-production", f"--namespace={NAMESPACE}", "--output=json")
    found: dict[str, Any] = json.loads(told)
    return found


def _pod(ring: Ring) -> dict[str, Any]:
    told = json.loads(ring.kubectl("get", "pods", f"--namespace={NAMESPACE}", "--output=json"))
    (found,) = told["items"]
    assert isinstance(found, dict)
    return found


def _predict(ring: Ring) -> dict[str, Any]:
    body = {"inputs": [{"name": "input", "shape": [1, 1], "datatype": "FP64", "data": [0.5]}]}
    url = f"http://{_pod(ring)['status']['podIP']}:8080/v2/models/iris/infer"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_the_operator_of_the_manifests_becomes_ready_in_a_restricted_namespace(operated: Ring) -> None:
    operated.kubectl(
        "wait",
        "--for=condition=Available",
        "deployment/mlgitops-operator",
        "--namespace=mlgitops-system",
        "--timeout=240s",
    )


def test_a_model_is_fetched_verified_and_answers_from_its_pod(served: Ring) -> None:
    answer = _predict(served)
    assert (answer["model_name"], answer["model_version"]) == ("iris", "1")
    conditions = {entry["type"]: entry["status"] for entry in _deployment(served)["status"]["conditions"]}
    assert conditions == {"Ready": "True", "Available": "True", "Verified": "True"}


def test_the_server_can_write_nothing_below_its_root_and_has_no_token(served: Ring) -> None:
    name = _pod(served)["metadata"]["name"]
    script = (
        "import os, pathlib\n"
        "try: pathlib.Path('/opt/x').write_text('x')\n"
        "except OSError as error: print(error.strerror)\n"
        "print(os.getuid(), os.path.exists('/var/run/secrets'))"
    )
    command = ("exec", name, f"--namespace={NAMESPACE}", "--container=server", "--", "python", "-c", script)
    assert served.kubectl(*command).split("\n")[:2] == ["Read-only file system", "65532 False"]


def test_a_server_that_dies_is_restarted_by_the_kubelet_and_answers_again(served: Ring) -> None:
    name = _pod(served)["metadata"]["name"]
    script = "import os, signal; os.kill(1, signal.SIGTERM)"
    served.kubectl("exec", name, f"--namespace={NAMESPACE}", "--container=server", "--", "python", "-c", script)

    def restarted() -> bool:
        (status,) = _pod(served)["status"]["containerStatuses"]
        return bool(status["restartCount"] == 1 and status["ready"])

    until(restarted, "the server runs again")
    assert _predict(served)["model_version"] == "1"
