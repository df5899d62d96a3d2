"""The list of what is reconciled."""

from __future__ import annotations

from mlgitops.operator import deployments, overrides, sources, stages
from mlgitops.operator.runtime import Controller


def controllers() -> tuple[Controller, ...]:
    """Return a controller for each kind that has a status."""
    return tuple(module.controller() for module in (sources, deployments, stages, overrides))
