from __future__ import annotations

import json
from typing import Any

import pytest

from mlgitops.plan import labels
from mlgitops.plan.observed import Failure, Observed, observe

REVISION = "abc"
DEPLOYMENT = {
    "kind": "Deployment",
    "metadata": {"name": "iris-abc", "labels": {labels.REVISION: REVISION}},
    "spec": {"replicas": 1},
}


def seen(*statuses: dict[str, Any], **metadata: Any) -> Observed:
    pods = [
        {"metadata": {"name": f"p{number}", "labels": {labels.REVISION: REVISION}, **metadata}, "status": status}
        for number, status in enumerate(statuses)
    ]
    return observe("iris", [DEPLOYMENT], pods, routed=False)


def failure(**status: Any) -> Failure | None:
    return seen(status).of(REVISION).failure


def ended(name: str, code: int, *, restarts: int = 0, running: bool = False, **rest: Any) -> dict[str, Any]:
    last = {"terminated": {"exitCode": code, **rest}}
    state = {"running": {}} if running else {"waiting": {"reason": "CrashLoopBackOff"}}
    return {"name": name, "restartCount": restarts, "state": state, "lastState": last}


def test_a_crash_keeps_exit_code_and_last_log_lines() -> None:
    found = failure(containerStatuses=[ended("server", 3, restarts=1, reason="Error", message="Traceback\nboom\n")])
    assert found == Failure("Error", "Traceback\nboom", "server", 3, crashes=2)


def test_a_container_that_runs_again_has_crashed_as_often_as_it_was_restarted() -> None:
    found = failure(containerStatuses=[ended("server", 137, restarts=2, running=True, reason="OOMKilled")])
    assert found
    assert (found.reason, found.crashes, found.exit_code) == ("OOMKilled", 2, 137)


def test_what_the_program_says_as_json_beats_what_the_kubelet_says() -> None:
    said = json.dumps({"reason": "LoadFailed", "message": "unknown type x.Y"})
    found = failure(containerStatuses=[ended("server", 1, reason="Error", message=said)])
    assert found
    assert (found.reason, found.message) == ("LoadFailed", "unknown type x.Y")


@pytest.mark.parametrize("said", ["[1]", "not json", '{"reason": 7}', '{"reason": null}', ""])
def test_a_strange_termination_message_is_only_text(said: str) -> None:
    found = failure(containerStatuses=[ended("server", 1, reason="Error", message=said)])
    assert found
    assert found.crashes == 1


@pytest.mark.parametrize(
    ("said", "word"),
    [("Load Failed!", "LoadFailed"), ("<script>", "script"), ("7\n", "Error"), ("x" * 900, "x" * 64), ("…", "Error")],
)
def test_a_reason_is_always_one_word_that_a_condition_may_carry(said: str, word: str) -> None:
    found = failure(containerStatuses=[ended("server", 1, message=json.dumps({"reason": said}))])
    assert found
    assert found.reason == word


def test_a_fetcher_that_met_other_bytes_is_told_from_one_that_may_succeed_later() -> None:
    def fetched(reason: str) -> Failure:
        said = json.dumps({"reason": reason, "expected": "sha256:a", "found": "sha256:b"})
        found = failure(initContainerStatuses=[ended("fetch", 1, message=said)])
        assert found
        return found

    assert (fetched("DigestMismatch").corrupt, fetched("DigestMismatch").permanent) == (True, True)
    assert (fetched("NotFound").corrupt, fetched("NotFound").permanent) == (False, True)
    assert (fetched("Unavailable").corrupt, fetched("Unavailable").permanent) == (False, False)
    assert (fetched("DigestMismatch").expected, fetched("DigestMismatch").found) == ("sha256:a", "sha256:b")


def test_a_server_cannot_pass_for_a_fetcher() -> None:
    found = failure(containerStatuses=[ended("server", 1, message=json.dumps({"reason": "DigestMismatch"}))])
    assert found
    assert not found.permanent


def test_an_image_that_cannot_be_pulled_is_a_failure_without_a_crash() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    found = failure(containerStatuses=[{"name": "server", "restartCount": 0, "state": {"waiting": waiting}}])
    assert found == Failure("ImagePullBackOff", "no such image", "server")


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_container_that_is_being_made_has_not_failed(reason: str) -> None:
    entry = {"name": "server", "restartCount": 0, "state": {"waiting": {"reason": reason}}}
    assert failure(containerStatuses=[entry]) is None


def test_a_pod_that_fits_on_no_node_says_so() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    assert failure(conditions=[condition]) == Failure("Unschedulable", "0/1 nodes")


def test_a_pod_that_is_going_counts_for_nothing() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert seen(ready).of(REVISION).ready == 1
    assert seen(ready, deletionTimestamp="2026-11-24T12:00:00Z").of(REVISION).ready == 0


def route(generation: int = 2, **parent: Any) -> dict[str, Any]:
    backends = [{"name": "iris-abc", "weight": 90}, {"name": "iris-def", "weight": 10}]
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": "iris", "generation": generation},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": [{"backendRefs": backends}]},
        "status": {"parents": [parent] if parent else []},
    }


def conditions(accepted: str = "True", resolved: str = "True", generation: int = 2) -> list[dict[str, Any]]:
    return [
        {"type": "Accepted", "status": accepted, "observedGeneration": generation, "reason": "NoMatch"},
        {"type": "ResolvedRefs", "status": resolved, "observedGeneration": generation, "reason": "BackendNotFound"},
    ]


@pytest.mark.parametrize(
    ("raw", "accepted", "problem"),
    [
        (route(conditions=conditions()), True, ""),
        (route(), False, "no gateway has taken"),
        (route(conditions=conditions(generation=1)), False, "generation 2"),
        (route(conditions=conditions(accepted="False")), False, "NoMatch"),
        (route(conditions=conditions(resolved="False")), False, "BackendNotFound"),
        (route(conditions=[]), False, "generation 2"),
    ],
)
def test_a_route_counts_as_taken_only_at_its_own_generation(raw: dict[str, Any], accepted: bool, problem: str) -> None:
    found = observe("iris", [raw], [], routed=True).route
    assert found
    assert found.weights == {"abc": 90, "def": 10}
    assert found.accepted is accepted
    assert problem in found.problem
