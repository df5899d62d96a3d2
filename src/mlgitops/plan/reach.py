"""How far the change of a shared object reaches: a runtime or a policy is used by many deployments."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from mlgitops.plan.inputs import Inputs

KINDS: Final = ("ServingRuntime", "PromotionPolicy")
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reach:
    """A changed runtime or policy: the deployments that use it before or after, and those that get new pods.

    Deployments are named ``<environment>/<name>``.
    """

    kind: str
    name: str
    deployments: tuple[str, ...]
    restarted: tuple[str, ...]


def reach(kind: str, name: str, sides: Collection[Mapping[Key, Inputs]], restarted: Collection[Key]) -> Reach:
    """Return who is touched by the change of one shared object.

    Args:
        kind: ServingRuntime or PromotionPolicy.
        name: the object's name.
        sides: what every deployment resolves to before and after, by environment and name.
        restarted: the deployments that get new pods.
    """
    users = sorted({key for side in sides for key, inputs in side.items() if name == _used(kind, inputs)})
    return Reach(
        kind, name, tuple(_place(key) for key in users), tuple(_place(key) for key in users if key in restarted)
    )


def _used(kind: str, inputs: Inputs) -> str | None:
    used = inputs.runtime if kind == "ServingRuntime" else inputs.policy
    return used.metadata.name if used else None


def _place(key: Key) -> str:
    return "/".join(part for part in key if part)
