"""The plan of a change equals what the API server's dry run reports of it, on the fields that we own.

A change of the example's registry is made up; what the registry renders before it is applied as
the operator does, what it renders afterwards is dry-run. The plan, which has seen no cluster, must
name the same objects and the same fields with the same values, and so must the live plan.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cluster.stand import install_gateway_api
from mlgitops import api, kube, plan, registry
from mlgitops.api import DeploymentStatus, ModelDeployment
from mlgitops.api.deployment import RevisionReference, ServedRevision
from mlgitops.bot import cluster as looking
from mlgitops.kube import Raw, Session
from mlgitops.local.cluster import Cluster
from mlgitops.operator import kinds
from mlgitops.plan import labels, live
from mlgitops.plan.difference import ObjectChange
from mlgitops.plan.fields import changes
from mlgitops.plan.state import objects_of, of_git
from mlgitops.registry import Tree

EXAMPLE = Path(__file__).parents[2] / "examples" / "repo-layout"
ENVIRONMENT = "prod-eu"
DEPLOYMENT = f"registry/deployments/{ENVIRONMENT}/iris-production.yaml"
STAGE = "registry/models/iris/stages/production.yaml"
POLICY = "registry/policies/default.yaml"
RUNTIME = "registry/runtimes/python-1.yaml"
OTHERS = f"registry/deployments/{ENVIRONMENT}/iris-shadow.yaml"

Files = dict[str, Raw]
Edit = Callable[[Files], None]
_numbers = itertools.count(1)


def example() -> Files:
    found = sorted((EXAMPLE / "registry").rglob("*.yaml"))
    return {path.relative_to(EXAMPLE).as_posix(): yaml.safe_load(path.read_bytes()) for path in found}


def spec(field: str, value: Any, path: str = DEPLOYMENT) -> Edit:
    """Return the edit that sets a field of a spec, or removes it for None."""

    def edit(files: Files) -> None:
        if path in files:
            files[path]["spec"].pop(field, None)
            if value is not None:
                files[path]["spec"][field] = copy.deepcopy(value)

    return edit


def fixed(number: str) -> Edit:
    def edit(files: Files) -> None:
        if DEPLOYMENT in files:
            files[DEPLOYMENT]["spec"].pop("stage", None)
            files[DEPLOYMENT]["spec"]["version"] = number

    return edit


def runtime(image: str, named: bool, arguments: list[str]) -> Edit:
    """Return the edit that brings a new runtime, for everybody or for the deployment that names it."""

    def edit(files: Files) -> None:
        other = copy.deepcopy(files[RUNTIME])
        other["metadata"]["name"] = "python-2"
        other["spec"]["containers"][0] |= {"image": image, "args": arguments}
        other["spec"]["supportedFormats"][0]["priority"] = 0 if named else 50
        # Immutable: whoever wants another one gives it another name.
        files.setdefault(RUNTIME.replace("1", "2"), other)
        if named:
            spec("runtimeRef", {"name": "python-2"})(files)

    return edit


def another(files: Files) -> None:
    files[OTHERS] = copy.deepcopy(example()[DEPLOYMENT])
    files[OTHERS]["metadata"]["name"] = "iris-shadow"
    del files[OTHERS]["spec"]["route"]


def gone(files: Files) -> None:
    files.pop(DEPLOYMENT, None)


def edits() -> st.SearchStrategy[Edit]:
    cpu, memory, most = (st.sampled_from(texts) for texts in (["100m", "1", "2"], ["256Mi", "512Mi"], ["1Gi", "2Gi"]))
    resources = st.fixed_dictionaries(
        {"requests": st.fixed_dictionaries({"cpu": cpu}, optional={"memory": memory})},
        optional={"limits": st.fixed_dictionaries({"memory": most})},
    )
    steps = st.lists(st.sampled_from([5, 10, 30, 60]), min_size=1, max_size=3, unique=True).map(sorted)
    rollout = steps.map(lambda found: {"steps": [{"weight": weight, "pause": "1m"} for weight in found]})
    route = st.fixed_dictionaries(
        {"parentRefs": st.sampled_from([[{"name": "gateway", "namespace": "infra"}], [{"name": "inner"}]])},
        optional={
            "hostnames": st.lists(st.sampled_from(["a.example.com", "b.example.com"]), min_size=1, unique=True),
            "path": st.sampled_from(["/iris", "/", "/v1/iris"]),
        },
    )
    pods = st.fixed_dictionaries(
        {},
        optional={
            "nodeSelector": st.sampled_from([{"disk": "fast"}, {"disk": "fast", "zone": "b"}]),
            "tolerations": st.sampled_from([[{"key": "gpu", "operator": "Exists"}], [{"key": "gpu", "value": "a"}]]),
            "env": st.sampled_from([[{"name": "A", "value": "1"}], [{"name": "B", "value": ""}]]),
            "labels": st.sampled_from([{"team": "flowers"}, {"team": "trees", "tier": "1"}]),
        },
    ).filter(bool)
    load = st.sampled_from([50, 80]).map(lambda percent: [{"resource": {"name": "cpu", "averageUtilization": percent}}])
    scaling = st.fixed_dictionaries(
        {"maxReplicas": st.integers(4, 6), "metrics": load}, optional={"minReplicas": st.integers(1, 3)}
    )
    formats = st.lists(st.sampled_from(["builtins.set", "sklearn.tree._tree.Tree"]), min_size=1, unique=True)
    prefixes = st.sampled_from([["s3://models/"], ["s3://models/", "s3://attic/"], ["s3://models/iris/"]])
    return st.one_of(
        st.sampled_from(["1", "2", "3"]).map(lambda number: spec("version", number, STAGE)),
        st.integers(0, 4).map(lambda count: spec("replicas", count)),
        resources.map(lambda value: spec("resources", value)),
        (rollout | st.just({"strategy": "BlueGreen"})).map(lambda value: spec("rollout", value)),
        pods.map(lambda value: spec("pods", value)),
        (st.none() | scaling).map(lambda value: spec("autoscaling", value)),
        (st.none() | route).map(lambda value: spec("route", value)),
        formats.map(lambda types: spec("formats", {"trustedTypes": types}, POLICY)),
        prefixes.map(lambda allowed: spec("artifacts", {"prefixes": allowed}, POLICY)),
        st.sampled_from(["1", "2", "3"]).map(fixed),
        st.builds(runtime, st.sampled_from(["x/py:1", "x/py:2"]), st.booleans(), st.lists(st.just("-v"), max_size=2)),
        st.just(another),
        st.just(gone),
    )


def edited(files: Files, todo: list[Edit]) -> Files:
    found = copy.deepcopy(files)
    for edit in todo:
        edit(found)
    return found


def tree_of(files: Files) -> Tree:
    tree = registry.load_files({path: json.dumps(raw).encode() for path, raw in files.items()})
    assert not registry.validate(tree)
    return tree


def owned(raw: Raw, manager: str, said: Raw) -> Raw:
    """Return the fields of an object that a manager's apply owns: the API server's own account of it.

    In what is owned as a whole (a route's rules) the server also puts its defaults; those are not in ``said``,
    what was applied.
    """
    (entry,) = (found for found in raw["metadata"]["managedFields"] if found["manager"] == manager)
    kept = _owned(entry["fieldsV1"], raw, said)
    names = {name: raw["metadata"][name] for name in ("name", "namespace")}
    return {**kept, "kind": raw["kind"], "metadata": {**kept.get("metadata", {}), **names}}


def _owned(fields: Mapping[str, Any], value: Any, said: Any) -> Any:
    names = [name for name in fields if name != "."]
    if not names:
        return _without_defaults(value, said)
    if names[0].startswith("f:"):
        return {
            name[2:]: _owned(fields[name], value[name[2:]], said.get(name[2:])) for name in names if name[2:] in value
        }
    if names[0].startswith("v:"):
        return [item for item in value if f"v:{json.dumps(item)}" in names]
    places = [(json.loads(name[2:]), fields[name]) for name in names]
    return [
        _owned(
            below, item, next(entry for entry in said if all(entry.get(key, item[key]) == item[key] for key in keys))
        )
        for item in value
        for keys, below in places
        if keys.items() <= item.items()
    ]


def _without_defaults(value: Any, said: Any) -> Any:
    if isinstance(value, dict) and isinstance(said, dict):
        return {key: _without_defaults(item, said[key]) for key, item in value.items() if key in said}
    if isinstance(value, list) and isinstance(said, list) and len(value) == len(said):
        return [_without_defaults(item, ours) for item, ours in zip(value, said, strict=True)]
    return value


Reported = dict[tuple[str, str, str], dict[str, tuple[Any, Any]]]


async def reported(session: Session, before: list[Raw], after: list[Raw], manager: str) -> Reported:
    """Return what the API server says that an apply of ``after`` changes where ``before`` is applied already."""
    found: Reported = {}
    old, new = ({(raw["kind"], raw["metadata"]["name"]): raw for raw in side} for side in (before, after))
    there = {key: owned(await session.apply(raw, field_manager=manager), manager, raw) for key, raw in old.items()}
    for kind, name in old.keys() - new.keys():
        found["delete", kind, name] = {}
    for (kind, name), raw in new.items():
        result = owned(await session.apply(raw, field_manager=manager, dry_run=True), manager, raw)
        if (kind, name) not in old:
            found["create", kind, name] = {}
            continue
        fields = changes(there[kind, name], result)
        if fields:
            found["update", kind, name] = {field.path: (field.before, field.after) for field in fields}
    return found


def told(objects: tuple[ObjectChange, ...]) -> Reported:
    """Return a plan's objects in the same form; a replacement is the deletion of one and the making of the other."""
    found: Reported = {}
    for item in objects:
        if item.action == "replace":
            gone_name, made_name = item.name.split(" → ")
            found["delete", item.kind, gone_name] = found["create", item.kind, made_name] = {}
        else:
            fields = item.fields if item.action == "update" else ()
            found[item.action, item.kind, item.name] = {field.path: (field.before, field.after) for field in fields}
    return found


def in_namespace(raws: tuple[Raw, ...], namespace: str) -> list[Raw]:
    return [{**raw, "metadata": {**raw["metadata"], "namespace": namespace}} for raw in raws]


def children(tree: Tree, namespace: str, held: set[str]) -> list[Raw]:
    """Return what the operator applies for a tree; of a deployment that it leaves as it is, nothing."""
    rendered = {name: what for (_, name), what in plan.rendered(tree).items() if name not in held}
    found = [raw for what in rendered.values() if isinstance(what, tuple) for raw in what]
    return in_namespace(tuple(found), namespace)


async def agree(session: Session, before: Tree, after: Tree) -> None:
    namespace = f"plan-{next(_numbers)}"
    await session.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    planned = plan.diff(before, after)

    git = [in_namespace(tuple(objects_of(tree).values()), namespace) for tree in (before, after)]
    assert told(planned.objects) == await reported(session, *git, "git")
    held = {change.name for change in planned.deployments if change.blocked}
    ours = [children(tree, namespace, held) for tree in (before, after)]
    in_plan = tuple(item for change in planned.deployments for item in change.objects)
    assert told(in_plan) == await reported(session, *ours, labels.FIELD_MANAGER)
    await agree_live(session, namespace, before, after, planned)


async def agree_live(session: Session, namespace: str, before: Tree, after: Tree, planned: plan.Plan) -> None:
    """Make the cluster as the operator would leave it before the change; the live plan says what the other one does."""
    for (_, name), side in of_git(before).deployments.items():
        assert side.revision is not None
        raw = await session.get(kinds.MODEL_DEPLOYMENTS, name, namespace)
        revision = side.revision
        reference = RevisionReference(revision.name, revision.version, revision.digest)
        served = ServedRevision(revision.name, revision.version, revision.digest, "2026-11-24T12:00:00Z")
        status = DeploymentStatus(observed_generation=1, active=reference, target=reference, history=(served,))
        deployment = api.parse(raw)
        assert isinstance(deployment, ModelDeployment)
        resource = {**raw, "status": api.dump(ModelDeployment(deployment.metadata, deployment.spec, status))["status"]}
        await session.update_status(resource)
        owner = {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "name": name, "uid": raw["metadata"]["uid"]}
        owner |= {"controller": True, "blockOwnerDeletion": False}
        for child in in_namespace(side.objects, namespace):
            child["metadata"]["ownerReferences"] = [owner]
            await session.apply(child, field_manager=labels.FIELD_MANAGER)
    seen = await looking.look(session.credentials, namespace)
    assert live.diff(seen, before, ENVIRONMENT, datetime.now(UTC)).empty
    alive = live.diff(seen, after, ENVIRONMENT, datetime.now(UTC))
    assert alive.objects == planned.objects
    assert [without_memory(change.objects) for change in alive.deployments] == [
        without_memory(change.objects) for change in planned.deployments
    ]


def without_memory(objects: tuple[ObjectChange, ...]) -> Reported:
    """Leave out the ControllerRevisions: a cluster keeps those of the last revisions, and git has no memory."""
    return {key: fields for key, fields in told(objects).items() if key[1] != "ControllerRevision"}


def test_the_plan_is_what_the_api_server_reports_after_the_merge(api_server: Cluster) -> None:
    install_gateway_api(api_server)
    credentials = kube.login(api_server.kubeconfig)
    few = st.lists(edits(), max_size=2)

    # Not shrunk: each try costs dozens of requests, and the edits are few as they are.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)

    @settings(max_examples=25, deadline=None, phases=phases, suppress_health_check=[HealthCheck.too_slow])
    @given(few, st.lists(edits(), min_size=1, max_size=3))
    def judge(first: list[Edit], then: list[Edit]) -> None:
        before = edited(example(), first)
        after = edited(before, then)

        async def judged() -> None:
            async with Session(credentials) as session:
                await agree(session, tree_of(before), tree_of(after))

        asyncio.run(judged())

    judge()
