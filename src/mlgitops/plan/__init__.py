"""Desired children and the roll-out, as pure functions that CI and the operator share.

    inputs = resolve(deployment, catalog, now)          what git's objects ask for
    status = step(inputs, deployment.status, observe(…), now)   what is decided, and how things stand
    objects = children(inputs, status, revisions)       what the cluster shall hold

``step`` decides, the operator writes the status, ``children`` follows from the written
status. ``wake`` says when time alone could change a decision. ``diff`` shows a pull
request what all of this will do.
"""

from mlgitops.plan.arrival import GRACE
from mlgitops.plan.children import children, surplus
from mlgitops.plan.conditions import describe
from mlgitops.plan.denials import Denial
from mlgitops.plan.difference import Plan, diff, rendered
from mlgitops.plan.inputs import Blocked, Catalog, Inputs, override_ends, resolve
from mlgitops.plan.observed import Observed, observe
from mlgitops.plan.revisions import Revision, render
from mlgitops.plan.rollout import step, wake
from mlgitops.plan.summaries import override_status, stage_status

__all__ = [
    "GRACE",
    "Blocked",
    "Catalog",
    "Denial",
    "Inputs",
    "Observed",
    "Plan",
    "Revision",
    "children",
    "describe",
    "diff",
    "observe",
    "override_ends",
    "override_status",
    "render",
    "rendered",
    "resolve",
    "stage_status",
    "step",
    "surplus",
    "wake",
]
