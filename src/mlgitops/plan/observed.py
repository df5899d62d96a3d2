"""What the cluster holds of one deployment, read from its children and their pods."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mlgitops.plan import denials, labels, pods, revisions
from mlgitops.plan.denials import Denial
from mlgitops.plan.revisions import Revision

Raw = Mapping[str, Any]

# Reasons of the fetcher that another try does not cure by itself.
_PERMANENT: Final = frozenset({"DigestMismatch", "NotFound", "Forbidden"})
_MESSAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a container, or with a pod that has none yet.

    ``crashes`` counts how often the container ended badly. ``found`` is the digest
    that the fetcher met instead of ``expected``.
    """

    reason: str
    message: str
    container: str = ""
    exit_code: int | None = None
    crashes: int = 0
    expected: str = ""
    found: str = ""

    @property
    def corrupt(self) -> bool:
        """True when the bytes are not what the digest promises."""
        return self.container == pods.FETCHER and self.reason == "DigestMismatch"

    @property
    def permanent(self) -> bool:
        """True when the fetcher can only succeed after somebody has repaired the artifact or its access."""
        return self.container == pods.FETCHER and self.reason in _PERMANENT

    @property
    def denied(self) -> bool:
        """True when the API server lets the pods not even begin."""
        return not self.container and self.reason == denials.PODS


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of one revision: how many are asked for, there and ready, and what fails."""

    wanted: int = 0
    there: int = 0
    ready: int = 0
    failure: Failure | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """How traffic is split, by revision in percent, and whether a gateway does so already.

    The annotations written with the weights say the same and more.
    """

    weights: Mapping[str, int]
    accepted: bool
    problem: str = ""
    active: str = ""
    target: str = ""
    step: int = 0
    started_at: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why and when a revision was refused, as its ControllerRevision remembers it."""

    reason: str
    message: str
    at: str


@dataclass(frozen=True, slots=True)
class Observed:
    """One deployment's children as the cache has them.

    ``absent`` are kinds that the cluster does not serve; ``denied`` is what the API server
    said when a child was to be stored last.
    """

    revisions: Mapping[str, Revision] = field(default_factory=dict)
    pods: Mapping[str, Pods] = field(default_factory=dict)
    route: Route | None = None
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    denied: Denial | None = None

    def of(self, revision: str | None) -> Pods:
        """Return the pods of a revision, none when it has none."""
        return self.pods.get(revision or "", _NONE)


_NONE: Final = Pods()


def observe(
    deployment: str,
    children: Iterable[Raw],
    pod_list: Iterable[Raw],
    *,
    routed: bool,
    absent: Iterable[str] = (),
    denied: Denial | None = None,
) -> Observed:
    """Read a deployment's children and pods.

    Args:
        deployment: its name.
        children: raw objects of every kind that it owns.
        pod_list: raw pods that carry its label.
        routed: True when ``spec.route`` is set, so that the HTTPRoute splits traffic;
            else the Service named as the deployment does.
        absent: kinds of children that the cluster does not serve.
        denied: why the API server refused a child when it was tried last.
    """
    by_kind: dict[str, dict[str, Raw]] = defaultdict(dict)
    for child in children:
        by_kind[child["kind"]][child["metadata"]["name"]] = child
    kept = _revisions(deployment, by_kind)
    routes = by_kind["HTTPRoute"] if routed else by_kind["Service"]
    raw_route = routes.get(deployment)
    return Observed(
        revisions=kept,
        pods=_pods(by_kind["Deployment"].values(), pod_list),
        route=_route(deployment, raw_route) if raw_route else None,
        refusals=_refusals(by_kind["ControllerRevision"].values()),
        absent=frozenset(absent),
        denied=denied,
    )


def _revisions(deployment: str, by_kind: Mapping[str, Mapping[str, Raw]]) -> dict[str, Revision]:
    found = {}
    for raw in by_kind["ControllerRevision"].values():
        settings = by_kind["ConfigMap"].get(pods.settings_name(deployment, raw["data"]["digest"]), {})
        revision = revisions.from_raw(raw, settings.get("data", {}))
        found[revision.name] = revision
    return found


def _refusals(raws: Iterable[Raw]) -> dict[str, Refusal]:
    found = {}
    for raw in raws:
        note = raw["metadata"].get("annotations", {}).get(labels.REFUSED)
        if note:
            found[raw["metadata"]["labels"][labels.REVISION]] = Refusal(**json.loads(note))
    return found


def _pods(deployments: Iterable[Raw], pod_list: Iterable[Raw]) -> dict[str, Pods]:
    by_revision: dict[str, list[Raw]] = defaultdict(list)
    for pod in pod_list:
        by_revision[pod["metadata"].get("labels", {}).get(labels.REVISION, "")].append(pod)
    found = {}
    for raw in deployments:
        revision = raw["metadata"]["labels"][labels.REVISION]
        alive = [pod for pod in by_revision[revision] if "deletionTimestamp" not in pod["metadata"]]
        failures = [*_pods_denied(raw), *(failure for pod in alive if (failure := _failure(pod)))]
        found[revision] = Pods(
            wanted=raw["spec"].get("replicas", 1),
            there=len(alive),
            ready=sum(_condition(pod, "Ready") == "True" for pod in alive),
            failure=max(failures, key=lambda found: (found.denied, found.permanent, found.crashes), default=None),
            verified=any(_fetched(pod) for pod in alive),
        )
    return found


def _pods_denied(deployment: Raw) -> Iterable[Failure]:
    """Yield why the API server refuses pods of a Deployment, as its controller was told."""
    for condition in deployment.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            yield Failure(denials.PODS, denials.short(condition.get("message", "")))


def _condition(raw: Raw, type_: str) -> str:
    conditions = raw.get("status", {}).get("conditions", ())
    return next((entry["status"] for entry in conditions if entry["type"] == type_), "Unknown")


def _statuses(pod: Raw) -> Iterable[tuple[Raw, Raw | None]]:
    """Yield each container's status with how it last ended, None while it never did."""
    status = pod.get("status", {})
    for entry in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        yield entry, entry.get("state", {}).get("terminated") or entry.get("lastState", {}).get("terminated")


def _fetched(pod: Raw) -> bool:
    return any(
        entry["name"] == pods.FETCHER and ended is not None and ended.get("exitCode") == 0
        for entry, ended in _statuses(pod)
    )


def _failure(pod: Raw) -> Failure | None:
    for entry, ended in _statuses(pod):
        if ended is not None and ended.get("exitCode") != 0:
            return _ended(entry, ended)
        waiting = entry.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return Failure(_word(waiting["reason"]), waiting.get("message", "")[-_MESSAGE:], entry["name"])
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Failure(_word(condition.get("reason", "Unschedulable")), condition.get("message", "")[-_MESSAGE:])
    return None


def _ended(entry: Raw, ended: Raw) -> Failure:
    text = ended.get("message", "").strip()
    said = _json(text)
    # A restart is counted when the next try begins, so the end before it is one more.
    waits = "running" not in entry.get("state", {})
    return Failure(
        reason=_word(str(said.get("reason") or ended.get("reason") or "")),
        message=str(said.get("message") or text)[-_MESSAGE:],
        container=entry["name"],
        exit_code=ended.get("exitCode"),
        crashes=entry.get("restartCount", 0) + (1 if waits else 0),
        expected=str(said.get("expected") or ""),
        found=str(said.get("found") or ""),
    )


def _word(text: str) -> str:
    """Return a text as a condition's reason may be written; what a container says is not to be trusted."""
    return re.sub(r"^[^A-Za-z]+|[^A-Za-z0-9]", "", text)[:64] or "Error"


def _json(text: str) -> Raw:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _route(deployment: str, raw: Raw) -> Route:
    notes = raw["metadata"].get("annotations", {})
    accepted, problem = _acceptance(raw) if raw["kind"] == "HTTPRoute" else (True, "")
    step = notes.get(labels.STEP, "0")
    return Route(
        weights=_weights(deployment, raw),
        accepted=accepted,
        problem=problem,
        active=notes.get(labels.ACTIVE, ""),
        target=notes.get(labels.TARGET, ""),
        step=int(step) if step.isdecimal() else 0,
        started_at=notes.get(labels.STARTED_AT, ""),
    )


def _weights(deployment: str, raw: Raw) -> dict[str, int]:
    if raw["kind"] == "Service":
        revision = raw["spec"].get("selector", {}).get(labels.REVISION)
        return {revision: 100} if revision else {}
    prefix = labels.child_name(deployment, "")
    backends = [entry for rule in raw["spec"].get("rules", ()) for entry in rule.get("backendRefs", ())]
    # The rules of single versions come first and have one backend each; the last rule splits.
    split = raw["spec"]["rules"][-1].get("backendRefs", ()) if backends else ()
    return {entry["name"].removeprefix(prefix): entry.get("weight", 1) for entry in split}


def _acceptance(raw: Raw) -> tuple[bool, str]:
    """Tell whether every gateway that the route names takes this very generation of it, and if not, why."""
    parents = raw.get("status", {}).get("parents", ())
    if len(parents) < len(raw["spec"].get("parentRefs", ())):
        return False, "no gateway has taken the route yet"
    for parent in parents:
        for type_ in ("Accepted", "ResolvedRefs"):
            found = next((entry for entry in parent.get("conditions", ()) if entry["type"] == type_), None)
            if found is None or found.get("observedGeneration", 0) < raw["metadata"].get("generation", 0):
                return False, f"the gateway has not looked at generation {raw['metadata'].get('generation')} yet"
            if found["status"] != "True":
                return False, f"{found.get('reason', type_)}: {found.get('message', '')}"
    return True, ""
