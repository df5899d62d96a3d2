"""The API server's verdict on our kinds: the same as the validator's, for the whole corpus."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from corpus_cases import Case, cases, mutations
from mlgitops import api
from mlgitops.local.cluster import Cluster
from mlgitops.registry import schema
from worlds.objects import objects

EXAMPLE = Path(__file__).parents[2] / "examples/repo-layout"
TAKES_A_LIST_FOR_A_TIME = (
    "model-override: a list at spec.expiresAt",
    "model-version-whole: a list at spec.run.finishedAt",
    "model-version-whole: a list at spec.run.startedAt",
    "model-version: a list at spec.run.startedAt",
)
Answer = tuple[int, dict[str, Any]]


def name_of(raw: dict[str, Any]) -> tuple[str, Any]:
    """Return what tells an object from others; a mutation may have neither metadata nor a name."""
    metadata = raw.get("metadata")
    return raw["kind"], str(metadata.get("name")) if isinstance(metadata, dict) else None


class Server:
    """Bare HTTP, so that nothing of ours stands between the test and the verdict."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        url = urlsplit(config["clusters"][0]["cluster"]["server"])
        context = ssl._create_unverified_context()
        self._connection = http.client.HTTPSConnection(str(url.hostname), url.port, context=context, timeout=30)
        self._headers = {
            "Authorization": f"Bearer {config['users'][0]['user']['token']}",
            "Content-Type": "application/json",
        }
        self._namespace = namespace

    def send(self, method: str, raw: dict[str, Any], *, dry: bool = True, name: str = "") -> Answer:
        path = f"/apis/{api.API_VERSION}/namespaces/{self._namespace}/{api.KINDS[raw['kind']].plural}{name}"
        query = "fieldValidation=Strict" + ("&dryRun=All" if dry else "")
        self._connection.request(method, f"{path}?{query}", json.dumps(raw), self._headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def server(api_server: Cluster, namespace: str) -> Iterator[Server]:
    server = Server(Path(api_server.kubeconfig), namespace)
    yield server
    server.close()


def judge(server: Server, case: Case) -> Answer:
    if case.before is None:
        return server.send("POST", case.raw)
    status, created = server.send("POST", case.before, dry=False)
    assert status in (201, 409), created
    path = f"/{case.before['metadata']['name']}"
    status, now = server.send("GET", case.before, name=path)
    assert status == 200, now
    version = {"resourceVersion": now["metadata"]["resourceVersion"]}
    return server.send("PUT", {**case.raw, "metadata": {**case.raw["metadata"], **version}}, name=path)


def test_the_api_server_says_what_the_corpus_says(server: Server) -> None:
    differing = []
    for case in cases():
        status, answer = judge(server, case)
        if status not in ((400, 422) if case.refused else (200, 201)):
            differing.append(f"{case.name}: {status} {answer.get('message', '')[:300]}")
    assert differing == []


def test_the_api_server_and_the_validator_agree_on_every_mutation(server: Server) -> None:
    differing = []
    for name, raw in mutations():
        # Kubernetes takes a list where a schema says "format: date-time"; we do not.
        if name in TAKES_A_LIST_FOR_A_TIME:
            continue
        found = schema.findings(raw)
        status, answer = server.send("POST", raw)
        if status not in ((400, 422) if found else (200, 201)):
            differing.append(f"{name}: {status} {answer.get('message', '')[:200]} but {found}")
    assert differing == []


def test_the_api_server_and_the_validator_agree_on_every_mutation_of_what_is_there(server: Server) -> None:
    sound = {name_of(case.before): case.before for case in cases() if case.before}
    differing, judged = [], 0
    for name, raw in mutations():
        before = sound.get(name_of(raw))
        if before is None or raw.get("metadata") != before["metadata"] or schema.findings(raw):
            continue
        judged += 1
        found = schema.transitions(before, raw)
        status, answer = judge(server, Case(name, raw, before, ""))
        if status not in ((400, 422) if found else (200, 201)):
            differing.append(f"{name}: {status} {answer.get('message', '')[:200]} but {found}")
    assert differing == []
    assert judged > 30


@pytest.mark.parametrize("kind", sorted({case.before["kind"] for case in cases() if case.before}))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_api_server_and_the_validator_agree_on_any_update(server: Server, kind: str, data: st.DataObject) -> None:
    before = next(case.before for case in cases() if case.before and case.before["kind"] == kind)
    made = data.draw(objects(kind))
    # One field of another object's: what is replaced as a whole is refused for its first immutable field.
    place = data.draw(st.sampled_from(sorted(made["spec"])))
    after = {**before, "spec": {**before["spec"], place: made["spec"][place]}}
    assume(not schema.findings(after))
    found = schema.transitions(before, after)
    status, answer = judge(server, Case("", after, before, ""))
    assert status in ((400, 422) if found else (200, 201)), (answer.get("message"), found)


@pytest.mark.parametrize("kind", sorted(api.KINDS))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_api_server_and_the_validator_agree_on_any_object(server: Server, kind: str, data: st.DataObject) -> None:
    raw = data.draw(objects(kind))
    found = schema.findings(raw)
    status, answer = server.send("POST", raw)
    assert status in ((400, 422) if found else (200, 201)), (answer.get("message"), found)


@pytest.mark.parametrize("path", [EXAMPLE / "registry", EXAMPLE / "clusters"])
def test_the_example_is_applied_as_it_stands(api_server: Cluster, namespace: str, path: Path) -> None:
    place = () if path.name == "clusters" else (f"--namespace={namespace}",)
    api_server.kubectl("apply", "--server-side", "--recursive", f"--filename={path}", *place)


def test_the_health_of_our_kinds_is_added_to_argo_cds_own_settings(api_server: Cluster) -> None:
    api_server.kubectl("create", "namespace", "argocd")
    settings = ("configmap", "argocd-cm", "--namespace=argocd")
    api_server.kubectl("create", *settings, "--from-literal=url=https://argocd.example.com")
    manager = ("--server-side", "--field-manager=mlgitops")
    api_server.kubectl("apply", *manager, f"--filename={EXAMPLE.parents[1] / 'manifests' / 'argocd'}")
    data = json.loads(api_server.kubectl("get", *settings, "--output=json"))["data"]
    assert data.pop("url") == "https://argocd.example.com"
    assert len(data) == sum(kind.reconciled for kind in api.KINDS.values())
    assert len(set(data.values())) == 1


def test_the_api_server_fills_in_the_defaults_that_the_classes_have(server: Server) -> None:
    for case in cases():
        if case.refused or case.before is not None:
            continue
        _, answer = server.send("POST", case.raw)
        ours, theirs = api.parse(case.raw), api.parse(answer)
        assert (ours.spec, getattr(ours, "status", None)) == (theirs.spec, getattr(theirs, "status", None)), case.name


def test_a_status_is_written_by_its_subresource_only(server: Server) -> None:
    stage = next(case.raw for case in cases() if case.raw["kind"] == "ModelStage")
    status, created = server.send("POST", {**stage, "status": {"observedGeneration": 7}}, dry=False)
    assert (status, created["status"]) == (201, {"observedGeneration": -1})
    created["status"] = {"observedGeneration": 1}
    status, answer = server.send("PUT", created, dry=False, name=f"/{stage['metadata']['name']}/status")
    assert (status, answer["status"]["observedGeneration"]) == (200, 1)


def test_explain_reads_like_documentation(api_server: Cluster) -> None:
    told = api_server.kubectl("explain", "modeldeployment.spec.rollout.steps")
    assert "The new revision's share of traffic, in percent." in " ".join(told.split())
