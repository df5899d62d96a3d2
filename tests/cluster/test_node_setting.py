"""What a container of the process node finds around it: variables, volumes, identity, paths."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path

import pytest

from cluster.pods import Pods, container, pods, state
from cluster.waiting import asynchronous
from mlgitops import kube
from mlgitops.errors import InputError
from mlgitops.local.cluster import Cluster
from mlgitops.local.node.volumes import Volumes

SHOW_VARIABLES = """
import json, os
print(json.dumps(dict(os.environ)))
"""

SHOW_FILES = """
import json, os, pathlib
print(json.dumps({
    "settings": sorted(os.listdir("/etc/settings")),
    "mode": open("/etc/settings/deep/mode").read(),
    "password": open("/etc/login/password").read(),
    "password mode": oct(os.stat("/etc/login/password").st_mode & 0o777),
    "labels": open("/etc/about/labels").read(),
    "memory": open("/etc/about/memory").read(),
    "together": sorted(os.listdir("/etc/together")),
    "modes": [oct(os.stat("/etc/together/" + name).st_mode & 0o777) for name in ("labels", "mode")],
    "prepared": open("/scratch/prepared").read(),
    "below": sorted(os.listdir("/below")),
    "one file": open("/etc/one.conf").read(),
    "url": "file:///scratch/x",
    "argument": __import__("sys").argv[1],
    "variable": os.environ["PLACE"],
    "here": os.getcwd() == os.path.realpath("/scratch"),
}))
"""

ASK_API_SERVER = """
import json, os, ssl, urllib.request, urllib.error
folder = os.environ["MLGITOPS_SERVICE_ACCOUNT"]
assert os.path.samefile(folder, "/var/run/secrets/kubernetes.io/serviceaccount")
server = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + ":" + os.environ["KUBERNETES_SERVICE_PORT"]
url = server + "/api/v1/namespaces/" + open(folder + "/namespace").read() + "/pods"
request = urllib.request.Request(url, headers={"Authorization": "Bearer " + open(folder + "/token").read()})
try:
    urllib.request.urlopen(request, context=ssl.create_default_context(cafile=folder + "/ca.crt"))
except urllib.error.HTTPError as error:
    print(error.code, json.load(error)["message"])
"""


async def stored(world: Pods) -> None:
    await world.create("ConfigMap", "settings", data={"mode": "fast", "depth": "3"})
    await world.create("Secret", "login", stringData={"password": "open sesame"})


@asynchronous
async def test_variables_come_from_everywhere_that_a_spec_may_name(cluster: Cluster, cluster_namespace: str) -> None:
    env = [
        {"name": "DEPTH", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "depth"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {
            "name": "MEMORY",
            "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
        },
        {"name": "SENTENCE", "value": "$(NAME) is $(DEPTH) deep, $(WHO) knows, $$(NAME)"},
    ]
    async with pods(cluster, cluster_namespace) as world:
        await stored(world)
        whole = [{"configMapRef": {"name": "settings"}}, {"prefix": "DB_", "secretRef": {"name": "login"}}]
        limits = {"limits": {"memory": "64Mi"}}
        await world.start("p", container(SHOW_VARIABLES, env=env, envFrom=whole, resources=limits))
        pod = await world.over("p")
        found = json.loads(await world.kubectl("logs", "p"))
    assert found["SENTENCE"] == "p is 3 deep, $(WHO) knows, $(NAME)"
    assert (found["mode"], found["DB_password"], found["MEMORY"]) == ("fast", "open sesame", "64")
    assert found["ADDRESS"] == found["MLGITOPS_BIND"] == pod["status"]["podIP"]
    assert found["HOSTNAME"] == "p"


@asynchronous
async def test_volumes_of_every_kind_are_folders_at_the_paths_that_the_spec_names(
    cluster: Cluster, cluster_namespace: str
) -> None:
    about = [
        {"path": "labels", "mode": 0o440, "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "memory", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory"}},
    ]
    together = [{"configMap": {"name": "settings"}}, {"secret": {"name": "login"}}, {"downwardAPI": {"items": about}}]
    volumes = [
        {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "mode", "path": "deep/mode"}]}},
        {"name": "login", "secret": {"secretName": "login", "defaultMode": 0o400}},
        {"name": "about", "downwardAPI": {"items": about}},
        {"name": "together", "projected": {"sources": together}},
        {"name": "maybe", "configMap": {"name": "nowhere", "optional": True}},
        {"name": "whole", "configMap": {"name": "settings"}},
        {"name": "work", "emptyDir": {}},
    ]
    mounts = [
        {"name": "settings", "mountPath": "/etc/settings"},
        {"name": "login", "mountPath": "/etc/login"},
        {"name": "about", "mountPath": "/etc/about"},
        {"name": "together", "mountPath": "/etc/together"},
        {"name": "work", "mountPath": "/scratch"},
        {"name": "work", "mountPath": "/below", "subPath": "a/b"},
        {"name": "whole", "mountPath": "/etc/one.conf", "subPath": "depth"},
        {"name": "maybe", "mountPath": "/etc/maybe"},
    ]
    prepare = container(
        "import os; open('/prep/prepared', 'w').write('ready'); os.makedirs('/prep/a/b'); open('/prep/a/b/c', 'w')",
        "prepare",
        volumeMounts=[{"name": "work", "mountPath": "/prep"}],
    )
    main = container(
        SHOW_FILES,
        args=["--in=/scratch/x"],
        env=[{"name": "PLACE", "value": "/scratch"}],
        workingDir="/scratch",
        volumeMounts=mounts,
        resources={"limits": {"memory": "64Mi"}},
    )
    async with pods(cluster, cluster_namespace) as world:
        await stored(world)
        labels = {"labels": {"app": "web"}}
        await world.start("p", main, initContainers=[prepare], volumes=volumes, metadata=labels)
        await world.over("p")
        found = json.loads(await world.kubectl("logs", "p"))
    here = found.pop("variable")
    assert found.pop("argument") == f"--in={here}/x"
    assert Path(here).name == "work"
    assert found == {
        "settings": ["deep"],
        "mode": "fast",
        "password": "open sesame",
        "password mode": "0o400",
        "labels": 'app="web"',
        "memory": str(64 << 20),
        "together": ["depth", "labels", "memory", "mode", "password"],
        "modes": ["0o440", "0o644"],
        "prepared": "ready",
        "below": ["c"],
        "one file": "3",
        "url": "file:///scratch/x",
        "here": True,
    }


@asynchronous
async def test_a_pod_is_who_its_service_account_says_and_trusts_the_api_server(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.create("ServiceAccount", "nobody")
        await world.start("p", container(ASK_API_SERVER), serviceAccountName="nobody")
        await world.over("p")
        answer = await world.kubectl("logs", "p")
    assert answer.startswith("403 ")
    assert f'User "system:serviceaccount:{cluster_namespace}:nobody"' in answer


@asynchronous
async def test_a_volume_that_the_node_has_not_says_so_and_what_there_is(
    cluster: Cluster, cluster_namespace: str
) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", container(""), volumes=[{"name": "disk", "hostPath": {"path": "/"}}])
        pod = await world.until(
            "p", lambda pod: "hostPath" in state(pod)["state"].get("waiting", {}).get("message", "")
        )
        assert "emptyDir, configMap, secret, projected and downwardAPI" in state(pod)["state"]["waiting"]["message"]
        assert pod["status"]["phase"] == "Pending"


@asynchronous
async def test_an_image_that_is_not_in_the_table_says_so_and_what_is(cluster: Cluster, cluster_namespace: str) -> None:
    async with pods(cluster, cluster_namespace) as world:
        await world.start("p", {"name": "main", "image": "example.com/nowhere:1"})
        pod = await world.until(
            "p", lambda pod: state(pod)["state"].get("waiting", {}).get("reason") == "ErrImageNeverPull"
        )
        for part in ("example.com/nowhere:1", str(cluster.layout.images), "mlgitops.dev/python:1"):
            assert part in state(pod)["state"]["waiting"]["message"]


# --- volumes change; without a cluster's half-minute until the node looks again


async def volumes_of(namespace: str, folder: Path, session: kube.Session, *listed: dict[str, object]) -> Volumes:
    metadata = {"name": "p", "namespace": namespace, "uid": "u-1"}
    return Volumes(session, {"metadata": metadata, "spec": {"volumes": listed, "containers": []}}, folder)


@asynchronous
async def test_what_changes_in_a_config_map_reaches_its_files_and_what_a_pod_wrote_stays(
    api_server: Cluster, namespace: str, tmp_path: Path
) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        data = {"mode": "fast", "old": "x"}
        raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": namespace}}
        await session.create({**raw, "data": data, "binaryData": {"bytes": base64.b64encode(b"\xff\x00").decode()}})
        listed = ({"name": "settings", "configMap": {"name": "settings"}}, {"name": "work", "emptyDir": {}})
        volumes = await volumes_of(namespace, tmp_path, session, *listed)
        await volumes.fill()
        assert (tmp_path / "settings/bytes").read_bytes() == b"\xff\x00"
        (tmp_path / "work/mine").write_text("kept")
        await session.patch(
            kube.CONFIG_MAPS, "settings", namespace, {"data": {"mode": "slow", "old": None, "new": "y"}}
        )
        await volumes.fill(again=True)
    files = {path.name: path.read_bytes() for path in (tmp_path / "settings").iterdir()}
    assert files == {"mode": b"slow", "new": b"y", "bytes": b"\xff\x00"}
    assert (tmp_path / "work/mine").read_text() == "kept"


@asynchronous
async def test_labels_that_change_reach_their_file(api_server: Cluster, namespace: str, tmp_path: Path) -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        about = {"name": "about", "downwardAPI": {"items": items}}
        volumes = await volumes_of(namespace, tmp_path, session, about)
        await volumes.fill()
        volumes.pod = {**volumes.pod, "metadata": {**volumes.pod["metadata"], "labels": {"track": "canary"}}}
        await volumes.fill(again=True)
    assert (tmp_path / "about/labels").read_text() == 'track="canary"'


@asynchronous
async def test_a_missing_map_or_key_stops_a_pod_that_needs_it_and_only_that(
    api_server: Cluster, namespace: str, tmp_path: Path
) -> None:
    async with kube.Session(kube.login(api_server.kubeconfig)) as session:
        missing = {"name": "settings", "configMap": {"name": "settings"}}
        with pytest.raises(kube.NotFound, match="settings"):
            await (await volumes_of(namespace, tmp_path / "1", session, missing)).fill()
        raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": namespace}}
        await session.create({**raw, "data": {"mode": "fast"}})
        wanted = {"name": "settings", "items": [{"key": "speed", "path": "speed"}]}
        with pytest.raises(InputError, match="has no key 'speed'; it has: mode"):
            await (await volumes_of(namespace, tmp_path / "2", session, {"name": "v", "configMap": wanted})).fill()
        optional = {"name": "v", "configMap": {**wanted, "optional": True}}
        await (await volumes_of(namespace, tmp_path / "3", session, optional)).fill()
        assert list((tmp_path / "3/v").iterdir()) == []
        with contextlib.suppress(kube.NotFound):
            await session.delete(kube.CONFIG_MAPS, "settings", namespace)
