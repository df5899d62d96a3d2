"""The metric gates of a PromotionPolicy."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from mlgitops.api import ModelVersion
from mlgitops.api.model import Metric
from mlgitops.api.policy import Gate
from mlgitops.promotion.change import Change
from mlgitops.promotion.evaluation import Evaluation
from mlgitops.promotion.verdict import Outcome, Verdict


def metric_gate(gate: Gate, change: Change, evaluations: Sequence[Evaluation]) -> Verdict:
    """Judge one metric: its bounds, and the challenger against the champion.

    Args:
        gate: the policy's gate.
        change: what is to be promoted.
        evaluations: verified statements about the challenger, newest first, by signers that the
            policy names for this kind of statement.
    """
    if gate.evidence == "Claimed":
        return _claimed(gate, change)
    champion = change.champion.spec.artifact.digest if change.champion else None
    usable = [
        found for found in evaluations if found.dataset == gate.dataset and gate.metric in found.challenger_metrics
    ]
    if not usable:
        return _missing(gate, change, f"no evaluation of {change.name} on data set {gate.dataset} gives {gate.metric}")
    if champion is None or gate.versus_champion is None:
        found = usable[0]
    else:
        paired = [e for e in usable if e.champion == champion and gate.metric in e.champion_metrics]
        if not paired:
            return _missing(gate, change, f"no evaluation compares {change.name} with what {change.stage} names now")
        found = paired[0]
    measured = found.challenger_metrics[gate.metric]
    figure = f"{gate.metric} {_short(measured.value)} on {gate.dataset} ({measured.samples} rows)"
    if _is_too_few(gate, measured.samples):
        return _missing(gate, change, f"{figure}; the policy wants {gate.min_samples} rows")
    rival = found.champion_metrics[gate.metric].value if champion and gate.versus_champion else None
    return _judge(gate, figure, measured.value, rival, f"statement {found.statement} by {found.signer}")


def _claimed(gate: Gate, change: Change) -> Verdict:
    claim = _claim(change.challenger, gate)
    if claim is None:
        return Verdict(gate.name, Outcome.INCONCLUSIVE, f"{change.name} claims no {gate.metric} on {gate.dataset}")
    if _is_too_few(gate, claim.samples):
        counted = "an unknown number of" if claim.samples is None else claim.samples
        reason = f"{change.name} claims {gate.metric} on {counted} rows; the policy wants {gate.min_samples}"
        return Verdict(gate.name, Outcome.INCONCLUSIVE, reason)
    value = Decimal(claim.value)
    against = _claim(change.champion, gate) if change.champion else None
    rival = Decimal(against.value) if against else None
    if change.champion and gate.versus_champion and rival is None:
        return Verdict(gate.name, Outcome.INCONCLUSIVE, f"the champion claims no {gate.metric} on {gate.dataset}")
    figure = f"{gate.metric} {_short(value)} on {gate.dataset} (claimed)"
    return _judge(gate, figure, value, rival, "the ModelVersion's claim")


def _claim(version: ModelVersion, gate: Gate) -> Metric | None:
    for metric in version.spec.metrics:
        if metric.name == gate.metric and (metric.dataset or gate.dataset) == gate.dataset:
            return metric
    return None


def _is_too_few(gate: Gate, samples: int | None) -> bool:
    return gate.min_samples is not None and (samples is None or samples < gate.min_samples)


def _missing(gate: Gate, change: Change, why: str) -> Verdict:
    command = f"mlgitops evaluate {change.name} --stage {change.stage} --dataset {gate.dataset}=FILE"
    return Verdict(gate.name, Outcome.INCONCLUSIVE, f"{why}; run: {command}")


def _judge(gate: Gate, figure: str, value: Decimal, rival: Decimal | None, evidence: str) -> Verdict:
    if gate.min is not None and value < Decimal(gate.min):
        return Verdict(gate.name, Outcome.FAIL, f"{figure} is below the minimum {gate.min}", evidence)
    if gate.max is not None and value > Decimal(gate.max):
        return Verdict(gate.name, Outcome.FAIL, f"{figure} is above the maximum {gate.max}", evidence)
    if gate.versus_champion is None:
        return Verdict(gate.name, Outcome.PASS, figure, evidence)
    if rival is None:
        return Verdict(gate.name, Outcome.PASS, f"{figure}; no champion to compare with", evidence)
    margin = Decimal(gate.versus_champion.margin)
    gain = value - rival if gate.better == "Higher" else rival - value
    comparison = f"{figure}, the champion has {_short(rival)}"
    if gain < margin:
        wanted = f"a margin of {_short(margin)} over it" if margin else "at least as good"
        return Verdict(gate.name, Outcome.FAIL, f"{comparison}; the policy wants {wanted}", evidence)
    return Verdict(gate.name, Outcome.PASS, comparison, evidence)


def _short(value: Decimal) -> str:
    return f"{value:.4g}"
