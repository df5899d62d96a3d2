"""``mlgitops check`` on pull requests of every kind, made by bots and by hand."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlgitops import registry
from mlgitops.api import Metadata, ModelDeployment, ModelStage, Reference
from mlgitops.api.deployment import ModelDeploymentSpec
from mlgitops.api.model import Hold, Metric, ModelStageSpec, Source
from mlgitops.bot import pulls
from mlgitops.bot.promote import promote, rollback
from mlgitops.bot.propose import first_model, open_proposal
from mlgitops.bot.question import ask
from mlgitops.bot.report import MARKER
from mlgitops.errors import CheckFailedError, InputError, OutsideError
from mlgitops.promotion import Outcome
from mlgitops.registry import layout
from worlds.promotions import by_hand, checked, evaluated, merged, outcomes, promoted, reason, registered
from worlds.registry import World, written


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


def test_a_statement_by_a_key_that_the_base_branch_does_not_name_counts_for_nothing(world: World) -> None:
    registered(world, "a")
    world.key = type(world.key).generate()
    evaluated(world, "1", "0.99")
    moved = promote(world.context("person"), "iris", "staging", "1")
    assert outcomes(checked(world, moved.pull.number))["accuracy"] is Outcome.INCONCLUSIVE


def test_a_pull_request_cannot_bring_its_own_signer(world: World) -> None:
    registered(world, "a")
    trusted, world.key = world.key, type(world.key).generate()
    evaluated(world, "1", "0.99")
    policy = world.remote.tree(world.main)[layout.policy("default")]
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    number = by_hand(
        world,
        {
            layout.policy("default"): policy.replace(trusted.public.encode(), world.key.public.encode()),
            layout.stage("iris", "staging"): registry.write(stage),
        },
    )
    assert outcomes(checked(world, number))["accuracy"] is Outcome.INCONCLUSIVE


def test_a_model_that_is_new_is_judged_by_the_policy_that_it_names_and_never_by_none(world: World) -> None:
    default = layout.policy("default")
    strict = world.remote.tree(world.main)[default].replace(b"name: default", b"name: strict")
    world.commit({default: None, layout.policy("strict"): strict})
    model = replace(first_model(world.settings, "iris"), metadata=Metadata("iris"))
    model = replace(model, spec=replace(model.spec, policy_ref=Reference("strict")))
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    files = {layout.model("iris"): registry.write(model), layout.stage("iris", "staging"): registry.write(stage)}
    files |= written(world.version("a"))
    report = checked(world, by_hand(world, files))
    assert outcomes(report)["accuracy"] is Outcome.INCONCLUSIVE, report.text()
    world.commit({layout.policy("strict"): None})
    report = checked(world, by_hand(world, {**files, layout.policy("strict"): strict}, "second"))
    assert outcomes(report)["policy"] is Outcome.FAIL


def test_a_pull_request_cannot_choose_the_ledger_that_judges_it(world: World, tmp_path: Path) -> None:
    registered(world, "a")
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    shutil.copytree(world.folder / "remote.git", tmp_path / "evil.git")
    settings = world.remote.tree(world.main)["mlgitops.toml"].replace(b"remote.git", b"evil.git")
    number = by_hand(
        world, {"mlgitops.toml": settings, layout.stage("iris", "staging"): registry.write(stage)}, branch="evil"
    )
    # CI stands on the pull request's own commit, with its settings in the work tree.
    folder = world.clone("ci-of-head")
    (folder / "mlgitops.toml").write_bytes(settings)
    real = world.url
    report, forge = ask(folder, base="main", pull=number, read_only=True)
    assert not report.passed and forge is not None
    forge.comment(number, "proof", "written to the real remote")
    assert world.url == real
    assert [comment.marker for comment in world.context().forge.comments(number)] == ["proof"]


def test_a_version_made_by_hand_is_reserved_by_the_check(world: World) -> None:
    registered(world, "a")
    number = by_hand(world, written(world.version("b", number=7)))
    report = checked(world, number)
    assert report.passed, report.text()
    held = world.context().ledger.reservation("iris", 7)
    assert held is not None and held.by == "ci"


def test_a_version_made_by_hand_fails_a_read_only_check_with_the_command(world: World) -> None:
    registered(world, "a")
    version = world.version("b", number=7)
    report = checked(world, by_hand(world, written(version)), read_only=True)
    assert outcomes(report)["reserved"] is Outcome.FAIL
    assert f"mlgitops reserve iris:7 {version.spec.artifact.digest}" in reason(report, "reserved")
    assert world.context().ledger.reservation("iris", 7) is None


def test_a_number_that_is_reserved_for_another_digest_fails_and_names_the_next(world: World) -> None:
    registered(world, "a")
    world.context().ledger.reserve("iris", "sha256:" + "e" * 64, "run", "rival")
    report = checked(world, by_hand(world, written(world.version("b", number=2))))
    assert outcomes(report)["reserved"] is Outcome.FAIL
    assert "next free number is 3" in reason(report, "reserved")


def test_one_pull_request_cannot_use_up_a_models_numbers(world: World) -> None:
    registered(world, "a")
    report = checked(world, by_hand(world, written(world.version("b", number=999999999))))
    assert outcomes(report)["reserved"] is Outcome.FAIL
    assert "next free number is 2" in reason(report, "reserved")
    world.commit({"README.md": b"x"}, branch="mlgitops/propose/iris.999999999")
    pulls.open_from_branch(world.context("person"), "mlgitops/propose/iris.999999999", "Far away", "")
    assert registered(world, "c") == "2"


def pinned(version: str) -> dict[str, bytes]:
    """Return a deployment that names a version itself."""
    spec = ModelDeploymentSpec(Reference("iris"), version=version)
    deployment = ModelDeployment(Metadata("iris-pinned"), spec)
    return {layout.deployment("default", "iris-pinned"): registry.write(deployment)}


def test_a_deployment_that_names_a_version_is_judged_like_the_last_stage(world: World) -> None:
    registered(world, "a")
    number = by_hand(world, pinned("1"))
    report = checked(world, number)
    assert outcomes(report)["order"] is Outcome.FAIL
    assert outcomes(report)["accuracy"] is Outcome.INCONCLUSIVE
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    report = checked(world, number)
    assert report.passed, report.text()
    assert (
        report.subjects[0].headline == "deployment default/iris-pinned: version 1 of iris, judged as iris@production is"
    )


def test_a_deployment_may_name_what_the_last_stage_named_and_not_what_it_was_rolled_back_from(world: World) -> None:
    for content in ("a", "b"):
        registered(world, content)
    evaluated(world, "1", "0.95")
    evaluated(world, "2", "0.97")
    evaluated(world, "2", "0.97", ("1", "0.95"))
    for version in ("1", "2"):
        promoted(world, "staging", version)
        promoted(world, "production", version)
    merged(world, rollback(world.context("oncall"), "iris", "production", reason="p99").pull.number)
    assert checked(world, by_hand(world, pinned("1"), "first")).passed
    assert outcomes(checked(world, by_hand(world, pinned("2"), "second")))["hold"] is Outcome.FAIL


def test_a_deployment_that_goes_on_naming_its_version_is_not_judged_again(world: World) -> None:
    registered(world, "a")
    world.commit(pinned("1"))
    path = layout.deployment("default", "iris-pinned")
    report = checked(world, by_hand(world, {path: pinned("1")[path] + b"  replicas: 3\n"}))
    assert report.passed and report.subjects == ()


STAGING = layout.stage("iris", "staging")


def test_a_stage_that_its_model_lists_is_not_taken_away(world: World) -> None:
    registered(world, "a")
    hold = Hold(reason="p99")
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1", hold))
    world.commit({STAGING: registry.write(stage)})
    report = checked(world, by_hand(world, {STAGING: None}))
    assert outcomes(report) == {"removed": Outcome.FAIL}


def test_a_stage_that_is_written_anew_keeps_its_champion_and_its_hold(world: World) -> None:
    for content in ("a", "b"):
        registered(world, content)
    stage = ModelStage(
        Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1", Hold(reason="p99", by="oncall"))
    )
    world.commit({STAGING: registry.write(stage)})
    world.commit({STAGING: None})
    evaluated(world, "2", "0.97")
    anew = replace(stage, spec=replace(stage.spec, version="2"))
    report = checked(world, by_hand(world, {STAGING: registry.write(anew)}))
    assert outcomes(report)["hold"] is Outcome.FAIL
    assert outcomes(report)["accuracy"] is Outcome.INCONCLUSIVE
    assert "no evaluation compares iris:2" in reason(report, "accuracy")
    assert checked(world, by_hand(world, {STAGING: registry.write(stage)}, "same")).passed


def test_what_is_immutable_is_not_changed_by_deleting_it_first(world: World) -> None:
    registered(world, "a", metrics=(Metric(name="accuracy", value="0.5", dataset="holdout"),))
    path, runtime = layout.version("iris", 1), layout.runtime("python-1")
    files = world.remote.tree(world.main)
    claims = files[path].replace(b"0.5", b"0.99")
    image = files[runtime].replace(b"mlgitops.dev/python:1", b"evil.example/python:1")
    assert claims != files[path] and image != files[runtime]
    world.commit({path: None, runtime: None})
    report = checked(world, by_hand(world, {path: claims, runtime: image}))
    assert [s.name for s in report.subjects if any(v.gate == "immutable" for v in s.verdicts)] == ["iris:1", "python-1"]
    assert not report.passed
    assert checked(world, by_hand(world, {path: files[path], runtime: files[runtime]}, "same")).passed


MODEL, POLICY = layout.model("iris"), layout.policy("default")


def changed_model(world: World, old: bytes, new: bytes) -> bytes:
    data = world.remote.tree(world.main)[MODEL]
    assert data.count(old) == 1, data
    return data.replace(old, new)


def test_a_change_of_who_judges_is_named_and_comes_alone(world: World) -> None:
    registered(world, "a")
    policy = world.remote.tree(world.main)[POLICY]
    world.commit({layout.policy("lax"): policy.replace(b"name: default", b"name: lax")})
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    changes = {
        "policy default": {POLICY: policy.replace(b'min: "0.9"', b'min: "0.1"')},
        "policy lax instead of default for iris": {MODEL: changed_model(world, b"name: default", b"name: lax")},
        "the stages of iris: staging, production (after staging) become staging, production": {
            MODEL: changed_model(world, b"\n    after:\n    - staging", b"")
        },
        "mlgitops.toml": {"mlgitops.toml": world.remote.tree(world.main)["mlgitops.toml"] + b"# x\n"},
    }
    for index, (told, files) in enumerate(changes.items()):
        alone = checked(world, by_hand(world, {**files, "CODEOWNERS": b"# rendered\n"}, f"alone-{index}"))
        assert alone.passed, alone.text()
        assert reason(alone, "judges").startswith(f"changes who judges: {told}")
        both = checked(world, by_hand(world, {**files, STAGING: registry.write(stage)}, f"both-{index}"))
        assert outcomes(both)["judges"] is Outcome.FAIL
        assert f"a pull request of its own, without {STAGING}" in reason(both, "judges")


def test_a_stage_that_no_gate_judges_is_named_when_it_comes_and_keeps_its_order(world: World) -> None:
    registered(world, "a")
    policy = world.remote.tree(world.main)[POLICY]
    applies = b"spec:\n  appliesTo:\n    stages: [staging, production]\n"
    world.commit({POLICY: policy.replace(b"spec:\n", applies)})
    new = b"- name: canary\n    after:\n    - production\n  - name: staging"
    files = {MODEL: changed_model(world, b"- name: staging", new)}
    alone = checked(world, by_hand(world, files))
    assert alone.passed and "no gate judges canary" in reason(alone, "judges")
    stage = ModelStage(Metadata("iris.canary"), ModelStageSpec(Reference("iris"), "canary", "1"))
    both = checked(world, by_hand(world, {**files, layout.stage("iris", "canary"): registry.write(stage)}, "both"))
    assert outcomes(both)["judges"] is Outcome.FAIL
    assert "has not been in production" in reason(both, "order")


def test_a_stage_goes_with_its_line_in_the_model_and_its_file(world: World) -> None:
    registered(world, "a")
    stage = ModelStage(Metadata("iris.production"), ModelStageSpec(Reference("iris"), "production", "1"))
    path = layout.stage("iris", "production")
    world.commit({path: registry.write(stage)})
    model = changed_model(world, b"\n  - name: production\n    after:\n    - staging", b"")
    report = checked(world, by_hand(world, {MODEL: model, path: None}))
    assert report.passed, report.text()


def test_a_model_that_is_written_anew_cannot_choose_another_policy_on_the_way(world: World) -> None:
    registered(world, "a")
    policy = world.remote.tree(world.main)[POLICY]
    world.commit({layout.policy("lax"): policy.replace(b"name: default", b"name: lax")})
    lax, files = changed_model(world, b"name: default", b"name: lax"), world.remote.tree(world.main)
    paths = [path for path in files if path.startswith("registry/models/iris/")]
    gone = checked(world, by_hand(world, dict.fromkeys(paths), "gone"))
    assert gone.passed and "iris, which goes" in reason(gone, "judges")
    kept = {path: files[path] for path in paths}
    world.commit(dict.fromkeys(paths))
    report = checked(world, by_hand(world, {**kept, MODEL: lax}))
    assert outcomes(report)["judges"] is Outcome.FAIL


def test_an_edited_version_is_refused(world: World) -> None:
    registered(world, "a")
    path = layout.version("iris", 1)
    edited = world.version("b", number=1)
    report = checked(world, by_hand(world, {path: registry.write(edited)}))
    assert any(problem.file == path and "artifact" in problem.field for problem in report.problems), report.text()


def test_broken_yaml_is_reported_with_file_and_line_and_nothing_is_planned(world: World) -> None:
    registered(world, "a")
    path = layout.version("iris", 2)
    report = checked(world, by_hand(world, {path: b"kind: ModelVersion\nspec: [\n"}))
    assert [problem.file for problem in report.problems] == [path]
    assert not report.passed and report.plan == ""
    assert path in world.context().forge.comments(2)[0].body


def test_an_artifact_outside_of_the_policys_prefixes_is_refused(world: World) -> None:
    registered(world, "a")
    version = world.version("b", number=2)
    elsewhere = world.store.replace("/store", "/store-of-mallory")
    moved = replace(version.spec.artifact, uri=version.spec.artifact.uri.replace(world.store, elsewhere))
    version = replace(version, spec=replace(version.spec, artifact=moved))
    report = checked(world, by_hand(world, written(version)))
    assert outcomes(report)["artifact"] is Outcome.FAIL
    assert "outside the policy's artifact prefixes" in reason(report, "artifact")


def test_a_missing_artifact_is_refused_and_gets_no_number(world: World) -> None:
    registered(world, "a")
    version = world.version("b", number=2)
    shutil.rmtree(version.spec.artifact.uri.removeprefix("file://"))
    report = checked(world, by_hand(world, written(version)))
    assert outcomes(report)["artifact"] is Outcome.FAIL
    assert world.context().ledger.reservation("iris", 2) is None


def test_corrupt_bytes_of_the_right_size_are_found_in_a_new_version(world: World) -> None:
    version = world.version("a model")
    path = Path(version.spec.artifact.uri.removeprefix("file://")) / "MLmodel"
    path.chmod(0o644)
    path.write_bytes(b"another"[: path.stat().st_size])
    number = by_hand(world, written(version))
    report = checked(world, number)
    assert outcomes(report)["artifact"] is Outcome.FAIL
    assert "MLmodel" in reason(report, "artifact")


def test_a_corrupt_manifest_is_refused_and_both_digests_are_named(world: World) -> None:
    registered(world, "a")
    version = world.version("b", number=2)
    manifest = Path(version.spec.artifact.uri.removeprefix("file://")) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    report = checked(world, by_hand(world, written(version)))
    assert outcomes(report)["artifact"] is Outcome.FAIL
    assert version.spec.artifact.digest in reason(report, "artifact")


def test_a_dirty_source_is_warned_about_first_and_refused_at_the_last_stage(world: World) -> None:
    registered(world, "a", source=Source(commit="c" * 40, dirty=True))
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    moved = promote(world.context("person"), "iris", "production", "1")
    report = checked(world, moved.pull.number)
    assert outcomes(report)["source"] is Outcome.FAIL
    assert "uncommitted changes" in reason(report, "source")


def test_a_shallow_clone_is_deepened_before_history_is_asked(world: World) -> None:
    for content in ("a", "b"):
        registered(world, content)
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    evaluated(world, "2", "0.97", ("1", "0.95"))
    promoted(world, "staging", "2")
    folder = world.clone("shallow", depth=1)
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    from mlgitops.git import Repository

    clone = Repository.open(folder)
    head = clone.commit("refs/heads/main", {layout.stage("iris", "staging"): registry.write(stage)}, "Back to 1")
    clone.set_ref("refs/heads/main", head)
    assert clone.is_shallow
    report, _ = ask(folder, base="origin/main", pull=None, read_only=True)
    assert report.passed, report.text()  # a rollback, which only the history can say
    assert not clone.is_shallow
    clone.close()


def test_a_clone_that_cannot_be_deepened_names_the_command(world: World) -> None:
    registered(world, "a")
    folder = world.clone("shallow", depth=1)
    with pytest.raises(OutsideError, match="git fetch --unshallow"):
        ask(folder, base=world.main, pull=None, read_only=True)


def test_without_the_remote_the_check_is_inconclusive_and_says_what_it_saw_last(world: World) -> None:
    registered(world, "a")
    folder = world.clone("laptop")
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    from mlgitops.git import Repository

    clone = Repository.open(folder)
    clone.set_ref(
        "refs/heads/main",
        clone.commit("refs/heads/main", {layout.stage("iris", "staging"): registry.write(stage)}, "Promote"),
    )
    ask(folder, base="origin/main", pull=None, read_only=True)
    (world.folder / "remote.git").rename(world.folder / "away.git")
    report, _ = ask(folder, base="origin/main", pull=None, read_only=True)
    assert not report.passed
    assert outcomes(report)["ledger"] is Outcome.INCONCLUSIVE
    assert report.ledger.startswith("unreadable, last seen 20")
    clone.close()


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


def test_a_merge_checks_again_when_the_base_moved_since(world: World) -> None:
    for content in ("a", "b"):
        open_proposal(world.context(), world.version(content), by="ada")
    for number in (1, 2):
        assert checked(world, number).passed
    merged(world, 1)
    moved = world.main
    # Both pull requests add the Model: what the second one was checked against is history.
    pulls.merge(world.context("reviewer"), 2)
    forge = world.context().forge
    assert [(check.base, check.by) for check in forge.checks(2)] == [(moved, "reviewer")]
    assert not forge.pull(2).forced
    tree = registry.load((world.remote, world.main))
    assert [version.metadata.name for version in tree.versions("iris")] == ["iris.1", "iris.2"]


def test_a_merge_that_was_refused_passes_once_the_evidence_has_come(world: World) -> None:
    registered(world, "a")
    moved = promote(world.context("person"), "iris", "staging", "1")
    assert not checked(world, moved.pull.number).passed
    with pytest.raises(CheckFailedError, match="is refused"):
        merged(world, moved.pull.number)
    evaluated(world, "1", "0.95")
    merged(world, moved.pull.number)


def test_a_pull_request_that_conflicts_with_the_base_says_so_in_its_comment(world: World) -> None:
    number = by_hand(world, {"README.md": b"theirs\n"})
    world.commit({"README.md": b"ours\n"})
    report = checked(world, number)
    assert not report.passed
    assert "conflicts" in world.context().forge.comments(number)[0].body
    with pytest.raises(CheckFailedError, match=r"conflicts with .* in README.md"):
        merged(world, number)


def test_a_change_of_no_object_passes(world: World) -> None:
    report = checked(world, by_hand(world, {"README.md": b"better words\n"}))
    assert report.passed and report.summary == "the tree is well formed"
