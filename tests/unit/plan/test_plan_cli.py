"""``mlgitops plan`` and ``mlgitops render`` on a clone, as people and CI call them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from mlgitops.cli.plan import app as plan
from mlgitops.cli.render import app as render
from mlgitops.errors import CheckFailedError, InputError, InvalidError, NotFoundError

EXAMPLE = Path(__file__).parents[3] / "examples" / "repo-layout"
STAGE = "registry/models/iris/stages/production.yaml"
RUNTIME = "registry/runtimes/python-1.yaml"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "clone"
    shutil.copytree(EXAMPLE, folder)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(folder))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=all")
    monkeypatch.chdir(folder)
    return folder


def change(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def call(app: Any, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_a_clean_clone_plans_nothing(clone: Path) -> None:
    assert call(plan, "--detailed-exitcode").output == "Nothing changes in the cluster.\n"


def test_a_base_that_is_mistyped_is_told_as_it_was_typed_with_the_branches_that_there_are(clone: Path) -> None:
    git(clone, "update-ref", "refs/remotes/origin/main", "HEAD")
    with pytest.raises(NotFoundError) as caught:
        call(plan, "--base", "origin/mian")
    told = "'origin/mian' names no commit; did you mean origin/main? branches: main, origin/main"
    assert str(caught.value) == told


def test_an_uncommitted_promotion_is_planned_and_touches_neither_branch_nor_index(clone: Path) -> None:
    change(clone / STAGE, 'version: "1"', 'version: "3"')
    before = git(clone, "status", "--porcelain"), git(clone, "rev-parse", "HEAD")
    told = call(plan, "--detailed-exitcode", code=2).output
    assert "ModelDeployment prod-eu/iris-production: 1 → 3; a canary: 10 % for" in told
    assert (git(clone, "status", "--porcelain"), git(clone, "rev-parse", "HEAD")) == before


@pytest.mark.parametrize("inside", ["", "registry/models/iris"])
def test_a_registry_below_the_top_of_its_git_repository_is_planned_like_any(
    clone: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    top = clone.parent
    shutil.rmtree(clone / ".git")
    (top / "registry").mkdir()
    (top / "registry/other.yaml").write_text("a file of something else")
    git(top, "init", "--quiet", "--initial-branch=main", ".")
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message=all")
    monkeypatch.chdir(clone / inside)
    assert call(plan).output == "Nothing changes in the cluster.\n"
    change(clone / STAGE, 'version: "1"', 'version: "3"')
    assert "ModelDeployment prod-eu/iris-production: 1 → 3" in call(plan).output
    git(top, "checkout", "--quiet", "-b", "mine")
    git(top, "commit", "--quiet", "--all", "--message=promote")
    assert "ModelDeployment prod-eu/iris-production: 1 → 3" in call(plan).output


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_every_form_tells_the_deployment_and_changes_alone_are_no_failure(clone: Path, form: str) -> None:
    change(clone / STAGE, 'version: "1"', 'version: "3"')
    told = call(plan, "--output", form).output
    assert "iris-production" in told
    if form == "json":
        (deployment,) = json.loads(told)["deployments"]
        assert (deployment["before"], deployment["after"]) == ("1", "3")


def test_what_others_merged_meanwhile_is_no_part_of_the_plan(clone: Path) -> None:
    git(clone, "checkout", "--quiet", "-b", "mine")
    change(clone / STAGE, 'version: "1"', 'version: "3"')
    git(clone, "commit", "--quiet", "--all", "--message=promote")
    git(clone, "checkout", "--quiet", "main")
    (clone / "registry/models/iris/stages/staging.yaml").unlink()
    git(clone, "commit", "--quiet", "--all", "--message=theirs")
    git(clone, "checkout", "--quiet", "mine")
    found = json.loads(call(plan, "--output", "json").output)
    assert [item["name"] for item in found["objects"]] == ["iris.production"]


def test_a_new_and_a_deleted_file_count_without_git_add(clone: Path) -> None:
    (clone / "registry/deployments/prod-eu/iris-production.yaml").rename(
        clone / "registry/deployments/prod-eu/other.yaml"
    )
    change(clone / "registry/deployments/prod-eu/other.yaml", "name: iris-production", "name: other")
    found = json.loads(call(plan, "--output", "json").output)
    assert {(item["name"], item["before"], item["after"]) for item in found["deployments"]} == {
        ("iris-production", "1", None),
        ("other", None, "1"),
    }


def test_conflicts_and_mistakes_are_errors_that_are_no_changes(clone: Path) -> None:
    (clone / STAGE).write_text("broken: [")
    with pytest.raises(InvalidError, match=r"production\.yaml"):
        call(plan)
    assert "error: registry/models/iris/stages/production.yaml" in call(plan, "--detailed-exitcode", code=1).output
    with pytest.raises(NotFoundError):
        call(plan, "--base", "no-such-branch")


def test_what_validate_refuses_is_planned_with_its_problems_and_exits_2(clone: Path) -> None:
    change(clone / STAGE, 'version: "1"', 'version: "9"')
    done = call(plan, code=2)
    assert 'spec.version: "1" → "9"' in done.stdout
    assert f"{STAGE}:" in done.stderr and '"9" names no ModelVersion of model iris; known: 1, 2, 3' in done.stderr
    assert call(plan, "--detailed-exitcode", code=1).stderr == done.stderr


def test_a_changed_policy_names_the_deployments_that_it_reaches(clone: Path) -> None:
    change(clone / "registry/policies/default.yaml", "spec:", "spec:\n  onRejected: Serve")
    (reach,) = json.loads(call(plan, "--output", "json").output)["reaches"]
    assert reach == {
        "kind": "PromotionPolicy",
        "name": "default",
        "deployments": ["prod-eu/iris-production"],
        "restarted": [],
    }
    sentence = "PromotionPolicy default is used by 1 deployment (prod-eu/iris-production); none of them gets new pods"
    assert sentence in call(plan).output
    assert "PromotionPolicy default is used by 1 deployment" in call(plan, "--output", "markdown").output


def test_a_changed_runtime_says_who_gets_new_pods(clone: Path) -> None:
    image = next(line for line in (clone / RUNTIME).read_text().splitlines() if "image: " in line)
    change(clone / RUNTIME, image, f"{image}-next")
    told = call(plan, "--output", "json", code=2)  # a runtime must not change, so nobody may merge this
    (reach,) = json.loads(told.stdout)["reaches"]
    assert "spec is immutable; make a ServingRuntime with a new name" in told.stderr
    assert (reach["deployments"], reach["restarted"]) == (["prod-eu/iris-production"],) * 2


def test_render_prints_what_the_operator_would_apply(clone: Path) -> None:
    objects = list(yaml.safe_load_all(call(render, "iris-production").output))
    assert {"Deployment", "Service", "ConfigMap"} <= {raw["kind"] for raw in objects}
    assert [raw["metadata"] for raw in objects if {"namespace", "ownerReferences"} & raw["metadata"].keys()] == []
    same = json.loads(call(render, "prod-eu/iris-production", "--output", "json").output)
    assert same["items"] == objects
    assert call(render, "--output", "json").output == json.dumps(same) + "\n"


def test_render_says_what_it_cannot(clone: Path) -> None:
    with pytest.raises(NotFoundError, match="known: prod-eu/iris-production"):
        call(render, "rose")
    (clone / "registry/models/iris/versions/1.yaml").unlink()
    with pytest.raises(CheckFailedError, match="MissingVersion"):
        call(render, "iris-production")


def test_a_live_plan_names_what_it_misses(clone: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no environment prod-us; known: prod-eu"):
        call(plan, "--live", "--environment", "prod-us")
    with pytest.raises(NotFoundError, match="no kubeconfig at"):
        call(plan, "--kubeconfig", str(tmp_path / "nowhere"))
    other = clone / "registry/deployments/prod-us"
    shutil.copytree(clone / "registry/deployments/prod-eu", other)
    with pytest.raises(InputError, match="name one with --environment: prod-eu, prod-us"):
        call(plan, "--live")
