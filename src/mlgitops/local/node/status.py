"""What the API server is told about a pod; pure functions of what is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlgitops.local.node.variables import Raw

HOST = "127.0.0.1"
# Every other condition is somebody else's and stays as it is.
OWN_CONDITIONS = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container's process ended; times are RFC 3339, UTC."""

    exit_code: int
    reason: str
    message: str
    started_at: str
    finished_at: str
    container_id: str
    signal: int = 0

    @classmethod
    def from_raw(cls, raw: Raw) -> Ended:
        """Read Kubernetes' ``terminated`` state."""
        return cls(
            exit_code=int(raw["exitCode"]),
            reason=raw.get("reason", ""),
            message=raw.get("message", ""),
            started_at=raw.get("startedAt", ""),
            finished_at=raw.get("finishedAt", ""),
            container_id=raw.get("containerID", ""),
            signal=int(raw.get("signal", 0)),
        )

    def to_raw(self) -> Raw:
        """Return Kubernetes' ``terminated`` state."""
        return {
            "exitCode": self.exit_code,
            "reason": self.reason,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "containerID": self.container_id,
            **({"message": self.message} if self.message else {}),
            **({"signal": self.signal} if self.signal else {}),
        }


@dataclass(frozen=True, slots=True)
class State:
    """A container now: waiting with a reason, running since a time, or ended; and how it ended last."""

    waiting: str = "ContainerCreating"
    message: str = ""
    running_since: str = ""
    container_id: str = ""
    ended: Ended | None = None
    last: Ended | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return bool(self.running_since)

    def to_raw(self) -> Raw:
        """Return Kubernetes' state."""
        if self.running:
            return {"running": {"startedAt": self.running_since}}
        if self.ended:
            return {"terminated": self.ended.to_raw()}
        return {"waiting": {"reason": self.waiting, **({"message": self.message} if self.message else {})}}


def container_status(spec: Raw, state: State) -> Raw:
    """Return one entry of ``containerStatuses``."""
    identity = state.container_id or (state.ended or state.last or _NEVER).container_id
    return {
        "name": spec["name"],
        "image": spec.get("image", ""),
        "imageID": spec.get("image", ""),
        "containerID": identity,
        "restartCount": state.restarts,
        "started": state.started,
        "ready": state.ready,
        "state": state.to_raw(),
        "lastState": {"terminated": state.last.to_raw()} if state.last else {},
    }


_NEVER = Ended(0, "", "", "", "", "")


def is_over(ended: Ended, policy: str) -> bool:
    """Whether a container that ended so is not started again, by its policy: Always, OnFailure or Never."""
    return policy == "Never" or (policy == "OnFailure" and ended.exit_code == 0)


def resumed(old: Raw, policy: str, now: str) -> State:
    """Return a container's state when a new node takes over its pod.

    Nothing that ran survived the node before: it counts as killed for an unknown reason,
    as with the kubelet. What had ended for good stays ended.

    Args:
        old: the container's entry in the pod's status, empty when there is none.
        policy: its restart policy.
        now: the time of an end that nobody saw.
    """
    restarts, state = int(old.get("restartCount", 0)), old.get("state", {})
    last = _ended(old.get("lastState", {}))
    ended = _ended(state)
    if "running" in state:
        message = "the container ended together with the node that ran it"
        since, identity = state["running"].get("startedAt", ""), old.get("containerID", "")
        ended = Ended(137, "ContainerStatusUnknown", message, since, now, identity, signal=9)
    if ended is None:
        return State(last=last, restarts=restarts)
    if is_over(ended, policy):
        return State(ended=ended, last=last, restarts=restarts)
    return State(last=ended, restarts=restarts + 1)


def _ended(state: Raw) -> Ended | None:
    return Ended.from_raw(state["terminated"]) if "terminated" in state else None


def is_sidecar(spec: Raw) -> bool:
    """Whether an init container goes on beside the containers."""
    return bool(spec.get("restartPolicy") == "Always")


def initialized(specs: Sequence[Raw], states: Mapping[str, State]) -> bool:
    """Whether every init container is done, or started when it is a sidecar."""
    return all(states[spec["name"]].started if is_sidecar(spec) else _succeeded(states[spec["name"]]) for spec in specs)


def _succeeded(state: State) -> bool:
    return state.ended is not None and state.ended.exit_code == 0


def phase(pod: Raw, states: Mapping[str, State]) -> str:
    """Return the pod's phase: Pending, Running, Succeeded or Failed."""
    policy = pod["spec"].get("restartPolicy", "Always")
    inits = [spec for spec in pod["spec"].get("initContainers", ()) if not is_sidecar(spec)]
    mains = [states[spec["name"]] for spec in pod["spec"]["containers"]]
    failed_init = any((state := states[spec["name"]]).ended and state.ended.exit_code for spec in inits)
    if policy == "Never" and failed_init:
        return "Failed"
    if policy != "Always" and all(state.ended for state in mains):
        clean = all(_succeeded(state) for state in mains)
        if clean or policy == "Never":
            return "Succeeded" if clean else "Failed"
    if any(state.running or state.ended or state.last for state in mains):
        return "Running"
    return "Pending"


def pod_status(
    pod: Raw,
    address: str,
    states: Mapping[str, State],
    *,
    now: str,
    started_at: str,
    reason: str = "",
    message: str = "",
) -> Raw:
    """Return a pod's whole status.

    Args:
        pod: as the API server has it; its old conditions give their times.
        address: the pod's.
        states: its containers' by name.
        now: the time for conditions that change.
        started_at: when the node took the pod.
        reason: why the pod as a whole failed, if it did.
        message: the same in words.
    """
    spec = pod["spec"]
    inits, mains = spec.get("initContainers", ()), spec["containers"]
    found = "Failed" if reason else phase(pod, states)
    if found in ("Succeeded", "Failed") and any(state.running for state in states.values()):
        # Whoever counts a pod as over may start another in its place: not while a sidecar,
        # or a container past its deadline, still runs.
        found, reason = "Running", ""
    waiting_for = [entry["name"] for entry in mains if not states[entry["name"]].ready]
    waiting_for += [entry["name"] for entry in inits if is_sidecar(entry) and not states[entry["name"]].ready]
    over = found in ("Succeeded", "Failed")
    containers_ready = not waiting_for and not over
    old = {entry["type"]: entry for entry in (pod.get("status") or {}).get("conditions") or ()}
    gates = [gate["conditionType"] for gate in spec.get("readinessGates", ())]
    gated = all(old.get(gate, {}).get("status") == "True" for gate in gates)
    not_ready = "PodCompleted" if found == "Succeeded" else "ContainersNotReady"
    unready = f"containers with unready status: [{' '.join(waiting_for)}]" if waiting_for else ""
    done = found == "Succeeded" or initialized(inits, states)
    conditions = [
        _condition(old, "PodScheduled", True, "", "", now),
        _condition(old, "Initialized", done, "" if done else "ContainersNotInitialized", "", now),
        _condition(old, "ContainersReady", containers_ready, "" if containers_ready else not_ready, unready, now),
        _condition(old, "Ready", containers_ready and gated, "" if containers_ready else not_ready, unready, now),
        *(entry for type_, entry in old.items() if type_ not in OWN_CONDITIONS),
    ]
    return {
        "phase": found,
        "conditions": conditions,
        **addresses(address),
        "startTime": started_at,
        "qosClass": (pod.get("status") or {}).get("qosClass", "BestEffort"),
        "initContainerStatuses": _statuses(inits, states),
        "containerStatuses": _statuses(mains, states),
        **({"reason": reason, "message": message} if reason else {}),
    }


def addresses(address: str) -> Raw:
    """Return the part of a pod's status that says where it is."""
    return {"hostIP": HOST, "hostIPs": [{"ip": HOST}], "podIP": address, "podIPs": [{"ip": address}]}


def merged(stored: Raw, sent: Raw | None) -> Raw:
    """Return the status that holds: our own conditions as sent last, everybody else's as stored."""
    own = [entry for entry in (sent or stored).get("conditions") or () if entry["type"] in OWN_CONDITIONS]
    others = [entry for entry in stored.get("conditions") or () if entry["type"] not in OWN_CONDITIONS]
    return {**stored, "conditions": own + others}


def _statuses(specs: Iterable[Raw], states: Mapping[str, State]) -> list[Raw]:
    return [container_status(spec, states[spec["name"]]) for spec in specs]


def _condition(old: Mapping[str, Raw], type_: str, holds: bool, reason: str, message: str, now: str) -> dict[str, Any]:
    status = "True" if holds else "False"
    before = old.get(type_, {})
    since = before["lastTransitionTime"] if before.get("status") == status and before.get("lastTransitionTime") else now
    return {
        "type": type_,
        "status": status,
        "lastTransitionTime": since,
        **({"reason": reason} if reason else {}),
        **({"message": message} if message else {}),
    }
