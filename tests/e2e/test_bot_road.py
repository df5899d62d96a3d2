"""The whole road by the command line: scientist, CI and reviewer share a git remote and a store, nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlgitops import registry
from mlgitops.api.model import Param
from mlgitops.bot.propose import open_proposal
from mlgitops.demo import data
from mlgitops.git import Repository
from worlds.registry import World

OWN = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "MLGITOPS_CACHE_DIR")


@dataclass
class Person:
    """Somebody with a machine of their own: another home, cache, configuration and working folder."""

    name: str
    machine: Path

    @property
    def folder(self) -> Path:
        return self.machine / "work"

    def run(self, *command: str, code: int = 0) -> str:
        return self.told(*command, code=code)[0]

    def told(self, *command: str, code: int = 0) -> tuple[str, str]:
        """Return what a command printed, and what it said beside."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLGITOPS_", "GIT_CONFIG"))}
        own = {variable: str(self.machine / variable.lower()) for variable in OWN}
        environment = kept | own | {"MLGITOPS_ACTOR": self.name, "GIT_CONFIG_NOSYSTEM": "1"}
        self.folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout, done.stderr

    def mlgitops(self, *command: str, code: int = 0) -> Any:
        printed = self.run(sys.executable, "-m", "mlgitops", *command, "--output", "json", code=code)
        return json.loads(printed)

    def git(self, *command: str) -> None:
        self.run("git", *command)


@dataclass
class Road:
    """The remote, the store, and the three people."""

    shared: Path
    scientist: Person
    ci: Person
    reviewer: Person

    def train(self, regularisation: str) -> str:
        """Train in the scientist's folder; return the run's id."""
        self.scientist.run(sys.executable, "train.py", "--C", regularisation)
        (newest,) = self.scientist.mlgitops("runs", "--limit", "1")
        return str(newest["id"])

    def propose(self, regularisation: str, *options: str) -> Any:
        return self.scientist.mlgitops("propose", self.train(regularisation), "--model", "iris", *options)

    def check_and_merge(self, pull: int) -> None:
        assert self.ci.mlgitops("check", "--base", "main", "--pr", str(pull))["passed"]
        assert self.reviewer.mlgitops("pr", "merge", str(pull))["state"] == "merged"

    def promotion(self, stage: str, version: int) -> int:
        self.ci.mlgitops("evaluate", f"iris:{version}", "--stage", stage, "--dataset", "holdout=holdout.csv")
        pull: int = self.reviewer.mlgitops("promote", "iris", stage, str(version))["pull"]
        return pull

    def tree(self) -> registry.Tree:
        remote = Repository.open(self.shared / "remote.git")
        try:
            return registry.load((remote, remote.resolve("refs/heads/main")))
        finally:
            remote.close()


@pytest.fixture
def road(tmp_path: Path) -> Road:
    shared = tmp_path / "shared"
    Repository.init(shared / "remote.git", bare=True).close()
    url, store = (shared / "remote.git").as_uri(), (shared / "store").as_uri()
    found = Road(shared, *(Person(name, tmp_path / name) for name in ("scientist", "ci", "reviewer")))
    # CI makes the registry, so that the key that signs never leaves its machine.
    found.ci.mlgitops("init", ".", "--url", url, "--store", store)
    found.ci.git("init", "--quiet", "--initial-branch=main")
    found.ci.git("add", "--all")
    found.ci.git(
        "-c", "user.name=ci", "-c", "user.email=ci@example.com", "commit", "--quiet", "-m", "Make the registry"
    )
    found.ci.git("remote", "add", "origin", url)
    found.ci.git("push", "--quiet", "origin", "main")
    found.reviewer.run("git", "clone", "--quiet", url, ".")
    found.scientist.folder.mkdir(parents=True)
    data.write_iris(found.scientist.folder / "train.csv", found.ci.folder / "holdout.csv")
    (found.scientist.folder / "train.py").write_bytes(data.training_script().read_bytes())
    settings = f'[registry]\nurl = "{url}"\n\n[store]\nurl = "{store}"\n'
    (found.scientist.folder / "mlgitops.toml").write_text(settings)
    return found


@pytest.mark.timeout(300)
def test_from_a_training_script_to_a_stage_and_back(road: Road) -> None:
    first = road.propose("0.1")
    assert (first["version"], first["pull"]) == (1, 1)
    road.check_and_merge(1)
    road.check_and_merge(road.promotion("staging", 1))

    worse = road.propose("0.001")
    road.check_and_merge(worse["pull"])
    refused = road.promotion("staging", worse["version"])
    report = road.ci.mlgitops("check", "--base", "main", "--pr", str(refused), code=1)
    gates = {v["gate"]: v for subject in report["subjects"] for v in subject["verdicts"]}
    assert gates["accuracy"]["outcome"] == "fail"
    road.reviewer.run(sys.executable, "-m", "mlgitops", "pr", "merge", str(refused), code=1)
    shown = road.reviewer.mlgitops("pr", "show", str(refused))
    assert len(shown["comments"]) == 1
    assert gates["accuracy"]["reason"].split(";")[0] in shown["comments"][0]["body"]
    road.reviewer.mlgitops("pr", "close", str(refused))

    better = road.propose("1.0")
    road.check_and_merge(better["pull"])
    road.check_and_merge(road.promotion("staging", better["version"]))
    back = road.reviewer.mlgitops("rollback", "iris", "staging", "--reason", "p99 doubled")
    assert (back["before"], back["version"]) == ("3", "1")
    road.check_and_merge(back["pull"])

    tree = road.tree()
    assert registry.validate(tree) == []
    staging = tree.stage("iris", "staging")
    assert staging is not None and staging.spec.hold is not None
    assert (staging.spec.version, staging.spec.hold.reason) == ("1", "p99 doubled")
    assert [version.spec.version for version in tree.versions("iris")] == ["1", "2", "3"]
    assert list((road.shared / "store" / "evaluations" / "iris").glob("*.parquet"))


@pytest.mark.timeout(200)
def test_a_scientist_who_may_only_push_branches_uses_the_inbox(road: Road) -> None:
    waiting = road.propose("0.1", "--inbox")
    assert (waiting["pull"], waiting["version"]) == (None, None)
    assert road.ci.mlgitops("pr", "list")["pulls"] == []
    (taken,) = road.ci.mlgitops("bot", "inbox")["branches"]
    assert (taken["pull"], taken["problem"]) == (1, None)
    road.check_and_merge(1)
    assert [version.metadata.name for version in road.tree().versions("iris")] == ["iris.1"]


@pytest.mark.timeout(200)
def test_a_scientist_whom_the_remote_refuses_the_ledger_lands_in_the_inbox(road: Road) -> None:
    hook = road.shared / "remote.git" / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/mlgitops-inbox/*) ;; *) echo "not yours" >&2; exit 1 ;; esac\n')
    hook.chmod(0o755)
    waiting = road.propose("0.1")
    assert (waiting["pull"], waiting["version"]) == (None, None)
    assert "mlgitops-ledger" in waiting["refusal"] and "declined" in waiting["refusal"]
    hook.unlink()
    (taken,) = road.ci.mlgitops("bot", "inbox")["branches"]
    assert (taken["branch"], taken["pull"]) == (waiting["branch"], 1)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("options", [(), ("--inbox",)])
def test_a_model_that_was_trained_outside_of_git_comes_to_the_last_stage_all_the_same(
    road: Road, options: tuple[str, ...]
) -> None:
    command = (sys.executable, "-m", "mlgitops", "propose", road.train("0.1"), "--model", "iris", "--output", "json")
    printed, beside = road.scientist.told(*command)
    assert json.loads(printed)["pull"] == 1
    assert "warning: trained from no known commit, which a last stage refuses" in beside
    road.check_and_merge(1)
    road.check_and_merge(road.promotion("staging", 1))
    refused = road.promotion("production", 1)
    report = road.ci.mlgitops("check", "--base", "main", "--pr", str(refused), code=1)
    assert "commit the code, train again, and propose that run: it replaces the source of iris:1" in report["summary"]

    (road.scientist.folder / ".gitignore").write_text(".mlgitops/\n")
    road.scientist.git("init", "--quiet")
    road.scientist.git("add", "--all")
    person = ("-c", "user.name=scientist", "-c", "user.email=scientist@example.com")
    road.scientist.git(*person, "commit", "--quiet", "-m", "Train")
    clean = road.propose("0.1", *options)
    if options:
        (clean,) = road.ci.mlgitops("bot", "inbox")["branches"]
    road.check_and_merge(clean["pull"])
    road.check_and_merge(refused)
    production = road.tree().stage("iris", "production")
    assert production is not None and production.spec.version == "1"


def test_a_model_that_autologging_named_is_proposed_with_a_word_on_how_to_name_it(road: Road) -> None:
    (road.scientist.folder / "auto.py").write_text(
        "import mlgitops\n"
        "mlgitops.autolog(log_models=True)\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "LogisticRegression().fit([[0.0], [1.0]], [0, 1])\n"
    )
    road.scientist.run(sys.executable, "auto.py")
    (newest,) = road.scientist.mlgitops("runs", "--limit", "1")
    _, beside = road.scientist.told(sys.executable, "-m", "mlgitops", "propose", newest["id"])
    assert "the model is called model, as autologging calls each" in beside
    _, beside = road.scientist.told(sys.executable, "-m", "mlgitops", "propose", newest["id"], "--model", "step")
    assert "autologging" not in beside


def test_an_unknown_model_stage_or_version_is_named_with_those_that_exist(world: World) -> None:
    open_proposal(world.context("bot"), world.version(), by="bot")
    world.context("bot").forge.merge(1, force=True)
    folder = world.clone("laptop")
    (folder / "mlgitops.toml").write_bytes(world.remote.tree(world.main)["mlgitops.toml"])
    for command, told in (
        (("promote", "wine", "staging"), "no model 'wine'; known: iris"),
        (("promote", "iris", "canary"), "no stage 'canary'; known: staging, production"),
        (("promote", "iris", "staging", "9"), "no version '9'; known: 1"),
        (("pr", "show", "9"), "no pull request 9; there are: 1"),
    ):
        done = subprocess.run([sys.executable, "-m", "mlgitops", *command], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 2 and told in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_hostile_text_steers_no_terminal(world: World) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202eevil"
    version = world.version(params=(Param("C", hostile),))
    world.context("bot").forge.open_pull(
        "mlgitops/propose/x", "main", world.main, hostile, f"raw {hostile} {version.spec.params[0].value}"
    )
    world.context("bot").forge.comment(1, "x", hostile)
    folder = world.clone("laptop")
    (folder / "mlgitops.toml").write_bytes(world.remote.tree(world.main)["mlgitops.toml"])
    for command in (("pr", "list"), ("pr", "show", "1")):
        done = subprocess.run([sys.executable, "-m", "mlgitops", *command], cwd=folder, capture_output=True)
        assert done.returncode == 0 and b"evil" in done.stdout
        assert not any(sign in done.stdout.decode() for sign in ("\x1b", "\x07", "\u202e"))
