"""``mlgitops check`` on pull requests of every kind, made by bots and by hand."""

from __future__ import annotations

import json
import subprocess

import pytest
from typer.testing import CliRunner

from mlgitops import registry
from mlgitops.api import Metadata, ModelStage, Reference
from mlgitops.api.model import Hold, Metric, ModelStageSpec, Run, Source
from mlgitops.bot.promote import promote, rollback
from mlgitops.bot.propose import first_model, open_proposal
from mlgitops.bot.report import MARKER
from mlgitops.cli.main import app
from mlgitops.errors import CheckFailedError, InputError
from mlgitops.promotion import Outcome
from mlgitops.registry import layout
from worlds.promotions import by_hand, checked, evaluated, merged, outcomes, promoted, reason, registered
from worlds.registry import World


def test_a_proposal_adds_the_model_and_its_first_version(world: World) -> None:
    done = open_proposal(world.context(), world.version(), by="ada")
    assert done.pull is not None and (done.version, done.pull.number) == (1, 1)
    report = checked(world, 1)
    assert report.passed, report.text()
    assert outcomes(report) == {"reserved": Outcome.PASS, "artifact": Outcome.PASS}
    merged(world, 1)
    tree = registry.load((world.remote, world.main))
    assert registry.validate(tree) == []
    assert [version.metadata.name for version in tree.versions("iris")] == ["iris.1"]
    model = tree.model("iris")
    assert model is not None
    assert [(stage.name, stage.after) for stage in model.spec.stages] == [
        ("staging", ()),
        ("production", ("staging",)),
    ]


def test_the_report_is_one_comment_and_one_check_however_often_it_is_written(world: World) -> None:
    open_proposal(world.context(), world.version(), by="ada")
    report = checked(world, 1)
    checked(world, 1)
    forge = world.context().forge
    assert [(comment.marker, comment.author) for comment in forge.comments(1)] == [(MARKER, "ci")]
    assert [(check.passed, check.head, check.base) for check in forge.checks(1)] == [(True, report.head, world.main)]


def test_a_promotion_without_an_evaluation_is_inconclusive_and_names_the_command(world: World) -> None:
    number = registered(world, "a")
    moved = promote(world.context("person"), "iris", "staging", number)
    report = checked(world, moved.pull.number)
    assert not report.passed
    assert outcomes(report)["accuracy"] is Outcome.INCONCLUSIVE
    assert "mlgitops evaluate iris:1 --stage staging --dataset holdout=FILE" in reason(report, "accuracy")
    with pytest.raises(CheckFailedError, match="is refused: no evaluation of iris:1"):
        merged(world, moved.pull.number)


def test_a_promotion_is_a_change_of_one_line(world: World) -> None:
    for content in ("a", "b"):
        registered(world, content)
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    evaluated(world, "2", "0.97", ("1", "0.95"))
    moved = promote(world.context("person"), "iris", "staging", "2")
    lines = world.context().forge.diff(moved.pull.number).splitlines()
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ['-  version: "1"', '+  version: "2"']


def test_the_gate_lets_the_better_through_and_refuses_the_worse(world: World) -> None:
    for content in ("a", "b", "c"):
        registered(world, content)
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    evaluated(world, "2", "0.92", ("1", "0.95"))
    worse = promote(world.context("person"), "iris", "staging", "2")
    report = checked(world, worse.pull.number)
    assert outcomes(report)["accuracy"] is Outcome.FAIL
    assert "0.92" in reason(report, "accuracy") and "0.95" in reason(report, "accuracy")
    world.context().forge.close(worse.pull.number)
    evaluated(world, "3", "0.97", ("1", "0.95"))
    promoted(world, "staging", "3")
    stage = registry.load((world.remote, world.main)).stage("iris", "staging")
    assert stage is not None and stage.spec.version == "3"


def test_a_stage_that_stands_after_another_waits_for_it(world: World) -> None:
    registered(world, "a")
    evaluated(world, "1", "0.95")
    moved = promote(world.context("person"), "iris", "production", "1")
    report = checked(world, moved.pull.number)
    assert outcomes(report)["order"] is Outcome.FAIL
    world.context().forge.close(moved.pull.number)
    promoted(world, "staging", "1")
    promoted(world, "production", "1")


def test_a_rollback_puts_the_line_back_and_keeps_bots_off(world: World) -> None:
    for content in ("a", "b"):
        registered(world, content)
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    evaluated(world, "2", "0.97", ("1", "0.95"))
    promoted(world, "staging", "2")
    back = rollback(world.context("oncall"), "iris", "staging", reason="p99 | `doubled`")
    report = checked(world, back.pull.number)
    assert report.passed, report.text()
    merged(world, back.pull.number)
    stage = registry.load((world.remote, world.main)).stage("iris", "staging")
    assert stage is not None
    assert (stage.spec.version, stage.spec.hold) == ("1", Hold(reason="p99 | `doubled`", by="oncall"))
    with pytest.raises(InputError, match="is held"):
        promote(world.context("bot"), "iris", "staging", "2")


def test_what_was_rolled_back_from_comes_again_only_by_the_gates_and_past_the_hold(world: World) -> None:
    for content in ("a", "b"):
        registered(world, content)
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    evaluated(world, "2", "0.97", ("1", "0.95"))
    promoted(world, "staging", "2")
    merged(world, rollback(world.context("oncall"), "iris", "staging", reason="p99").pull.number)
    path = layout.stage("iris", "staging")
    again = world.remote.tree(world.main)[path].replace(b'version: "1"', b'version: "2"')
    report = checked(world, by_hand(world, {path: again}))
    assert outcomes(report)["hold"] is Outcome.FAIL and "accuracy" in outcomes(report)
    with pytest.raises(InputError, match="named no earlier version"):
        rollback(world.context("oncall"), "iris", "staging", reason="again")


def test_a_hold_that_is_over_holds_nobody(world: World) -> None:
    for content in ("a", "b"):
        registered(world, content)
    hold = Hold(reason="freeze", until="2020-01-01T00:00:00Z")
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1", hold))
    world.commit({layout.stage("iris", "staging"): registry.write(stage)})
    evaluated(world, "2", "0.97", ("1", "0.95"))
    promoted(world, "staging", "2")


def test_a_dirty_source_is_warned_about_first_and_refused_at_the_last_stage(world: World) -> None:
    registered(world, "a", source=Source(commit="c" * 40, dirty=True))
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    moved = promote(world.context("person"), "iris", "production", "1")
    report = checked(world, moved.pull.number)
    assert outcomes(report)["source"] is Outcome.FAIL
    assert "uncommitted changes" in reason(report, "source")


def test_a_second_run_of_a_digest_is_told_that_the_first_ones_pull_request_stays(world: World) -> None:
    dirty = world.version("a", run=Run(id="01KA"), source=Source(commit="c" * 40, dirty=True))
    clean = world.version("a", run=Run(id="01KB"), source=Source(commit="d" * 40))
    first = open_proposal(world.context(), dirty, by="ada")
    assert first.pull is not None and first.warning == ""
    assert open_proposal(world.context(), dirty, by="ada").warning == ""
    again = open_proposal(world.context(), clean, by="ada")
    assert again.pull == first.pull
    assert again.warning == (
        f"pull request {first.pull.number} has this model from another run and stays as it is; close it to propose 01KB"
    )
    world.context().forge.close(first.pull.number)
    later = open_proposal(world.context(), clean, by="ada")
    assert later.pull is not None and later.pull.number != first.pull.number
    assert (later.version, later.warning) == (1, "")


def test_a_clean_run_of_the_same_digest_names_the_source_that_a_version_lacks(world: World) -> None:
    registered(world, "a", run=Run(id="01KA"), source=None)
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    clean = world.version("a", run=Run(id="01KB"), source=Source(commit="d" * 40))
    done = open_proposal(world.context(), clean, by="ada")
    assert done.pull is not None and (done.version, done.pull.head_ref) == (1, "mlgitops/propose/iris.1-source")
    assert done.title == "Name the clean source of iris:1"
    assert open_proposal(world.context(), clean, by="bot") == done
    lines = world.context().forge.diff(done.pull.number).splitlines()
    changed = [line.strip() for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ['-    id: "01KA"', '+    id: "01KB"', "+  source:", f'+    commit: "{"d" * 40}"']
    report = checked(world, done.pull.number, read_only=True)
    assert report.passed, report.text()
    assert reason(report, "source") == (
        f"run 01KA, trained from unknown source, for it names no commit → "
        f"run 01KB, trained from commit {'d' * 12}; the digest stays"
    )
    merged(world, done.pull.number)
    promoted(world, "production", "1")
    again = world.version("a", run=Run(id="01KC"), source=Source(commit="e" * 40))
    with pytest.raises(InputError, match="registered already, as iris:1"):
        open_proposal(world.context(), again, by="ada")


HOSTILE = "`x` | @everyone <img src=x onerror=alert(1)> [a](javascript:x) $(id) \x1b[2J\u202e ![](http://x) \n# h1"


def test_hostile_text_of_a_run_is_inert_in_the_pull_request(world: World) -> None:
    from mlgitops.api.model import Param

    version = world.version(
        "a", params=(Param("C", HOSTILE),), metrics=(Metric(name="accuracy", value="0.9", dataset="holdout"),)
    )
    done = open_proposal(world.context(), version, by="ada")
    assert done.pull is not None
    (row,) = [line for line in done.pull.body.splitlines() if "everyone" in line]
    assert "\x1b" not in row and "\u202e" not in row
    assert row.startswith(("| parameter `C` | `` ", "| parameter `C` | ```"))
    assert row.replace("\\|", "").count("|") == 3
    assert "# h1" not in done.pull.body.splitlines()
    report = checked(world, 1)
    assert report.passed, report.text()


def test_the_first_model_takes_the_registrys_defaults(world: World) -> None:
    model = first_model(world.settings, "iris")
    assert [stage.name for stage in model.spec.stages] == ["staging", "production"]
    assert model.spec.policy_ref == Reference("default")


def test_a_change_of_no_object_passes(world: World) -> None:
    report = checked(world, by_hand(world, {"README.md": b"better words\n"}))
    assert report.passed and report.summary == "the tree is well formed"


def test_who_checks_a_work_tree_is_told_that_its_uncommitted_changes_are_not_judged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(world, "a")
    clone = world.clone("person")
    subprocess.run(["git", "-C", str(clone), "reset", "--quiet", "--hard"], check=True)
    monkeypatch.chdir(clone)
    monkeypatch.setenv("MLGITOPS_ACTOR", "person")
    command = ["check", "--base", "origin/main", "--read-only", "--output", "json"]
    assert CliRunner().invoke(app, command, catch_exceptions=False).stderr == ""
    (clone / layout.stage("iris", "staging")).parent.mkdir(parents=True, exist_ok=True)
    (clone / layout.stage("iris", "staging")).write_text("no stage")
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert (done.exit_code, json.loads(done.stdout)["passed"]) == (0, True)
    path = "registry/models/iris/stages/staging.yaml"
    assert done.stderr == f"note: uncommitted changes are not judged ({path}); mlgitops plan shows them\n"
