"""What the API server is told about a pod follows from its containers' states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlgitops.local.node.status import Ended, State, container_status, merged, phase, pod_status, resumed

NOW, EARLIER = "2026-11-24T10:00:00Z", "2026-11-24T09:00:00Z"
WAITING = State()
RUNNING = State(running_since=EARLIER, started=True)
READY = replace(RUNNING, ready=True)


def ended(code: int) -> State:
    return State(ended=Ended(code, "Error" if code else "Completed", "", EARLIER, NOW, "process://7"))


DONE, FAILED = ended(0), ended(3)
CRASHED = State("CrashLoopBackOff", "back-off", last=FAILED.ended, restarts=2)


def pod(*, policy: str = "Always", mains: int = 1, **spec: Any) -> dict[str, Any]:
    containers = [{"name": f"main{number}", "image": "app:1"} for number in range(mains)]
    return {"spec": {"restartPolicy": policy, "containers": containers, **spec}}


def told(raw: dict[str, Any], *mains: State, **more: Any) -> dict[str, Any]:
    states = {f"main{number}": state for number, state in enumerate(mains)} | more.pop("inits", {})
    return pod_status(raw, "127.64.1.9", states, now=NOW, started_at=EARLIER, **more)


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in status["conditions"]}


@pytest.mark.parametrize(
    ("policy", "states", "expected"),
    [
        ("Always", [WAITING, WAITING], "Pending"),
        ("Always", [RUNNING, WAITING], "Running"),
        ("Always", [CRASHED, WAITING], "Running"),
        ("Always", [DONE, DONE], "Running"),
        ("OnFailure", [DONE, RUNNING], "Running"),
        ("OnFailure", [DONE, DONE], "Succeeded"),
        ("OnFailure", [DONE, CRASHED], "Running"),
        ("Never", [DONE, DONE], "Succeeded"),
        ("Never", [DONE, FAILED], "Failed"),
        ("Never", [RUNNING, FAILED], "Running"),
    ],
)
def test_the_phase_follows_from_the_containers_and_the_restart_policy(
    policy: str, states: list[State], expected: str
) -> None:
    assert phase(pod(policy=policy, mains=2), {f"main{n}": state for n, state in enumerate(states)}) == expected


@pytest.mark.parametrize(("policy", "expected"), [("Never", "Failed"), ("OnFailure", "Pending"), ("Always", "Pending")])
def test_a_failed_init_container_fails_the_pod_only_when_nothing_is_started_again(policy: str, expected: str) -> None:
    raw = pod(policy=policy, initContainers=[{"name": "prepare"}])
    assert phase(raw, {"prepare": FAILED, "main0": WAITING}) == expected


def test_a_pod_that_failed_as_a_whole_says_why_whatever_its_containers_did() -> None:
    status = told(pod(), DONE, reason="DeadlineExceeded", message="too long")
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "DeadlineExceeded", "too long")


def test_a_pod_is_not_over_while_a_process_of_it_still_runs() -> None:
    raw = pod(policy="Never", initContainers=[{"name": "beside", "restartPolicy": "Always"}])
    assert told(raw, DONE, inits={"beside": RUNNING})["phase"] == "Running"
    assert told(raw, DONE, inits={"beside": DONE})["phase"] == "Succeeded"
    late = told(pod(), RUNNING, reason="DeadlineExceeded", message="too long")
    assert late["phase"] == "Running"
    assert "reason" not in late


def test_a_pod_is_ready_when_each_of_its_containers_is() -> None:
    assert conditions(told(pod(mains=2), READY, READY))["Ready"] == "True"
    status = told(pod(mains=2), READY, RUNNING)
    assert conditions(status)["Ready"] == conditions(status)["ContainersReady"] == "False"
    ready = next(entry for entry in status["conditions"] if entry["type"] == "Ready")
    assert ready["reason"] == "ContainersNotReady"
    assert ready["message"] == "containers with unready status: [main1]"


def test_a_readiness_gate_of_somebody_else_holds_ready_back_and_stays_theirs() -> None:
    raw = pod(readinessGates=[{"conditionType": "example.com/go"}])
    assert conditions(told(raw, READY)) == {
        "PodScheduled": "True",
        "Initialized": "True",
        "ContainersReady": "True",
        "Ready": "False",
    }
    raw["status"] = {"conditions": [{"type": "example.com/go", "status": "True"}]}
    assert conditions(told(raw, READY))["Ready"] == "True"
    assert conditions(told(raw, READY))["example.com/go"] == "True"


def test_initialized_waits_for_init_containers_to_succeed_and_for_sidecars_to_start() -> None:
    raw = pod(initContainers=[{"name": "prepare"}, {"name": "beside", "restartPolicy": "Always"}])
    for prepare, beside, expected in [
        (RUNNING, WAITING, "False"),
        (DONE, WAITING, "False"),
        (DONE, RUNNING, "True"),
        (FAILED, RUNNING, "False"),
    ]:
        status = told(raw, WAITING, inits={"prepare": prepare, "beside": beside})
        assert conditions(status)["Initialized"] == expected


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    raw = pod()
    raw["status"] = {
        "conditions": [
            {"type": "Ready", "status": "False", "lastTransitionTime": EARLIER},
            {"type": "ContainersReady", "status": "True", "lastTransitionTime": EARLIER},
        ]
    }
    times = {entry["type"]: entry["lastTransitionTime"] for entry in told(raw, READY)["conditions"]}
    assert times["ContainersReady"] == EARLIER
    assert times["Ready"] == NOW


def test_what_was_sent_last_holds_over_what_comes_back_late_but_not_over_others_conditions() -> None:
    sent = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": NOW}]}
    theirs = {"type": "example.com/go", "status": "True"}
    stored = {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": EARLIER}, theirs], "phase": "x"}
    assert merged(stored, sent) == {"conditions": [*sent["conditions"], theirs], "phase": "x"}
    assert merged(stored, None)["conditions"] == stored["conditions"]


def test_a_status_says_where_the_pod_is() -> None:
    status = told(pod(), WAITING)
    assert (status["podIP"], status["podIPs"], status["hostIP"]) == ("127.64.1.9", [{"ip": "127.64.1.9"}], "127.0.0.1")
    assert status["startTime"] == EARLIER


def test_a_containers_entry_shows_its_state_and_how_it_ended_last() -> None:
    entry = container_status({"name": "main0", "image": "app:1"}, CRASHED)
    assert entry["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    assert entry["lastState"]["terminated"]["exitCode"] == 3
    assert (entry["restartCount"], entry["containerID"]) == (2, "process://7")
    running = container_status({"name": "main0"}, READY)
    assert running["state"] == {"running": {"startedAt": EARLIER}}
    assert (running["ready"], running["started"], running["lastState"]) == (True, True, {})


def test_an_end_is_the_same_after_it_went_through_the_api_server() -> None:
    end = Ended(143, "Error", "asked to", EARLIER, NOW, "process://7", signal=15)
    assert Ended.from_raw(end.to_raw()) == end


# --- a new node takes over


def entry(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "main0", "restartCount": 1, "state": state, "containerID": "process://5", **more}


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_what_ran_when_the_node_before_ended_counts_as_a_restart(policy: str) -> None:
    state = resumed(entry({"running": {"startedAt": EARLIER}}), policy, NOW)
    assert (state.restarts, state.ended) == (2, None)
    assert state.last is not None
    assert (state.last.exit_code, state.last.reason) == (137, "ContainerStatusUnknown")
    assert (state.last.started_at, state.last.finished_at) == (EARLIER, NOW)


def test_what_ran_and_is_never_started_again_has_failed() -> None:
    state = resumed(entry({"running": {"startedAt": EARLIER}}), "Never", NOW)
    assert state.ended is not None
    assert (state.ended.exit_code, state.restarts) == (137, 1)


@pytest.mark.parametrize(
    ("code", "policy", "over"),
    [(0, "OnFailure", True), (3, "Never", True), (3, "OnFailure", False), (0, "Always", False)],
)
def test_what_had_ended_stays_ended_only_when_its_policy_says_so(code: int, policy: str, over: bool) -> None:
    finished = ended(code).to_raw()
    state = resumed(entry(finished), policy, NOW)
    assert (state.ended is not None) is over
    assert state.restarts == (1 if over else 2)


def test_what_waited_goes_on_to_wait_with_its_count() -> None:
    last = {"terminated": FAILED.to_raw()["terminated"]}
    state = resumed(entry({"waiting": {"reason": "CrashLoopBackOff"}}, lastState=last), "Always", NOW)
    assert (state.restarts, state.last) == (1, FAILED.ended)


def test_a_container_that_nobody_has_seen_begins_at_the_beginning() -> None:
    assert resumed({}, "Always", NOW) == State()
