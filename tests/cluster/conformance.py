"""What conditions must look like, whatever they are about (Flux's rules, as kstatus reads them)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from mlgitops import api, kube
from mlgitops.operator import kinds

ABNORMAL = ("Reconciling", "Stalled")


def violations(raw: dict[str, Any]) -> list[str]:
    """Return every rule that an object's status breaks; nothing for one that was not looked at yet."""
    status = raw.get("status", {})
    generation = raw["metadata"]["generation"]
    if status.get("observedGeneration", -1) == -1:
        return []
    conditions = status.get("conditions", [])
    by_type = {condition["type"]: condition for condition in conditions}
    found = []
    if len(by_type) != len(conditions):
        found.append("a type stands there twice")
    if status["observedGeneration"] > generation:
        found.append("observedGeneration is ahead of the object")
    if "Ready" not in by_type:
        return [*found, "there is no Ready"]
    for condition in conditions:
        if condition.get("observedGeneration", 0) > status["observedGeneration"]:
            found.append(f"{condition['type']} is ahead of the status")
        if not condition["reason"] or not condition["lastTransitionTime"]:
            found.append(f"{condition['type']} lacks a reason or a time")
        if condition["type"] in ABNORMAL and condition["status"] != "True":
            found.append(f"{condition['type']} stands there although it is {condition['status']}")
    present = [by_type[type_] for type_ in ABNORMAL if type_ in by_type]
    ready = by_type["Ready"]
    if len(present) == 2:
        found.append("Stalled and Reconciling stand there together")
    if ready["status"] == "True" and present:
        found.append(f"Ready is True beside {present[0]['type']}")
    # An override that is over is neither waiting nor stuck; it is just not in force.
    reasons = {"Expired", *(worst["reason"] for worst in present)}
    if ready["status"] != "True" and ready["reason"] not in reasons:
        found.append(f"Ready's reason {ready['reason']} is not that of what is worst")
    return found


def check(*raws: dict[str, Any]) -> None:
    """Fail with every broken rule of every object."""
    broken = {f"{raw['kind']} {raw['metadata']['name']}": violations(raw) for raw in raws}
    assert not any(broken.values()), {name: rules for name, rules in broken.items() if rules}


@contextlib.asynccontextmanager
async def witnessed(session: kube.Session, namespace: str) -> AsyncIterator[None]:
    """Judge every status that anybody writes for our kinds in a namespace, from the first to the last.

    A test that waits for one state sees only the states it asks for; those on the way must conform too.
    """
    broken: dict[str, list[str]] = {}

    def judge(change: kube.Change) -> None:
        if change.new and (rules := violations(change.new)):
            version = change.new["metadata"]["resourceVersion"]
            broken[f"{change.resource.kind} {change.key[1]} at {version}"] = rules

    async with contextlib.AsyncExitStack() as watching:
        for resource in kinds.OUR_KINDS:
            if api.KINDS[resource.kind].reconciled:
                reflector = kube.Reflector(session, resource, namespace)
                reflector.subscribe(judge)
                await watching.enter_async_context(reflector)
        yield
    assert not broken, broken
