"""Everything that can answer "not now" to a promotion; pure.

``judge`` takes a change of one stage and everything known about it, and returns one
verdict a rule or gate. Missing data is never a pass: it is *inconclusive*, and the reason
names the command that would bring the data.
"""

from mlgitops.promotion.approvals import Review
from mlgitops.promotion.change import Change, Held
from mlgitops.promotion.evaluation import EVALUATED, Evaluation, MetricValue
from mlgitops.promotion.gates import metric_gate
from mlgitops.promotion.judge import judge
from mlgitops.promotion.rules import refuses_unclean, trained_from
from mlgitops.promotion.service import BECAME_UNHEALTHY, ROLLED_OUT, Service
from mlgitops.promotion.verdict import Outcome, Verdict, passed

__all__ = [
    "BECAME_UNHEALTHY",
    "EVALUATED",
    "ROLLED_OUT",
    "Change",
    "Evaluation",
    "Held",
    "MetricValue",
    "Outcome",
    "Review",
    "Service",
    "Verdict",
    "judge",
    "metric_gate",
    "passed",
    "refuses_unclean",
    "trained_from",
]
