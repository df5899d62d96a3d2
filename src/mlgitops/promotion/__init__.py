"""Everything that can answer "not now" to a promotion; pure.

``judge`` takes a change of one stage and everything known about it, and returns one
verdict a rule or gate. Missing data is never a pass: it is *inconclusive*, and the reason
names the command that would bring the data.
"""

from mlgitops.promotion.change import Change, Held
from mlgitops.promotion.evaluation import EVALUATED, Evaluation, MetricValue
from mlgitops.promotion.judge import judge
from mlgitops.promotion.verdict import Outcome, Verdict, passed

__all__ = ["EVALUATED", "Change", "Evaluation", "Held", "MetricValue", "Outcome", "Verdict", "judge", "passed"]
