"""``mlgitops check``: who may judge, and what a pull request cannot bring, change or take away."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from mlgitops import registry
from mlgitops.api import Metadata, ModelStage, Reference
from mlgitops.api.model import Hold, Metric, ModelStageSpec, Run, Source
from mlgitops.bot.promote import promote
from mlgitops.bot.propose import first_model
from mlgitops.bot.question import ask
from mlgitops.promotion import Outcome
from mlgitops.registry import layout
from worlds.promotions import by_hand, checked, evaluated, outcomes, reason, registered
from worlds.registry import World, written


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


def test_a_clean_source_comes_once_with_a_run_of_its_own_and_with_nothing_else(world: World) -> None:
    registered(world, "a", run=Run(id="01KA"), source=Source(commit="c" * 40, dirty=True))
    (path,) = written(world.version("a"))
    clean = world.version("a", run=Run(id="01KB"), source=Source(commit="d" * 40))
    denied = replace(clean, spec=replace(clean.spec, run=Run(id="01KA")))
    better = replace(clean, spec=replace(clean.spec, metrics=(Metric(name="accuracy", value="1"),)))
    other = replace(clean, spec=replace(clean.spec, artifact=world.version("b").spec.artifact))
    for index, (version, told) in enumerate(
        ((denied, "source is"), (better, "metrics is"), (other, "digest and format"))
    ):
        report = checked(world, by_hand(world, written(version), f"more-{index}"))
        assert not report.passed and told in report.summary
    report = checked(world, by_hand(world, written(clean), "clean"))
    assert report.passed and report.summary == "clean source of iris:1"
    world.commit({path: written(clean)[path]})
    later = replace(clean, spec=replace(clean.spec, run=Run(id="01KC"), source=Source(commit="e" * 40)))
    report = checked(world, by_hand(world, written(later), "later"))
    assert not report.passed and any("source is immutable" in str(problem) for problem in report.problems)


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
