"""The story, step by step. Every step is a function that types what a person would."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlgitops import api
from mlgitops.demo import data
from mlgitops.demo.narration import Narrator
from mlgitops.demo.people import Person
from mlgitops.demo.traffic import Traffic, first_answer
from mlgitops.errors import CheckFailedError
from mlgitops.local.cluster import Cluster

CLUSTER = "demo"
NAMESPACE = "mlgitops-demo"
DEPLOYMENT = "iris-production"
PLENTY = 500  # requests that the application sends in all, at least
REASON = "the new version's probabilities look odd"


@dataclass(slots=True)
class World:
    """What the story happens in."""

    root: Path
    narrator: Narrator
    cluster: Cluster | None = None
    versions: dict[str, str] = field(default_factory=dict)  # which version a chapter's training became
    merged_at: float = 0.0  # when the remote's main last moved, seconds since 1970
    merge_to_serving: float = 0.0
    requests: int = 0
    failures: list[str] = field(default_factory=list)

    def person(self, name: str, folder: str) -> Person:
        """Return somebody who works in a folder of this world."""
        return Person(name, self.root / folder, self.narrator, {"XDG_CONFIG_HOME": str(self.root / "config")})

    @property
    def scientist(self) -> Person:
        """The data scientist: trains and proposes."""
        return self.person("dana", "training")

    @property
    def ci(self) -> Person:
        """The registry's CI: checks and evaluates."""
        return self.person("ci", "ci")

    @property
    def reviewer(self) -> Person:
        """The engineer who reads pull requests and merges them."""
        return self.person("rosa", "registry")

    @property
    def remote(self) -> str:
        """The URL of the registry's git remote."""
        return (self.root / "registry.git").as_uri()

    @property
    def running(self) -> Cluster:
        """The cluster, once it is up."""
        assert self.cluster is not None, "the first step brings the cluster up"
        return self.cluster

    @property
    def url(self) -> str:
        """Where predictions are asked for."""
        return f"{self.running.gateway_url}/iris/v2/models/iris/infer"


def cluster(world: World) -> dict[str, Any]:
    """Bring the cluster up, with our kinds and the operator."""
    world.narrator.command(f"mlgitops local up --name {CLUSTER}")
    world.cluster = Cluster.up(CLUSTER, attached=True, folder=world.root / "cluster" / CLUSTER)
    world.narrator.command("kubectl apply --server-side -f crds/ -f manifests/")
    install(world.running)
    version = json.loads(world.running.kubectl("version", "--output=json"))["serverVersion"]["gitVersion"]
    world.narrator.say(f"a real Kubernetes API server {version}, and the operator's Deployment in it")
    return {"kubernetes": version}


def install(running: Cluster) -> None:
    """Apply our kinds and the operator."""
    running.kubectl("apply", "--server-side", "--filename=-", stdin=_documents(api.crds()))
    running.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    running.kubectl("apply", "--server-side", f"--filename={data.manifests()}")


def registry(world: World) -> dict[str, Any]:
    """Make the registry repository, its remote, and tell the cluster where it is."""
    (world.root / "registry.git").mkdir(parents=True)
    bare = world.person("rosa", "registry.git")
    bare.git("init", "--bare", "--quiet", "--initial-branch=main")
    (world.root / "registry").mkdir()
    store = (world.root / "store").as_uri()
    world.reviewer.mlgitops(
        "init", ".", "--url", world.remote, "--store", store, "--environment", "demo", "--namespace", NAMESPACE
    )
    world.reviewer.git("init", "--quiet", "--initial-branch=main")
    world.reviewer.commit("Make the registry")
    world.reviewer.run("git", "push", "--quiet", world.remote, "main")
    _fetch_from_remote(world, world.reviewer)
    world.ci.folder.mkdir()
    world.ci.git("clone", "--quiet", world.remote, ".")
    world.narrator.command("kubectl apply -f clusters/demo.yaml")
    _bootstrap(world)
    return {"url": world.remote}


def _fetch_from_remote(world: World, person: Person) -> None:
    person.git("remote", "add", "origin", world.remote)
    person.git("fetch", "--quiet", "origin")
    person.git("branch", "--quiet", "--set-upstream-to=origin/main")


def _bootstrap(world: World) -> None:
    world.running.kubectl("apply", "--server-side", f"--filename={world.reviewer.folder / 'clusters/demo.yaml'}")


def train_first(world: World) -> dict[str, Any]:
    """The scientist trains the first model."""
    folder = world.scientist.folder
    folder.mkdir()
    shutil.copy(data.training_script(), folder / "train.py")
    data.write_iris(folder / "train.csv", world.ci.folder / "holdout.csv")
    _write(folder / "mlgitops.toml", (world.reviewer.folder / "mlgitops.toml").read_text("utf-8"))
    _write(folder / ".gitignore", ".mlgitops/\n")
    world.scientist.git("init", "--quiet", "--initial-branch=main")
    world.scientist.commit("Train an iris classifier")
    world.narrator.say("mlgitops' lines in train.py: start_run, log_params, log_metric, log_model")
    return _train(world, "v1", "0.1")


def _train(world: World, chapter: str, regularisation: str) -> dict[str, Any]:
    world.scientist.run("python", "train.py", "--C", regularisation)
    (newest,) = world.scientist.mlgitops("runs", "--limit", "1")
    world.versions[f"run-{chapter}"] = newest["id"]
    return {"run": newest["id"], "training_accuracy": newest["metrics"]["accuracy"]["last"]}


def propose_first(world: World) -> dict[str, Any]:
    """The run becomes a pull request that adds a ModelVersion."""
    return _propose(world, "v1")


def _propose(world: World, chapter: str) -> dict[str, Any]:
    proposed = world.scientist.mlgitops("propose", world.versions[f"run-{chapter}"], "--model", "iris")
    world.versions[chapter] = str(proposed["version"])
    world.narrator.say(f"pull request {proposed['pull']}: {proposed['title']}")
    return {"pull": proposed["pull"], "version": proposed["version"]}


def merge_first(world: World) -> dict[str, Any]:
    """CI checks the proposal, the reviewer merges it, and the engineer adds a deployment."""
    found = _check_and_merge(world, world.narrator.steps[-2].found["pull"])
    _write(world.reviewer.folder / f"registry/deployments/demo/{DEPLOYMENT}.yaml", data.deployment(DEPLOYMENT))
    world.reviewer.git("pull", "--quiet", "--ff-only", "origin", "main")
    world.reviewer.commit("Deploy what production names, by canary")
    world.reviewer.run("git", "push", "--quiet", "origin", "main")
    return found


def _check_and_merge(world: World, pull: int) -> dict[str, Any]:
    report = world.ci.mlgitops("check", "--base", "main", "--pr", str(pull))
    world.narrator.say(report["summary"])
    merged = world.reviewer.mlgitops("pr", "merge", str(pull))
    world.merged_at = (world.root / "registry.git" / "refs" / "heads" / "main").stat().st_mtime
    return {"pull": pull, "merge_commit": merged["merge_commit"]}


def promote_first(world: World) -> dict[str, Any]:
    """CI evaluates version 1; it goes to staging, then to production, each time checked and merged by a person."""
    version = world.versions["v1"]
    _evaluate(world, version)
    _promote(world, "staging", version)
    _promote(world, "production", version)
    answer = first_answer(world.url, data.QUESTION, timeout=60)
    world.merge_to_serving = time.time() - world.merged_at
    _expect(
        str(answer["model_version"]) == version, f"the first prediction came from version {answer['model_version']}"
    )
    world.narrator.say(f"merge → first prediction: {world.merge_to_serving:.1f} s")
    return {"merge_to_serving_seconds": round(world.merge_to_serving, 2)}


def _evaluate(world: World, version: str) -> None:
    """Sign what a version does on the holdout; the same facts count at every stage with the same champion."""
    told = world.ci.mlgitops("evaluate", f"iris:{version}", "--stage", "staging", "--dataset", "holdout=holdout.csv")
    figures = {role: found["accuracy"]["value"] for role, found in told["metrics"].items()}
    world.narrator.say("holdout accuracy: " + ", ".join(f"{role} {value:.3f}" for role, value in figures.items()))


def _propose_promotion(world: World, stage: str, version: str) -> int:
    return int(world.reviewer.mlgitops("promote", "iris", stage, version)["pull"])


def _promote(world: World, stage: str, version: str) -> None:
    _check_and_merge(world, _propose_promotion(world, stage, version))


def predict(world: World) -> dict[str, Any]:
    """An application asks, through the gateway, in the V2 protocol and in MLflow's."""
    world.narrator.command(f"curl -d '{json.dumps(data.QUESTION)}' {world.url}")
    answer = first_answer(world.url, data.QUESTION)
    world.narrator.say(json.dumps(answer["outputs"][0]))
    flower = first_answer(f"{world.running.gateway_url}/iris/invocations", data.MLFLOW_QUESTION)
    world.narrator.say(f"the same by MLflow's /invocations: {json.dumps(flower)}")
    return {"prediction": answer["outputs"][0]["data"], "model_version": answer["model_version"]}


def refuse_second(world: World) -> dict[str, Any]:
    """A worse model: its proposal merges, its promotion is what the gate refuses."""
    _train(world, "v2", "0.01")
    _check_and_merge(world, _propose(world, "v2")["pull"])
    _evaluate(world, world.versions["v2"])
    pull = _propose_promotion(world, "staging", world.versions["v2"])
    report = world.ci.mlgitops("check", "--base", "main", "--pr", str(pull), allowed=(1,))
    _expect(not report["passed"], "the gate let a worse model through")
    world.narrator.say(f"refused: {report['summary']}")
    world.reviewer.run("mlgitops", "pr", "merge", str(pull), allowed=(1,))
    shown = world.reviewer.mlgitops("pr", "show", str(pull))
    _expect(any("accuracy" in comment["body"] for comment in shown["comments"]), "the pull request does not say why")
    world.narrator.say("the pull request says so too, and cannot be merged")
    world.reviewer.mlgitops("pr", "close", str(pull))
    return {"pull": pull, "reason": report["summary"]}


def canary_third(world: World) -> dict[str, Any]:
    """A better model rolls out by canary while the application never stops asking."""
    _train(world, "v3", "1.0")
    _check_and_merge(world, _propose(world, "v3")["pull"])
    version = world.versions["v3"]
    _evaluate(world, version)
    _promote(world, "staging", version)
    pull = _propose_promotion(world, "production", version)
    with Traffic(world.url, data.QUESTION) as traffic:
        traffic.wait_until(lambda t: t.versions[world.versions["v1"]] >= 50, what="50 answers of version 1", timeout=30)
        _check_and_merge(world, pull)
        return _watch(world, traffic, version)


def _watch(world: World, traffic: Traffic, version: str, least: int = PLENTY // 2) -> dict[str, Any]:
    """Wait until the rollout to a version is over and the application has asked often enough."""
    traffic.wait_until(lambda t: t.versions[version] > 0, what=f"an answer of version {version}", timeout=60)
    took = time.time() - world.merged_at
    wait_ready(world.running, version)
    traffic.wait_until(lambda t: t.requests >= least, what=f"{least} requests", timeout=60)
    world.requests += traffic.requests
    world.failures += traffic.failures
    answers = ", ".join(f"version {found}: {count}" for found, count in sorted(traffic.versions.items()))
    world.narrator.say(f"{traffic.requests} requests, {len(traffic.failures)} failed; {answers}")
    _expect(not traffic.failures, f"requests failed: {traffic.failures[:3]}")
    return {
        "requests": traffic.requests,
        "failed_requests": len(traffic.failures),
        "merge_to_first_answer_seconds": round(took, 2),
        "answers": dict(traffic.versions),
    }


def wait_ready(running: Cluster, version: str) -> None:
    """Wait until the deployment is Ready and a version is what is active.

    Raises:
        OutsideError: it did not get there; the message ends with its conditions.
    """
    target = f"modeldeployment/{DEPLOYMENT}"
    running.kubectl(
        "wait",
        f"--namespace={NAMESPACE}",
        f"--for=jsonpath={{.status.active.version}}={version}",
        target,
        "--timeout=120s",
    )
    running.kubectl("wait", f"--namespace={NAMESPACE}", "--for=condition=Ready", target, "--timeout=120s")


def rollback(world: World) -> dict[str, Any]:
    """One pull request puts the line back, and a hold on the stage; still nobody notices."""
    with Traffic(world.url, data.QUESTION) as traffic:
        traffic.wait_until(lambda t: t.versions[world.versions["v3"]] >= 50, what="50 answers of version 3", timeout=30)
        back = world.reviewer.mlgitops("rollback", "iris", "production", "--reason", REASON)
        _check_and_merge(world, int(back["pull"]))
        return _watch(world, traffic, world.versions["v1"])


def rebuild(world: World) -> dict[str, Any]:
    """The cluster burns down: etcd's data is deleted, and git alone brings back what served."""
    before = _serving(world.running)
    world.running.down()
    world.narrator.command(f"rm -rf {world.running.layout.etcd}")
    shutil.rmtree(world.running.layout.etcd)
    world.cluster = Cluster.up(CLUSTER, attached=True, folder=world.root / "cluster" / CLUSTER)
    install(world.running)
    world.narrator.command("kubectl apply -f clusters/demo.yaml")
    _bootstrap(world)
    answer = first_answer(world.url, data.QUESTION, timeout=90)
    _wait_for_deployment(world.running)
    wait_ready(world.running, world.versions["v1"])
    after = _serving(world.running)
    _expect(after == before, f"before the fire {before} served, now {after}")
    _expect(str(answer["model_version"]) == world.versions["v1"], "another version answers than before the fire")
    world.narrator.say(f"the same revision serves again: {after['revision']}, version {after['version']}")
    return {"active": after}


def _wait_for_deployment(running: Cluster) -> None:
    running.kubectl(
        "wait", f"--namespace={NAMESPACE}", "--for=create", f"modeldeployment/{DEPLOYMENT}", "--timeout=60s"
    )


def _serving(running: Cluster) -> dict[str, str]:
    raw = json.loads(
        running.kubectl("get", f"--namespace={NAMESPACE}", f"modeldeployment/{DEPLOYMENT}", "--output=json")
    )
    active: dict[str, str] = raw["status"]["active"]
    return active


Chapter = tuple[str, str, Callable[[World], dict[str, Any]]]
CHAPTERS: tuple[Chapter, ...] = (
    ("cluster", "A local cluster, with the operator in it", cluster),
    ("registry", "A registry: a git repository, and a cluster that follows it", registry),
    ("train-v1", "Dana trains a model on her machine", train_first),
    ("propose-v1", "Her run becomes a pull request", propose_first),
    ("merge-v1", "CI checks it, Rosa merges it", merge_first),
    ("promote-v1", "A promotion is a reviewed one-line change: staging, then production", promote_first),
    ("predict", "An application asks for a prediction", predict),
    ("refuse-v2", "A worse model comes to the gate", refuse_second),
    ("canary-v3", "A better model, by canary, under load", canary_third),
    ("rollback", "Back again: the line back, under load", rollback),
    ("rebuild", "The cluster burns down, git brings it back", rebuild),
)


def tell(world: World) -> None:
    """Tell the whole story; a chapter that fails ends it.

    Raises:
        MlgitopsError: what went wrong in a chapter.
    """
    for name, headline, chapter in CHAPTERS:
        with world.narrator.step(name, headline) as found:
            found.update(chapter(world))


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckFailedError(otherwise)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _documents(objects: tuple[dict[str, Any], ...]) -> str:
    return "\n---\n".join(json.dumps(found) for found in objects)
