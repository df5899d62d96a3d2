"""What every controller needs and no kind of ours: queue, workers, guard, lease, clock.

How a reconciler plugs in stands in ``controller``.
"""

from mlgitops.operator.runtime.caches import Caches, Index
from mlgitops.operator.runtime.controller import Context, Controller, Recorder, Watch, owned_by
from mlgitops.operator.runtime.lease import Lease, LeaseLost
from mlgitops.operator.runtime.manager import Manager
from mlgitops.operator.runtime.outcomes import Result, Retry, Stalled, Waiting
from mlgitops.operator.runtime.queue import Queue, back_off
from mlgitops.operator.runtime.schedule import Priority

__all__ = [
    "Caches",
    "Context",
    "Controller",
    "Index",
    "Lease",
    "LeaseLost",
    "Manager",
    "Priority",
    "Queue",
    "Recorder",
    "Result",
    "Retry",
    "Stalled",
    "Waiting",
    "Watch",
    "back_off",
    "owned_by",
]
