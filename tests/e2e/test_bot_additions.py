"""``mlgitops check`` on versions made by hand, deployments that name one, and the bytes behind them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from mlgitops import registry
from mlgitops.api import Metadata, ModelDeployment, Reference
from mlgitops.api.deployment import ModelDeploymentSpec
from mlgitops.bot import pulls
from mlgitops.bot.promote import rollback
from mlgitops.promotion import Outcome
from mlgitops.registry import layout
from worlds.promotions import by_hand, checked, evaluated, merged, outcomes, promoted, reason, registered
from worlds.registry import World, written


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
