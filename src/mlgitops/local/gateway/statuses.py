"""What the gateway writes to the API server: the status of its class, its Gateways and the routes on them.

The documents are computed by pure functions and written only when they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlgitops.local.bootstrap import CONTROLLER
from mlgitops.local.gateway import attachment
from mlgitops.local.gateway.attachment import Judgement, Objects

Raw = dict[str, Any]


def route_parents(route: Raw, gateways: Objects, services: Objects, now: str) -> list[Raw]:
    """Return an HTTPRoute's ``status.parents``: ours computed anew, those of other controllers as they are."""
    before = route.get("status", {}).get("parents", [])
    known = {_reference_key(one["parentRef"]): one for one in before if one["controllerName"] == CONTROLLER}
    others = [one for one in before if one["controllerName"] != CONTROLLER]
    ours = []
    for reference, gateway in attachment.parents(route, gateways):
        judgements = (attachment.accepted(route, reference, gateway), attachment.resolved(route, services))
        was = known.get(_reference_key(reference), {}).get("conditions", [])
        conditions = merged(was, judgements, route["metadata"]["generation"], now)
        ours.append({"parentRef": reference, "controllerName": CONTROLLER, "conditions": conditions})
    return others + ours


def gateway_status(gateway: Raw, attached: Mapping[str | None, int], address: str, now: str) -> Raw:
    """Return a Gateway's status; ``attached`` counts routes by the listener that they name, None for all."""
    before = gateway.get("status", {})
    was = {one["name"]: one["conditions"] for one in before.get("listeners", [])}
    generation = gateway["metadata"]["generation"]
    fine = [Judgement(name, name, "", True) for name in ("Accepted", "Programmed")]
    listener_fine = [*fine, Judgement("ResolvedRefs", "ResolvedRefs", "", True)]
    listeners = [
        {
            "name": one["name"],
            "attachedRoutes": attached.get(one["name"], 0) + attached.get(None, 0),
            "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
            "conditions": merged(was.get(one["name"], []), _judged(one, listener_fine), generation, now),
        }
        for one in gateway["spec"]["listeners"]
    ]
    return {
        "addresses": [{"type": "IPAddress", "value": address}],
        "conditions": merged(before.get("conditions", []), fine, generation, now),
        "listeners": listeners,
    }


def class_conditions(gateway_class: Raw, now: str) -> list[Raw]:
    """Return the conditions of our GatewayClass."""
    before = gateway_class.get("status", {}).get("conditions", [])
    accepted = [Judgement("Accepted", "Accepted", "", True)]
    return merged(before, accepted, gateway_class["metadata"]["generation"], now)


def merged(before: Iterable[Raw], judgements: Iterable[Judgement], generation: int, now: str) -> list[Raw]:
    """Return conditions for judgements; a condition keeps its time as long as its status stays."""
    was = {one["type"]: one for one in before}
    conditions = []
    for judgement in judgements:
        status = "True" if judgement.holds else "False"
        old = was.get(judgement.type, {})
        conditions.append(
            {
                "type": judgement.type,
                "status": status,
                "reason": judgement.reason,
                "message": judgement.message,
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == status else now,
            }
        )
    return conditions


def _judged(listener: Raw, fine: list[Judgement]) -> list[Judgement]:
    if listener["protocol"] == "HTTP":
        return fine
    refusal = Judgement("Accepted", "UnsupportedProtocol", "only HTTP is implemented here", False)
    return [refusal, Judgement("Programmed", "Invalid", "not accepted", False), fine[-1]]


def _reference_key(reference: Raw) -> tuple[object, ...]:
    return tuple(reference.get(field) for field in ("namespace", "name", "sectionName", "port"))
