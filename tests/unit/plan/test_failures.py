"""The table of situations of the design, a row a test: what fails, crashes, is rejected or vanishes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from mlgitops import plan
from mlgitops.api.deployment import RolloutSpec, RolloutStep
from mlgitops.api.pods import Resources
from worlds.rollout import World, deployment, digest

BEGINNING_OF_A_CANARY = 130.0


def test_a_version_that_crashes_is_rolled_back_refused_and_not_tried_again(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run()
    serving.crash(serving.target(), times=2, message="no such column: petal", code=3)
    serving.run()
    assert serving.serves() == {"1": 100}
    assert serving.condition("Stalled") == "True/RolledBack"
    assert serving.condition("Available") == "True/Answering"
    failure = serving.status.last_failure
    assert failure and (failure.exit_code, failure.container, failure.version) == (3, "server", "2")
    assert failure.message == "no such column: petal"
    serving.healthy = True
    serving.run(3600, every=60)
    assert serving.serves() == {"1": 100}
    assert serving.sizes() == {"1": 4}


def test_one_crash_alone_does_not_end_a_rollout(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run()
    serving.crash(serving.target(), times=1)
    serving.run(5)
    assert serving.status.refused is None
    serving.make_ready(serving.target())
    serving.run()
    assert serving.serves() == {"1": 90, "2": 10}


def test_a_canary_that_crashes_gives_its_traffic_back(serving: World) -> None:
    serving.promote(2)
    serving.run(BEGINNING_OF_A_CANARY)
    serving.healthy = False
    serving.crash(serving.target())
    serving.run()
    assert serving.serves() == {"1": 100}
    assert serving.condition("Stalled") == "True/RolledBack"


def test_a_canary_whose_pods_vanish_takes_no_traffic_until_they_are_back(serving: World) -> None:
    serving.promote(2)
    serving.run(BEGINNING_OF_A_CANARY)
    serving.healthy = False
    for pod in serving.pods_of(serving.target()):
        pod["status"] = {}
    serving.run()
    assert serving.serves() == {"1": 100}
    assert serving.condition("Reconciling") == "True/Starting"
    serving.make_ready(serving.target())
    serving.run()
    assert serving.serves() == {"1": 50, "2": 50}


def test_a_version_that_is_not_ready_in_time_is_rolled_back(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run(590, every=59)
    assert serving.status.refused is None
    serving.run(11)
    assert serving.status.refused and serving.status.refused.reason == "NotReadyInTime"
    assert serving.condition("Stalled") == "True/RolledBack"


def test_the_deadline_of_a_rollout_cuts_the_time_to_become_ready(world: World) -> None:
    world.deployment = deployment(rollout=RolloutSpec(steps=(RolloutStep(10),), deadline="30s"))
    world.run()
    world.healthy = False
    world.promote(2)
    world.run(31)
    assert world.status.refused and world.status.refused.reason == "NotReadyInTime"


def test_after_a_rollback_a_merged_revert_makes_the_deployment_ready(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run()
    serving.crash(serving.target())
    serving.run()
    serving.healthy = True
    serving.promote(1)
    serving.run()
    assert serving.condition("Ready") == "True/Serving"
    assert serving.status.refused is None


def test_a_refused_version_that_is_named_again_later_gets_a_fresh_rollout(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run()
    serving.crash(serving.target())
    serving.run()
    serving.healthy = True
    serving.promote(1)
    serving.run(30)
    serving.promote(2)
    serving.run()
    assert serving.serves() == {"1": 90, "2": 10}


def test_a_first_rollout_that_crashes_is_stalled_and_never_refused(world: World) -> None:
    world.healthy = False
    world.run()
    world.crash(world.target(), message=json.dumps({"reason": "LoadFailed", "message": "unknown type"}))
    world.run(3600, every=60)
    assert world.condition("Stalled") == "True/LoadFailed"
    assert world.condition("Available") == "False/NothingReady"
    assert world.status.refused is None
    world.make_ready(world.target())
    world.run()
    assert world.condition("Ready") == "True/Serving"


def test_a_first_rollout_that_only_waits_is_stalled_after_a_while_and_goes_on_when_it_can(world: World) -> None:
    world.healthy = False
    world.run(590, every=59)
    assert world.condition("Stalled") == ""
    world.run(30)
    assert world.condition("Stalled") == "True/NotReadyInTime"
    world.make_ready(world.target())
    world.run()
    assert world.condition("Ready") == "True/Serving"


def test_pods_that_became_ready_while_nobody_looked_are_in_time(serving: World) -> None:
    serving.promote(2)
    serving.reconcile()
    serving.play()
    serving.now += timedelta(hours=5)
    serving.run()
    assert serving.serves() == {"1": 90, "2": 10}


def test_new_resources_for_a_refused_version_are_a_new_revision_and_are_tried(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run()
    serving.crash(serving.target())
    serving.run()
    serving.healthy = True
    spec = replace(serving.deployment.spec, resources=Resources(limits={"memory": "2Gi"}))
    serving.deployment = replace(serving.deployment, spec=spec)
    serving.run()
    assert serving.serves() == {"1": 90, "2": 10}


def test_a_corrupt_artifact_stalls_with_both_digests_and_the_old_version_serves(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run()
    said = {"reason": "DigestMismatch", "uri": "s3://models/iris/2", "expected": digest(2), "found": digest(9)}
    serving.fail_fetch(serving.target(), json.dumps(said))
    serving.run(7200, every=600)
    assert serving.condition("Stalled") == "True/ArtifactCorrupt"
    assert digest(2) in serving.message("Stalled")
    assert digest(9) in serving.message("Stalled")
    assert serving.condition("Verified") == "False/DigestMismatch"
    assert serving.condition("Available") == "True/Answering"
    assert serving.serves() == {"1": 100}


def test_a_repaired_artifact_lets_its_rollout_go_on(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run()
    serving.fail_fetch(serving.target(), json.dumps({"reason": "NotFound", "message": "s3://models/iris/2: no object"}))
    serving.run(1200, every=600)
    assert serving.condition("Stalled") == "True/ArtifactMissing"
    assert serving.condition("Verified") == "True/DigestMatches"
    serving.healthy = True
    serving.make_ready(serving.target())
    serving.run()
    assert serving.serves() == {"1": 90, "2": 10}


def test_a_rejected_target_never_starts(serving: World) -> None:
    serving.git.set_lifecycle("2", "Rejected", "trained on the test set")
    serving.promote(2)
    serving.run()
    assert serving.sizes() == {"1": 4}
    assert serving.condition("Stalled") == "True/Rejected"
    assert "trained on the test set" in serving.message("Stalled")
    assert serving.condition("Available") == "True/Answering"


def test_a_version_that_becomes_rejected_while_it_serves_stays_and_says_so(serving: World) -> None:
    serving.git.set_lifecycle("1", "Rejected")
    serving.run()
    assert serving.serves() == {"1": 100}
    assert serving.condition("Stalled") == "True/Rejected"
    assert serving.condition("Available") == "True/Answering"


def test_a_rejected_version_is_not_a_first_rollout_unless_the_policy_says_serve(world: World) -> None:
    world.git.set_lifecycle("1", "Rejected")
    world.run()
    assert world.sizes() == {}
    assert world.condition("Stalled") == "True/Rejected"
    policy = world.git.policies["default"]
    world.git.policies["default"] = replace(policy, spec=replace(policy.spec, on_rejected="Serve"))
    world.run()
    assert world.serves() == {"1": 100}
    assert world.condition("Stalled") == "True/Rejected"


def test_a_version_that_becomes_rejected_during_its_rollout_is_taken_back(serving: World) -> None:
    serving.promote(2)
    serving.run(BEGINNING_OF_A_CANARY)
    serving.git.set_lifecycle("2", "Rejected")
    serving.run(10)
    assert serving.serves() == {"1": 100}
    assert serving.sizes() == {"1": 4}


def test_a_vanished_version_leaves_everything_as_it_stands(serving: World) -> None:
    serving.promote(2)
    serving.run(BEGINNING_OF_A_CANARY)
    del serving.git.versions["2"]
    serving.run(600, every=60)
    assert serving.serves() == {"1": 50, "2": 50}
    assert serving.condition("Stalled") == "True/MissingVersion"
    assert serving.condition("Available") == "True/Answering"


def test_pods_that_are_all_gone_make_it_unavailable(serving: World) -> None:
    serving.healthy = False
    for pod in serving.pods.values():
        pod["status"] = {}
    serving.run()
    assert serving.condition("Available") == "False/NothingReady"
    assert serving.condition("Reconciling") == "True/Unavailable"
    assert serving.condition("Ready") == "False/Unavailable"


def test_a_retry_that_fails_again_does_not_repeat_by_itself(serving: World) -> None:
    serving.healthy = False
    serving.promote(2)
    serving.run()
    revision = serving.target()
    serving.crash(revision)
    serving.run(10)
    serving.annotate(retry=revision)
    serving.run()
    assert serving.condition("Reconciling") == "True/Starting"
    serving.crash(revision)
    serving.run(3600, every=60)
    assert serving.condition("Stalled") == "True/RolledBack"
    serving.annotate()
    serving.run()
    serving.annotate(retry=revision)
    serving.run()
    assert serving.condition("Reconciling") == "True/Starting"


def test_what_is_named_before_it_arrives_is_waited_for_and_then_stalled(serving: World) -> None:
    late = serving.git.versions.pop("2")
    serving.promote(2)
    serving.run(9)
    assert serving.condition("Reconciling") == "True/MissingVersion"
    assert serving.condition("Stalled") == ""
    wake = plan.wake(serving.inputs(), serving.status, serving.now)
    assert wake == timedelta(seconds=1)
    serving.run(1)
    assert serving.condition("Stalled") == "True/MissingVersion"
    serving.run(60)
    assert serving.condition("Stalled") == "True/MissingVersion"
    serving.git.versions["2"] = late
    serving.run()
    assert serving.condition("Reconciling") == "True/Pausing"
