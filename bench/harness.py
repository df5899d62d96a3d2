"""What every bench shares: rounds that alternate, medians, and one way to report them."""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Measure = Callable[[], float]


@dataclass(frozen=True)
class Metric:
    """One figure: how to measure it once, ours and each peer's.

    ``goal`` is a bound (``<=12``, ``>=300``) or so many times the best peer (``<=1.2x``, ``>=5x``), empty when
    there is none; ``rounds`` is for a full run and for a quick one.
    """

    name: str
    unit: str
    better: str
    ours: Measure
    peers: Mapping[str, Measure] = field(default_factory=dict)
    goal: str = ""
    rounds: tuple[int, int] = (5, 3)


@dataclass
class Rounds:
    """What was measured for one metric, by who was measured."""

    metric: Metric
    values: dict[str, list[float]] = field(default_factory=dict)
    failed: bool = False

    def result(self) -> dict[str, Any]:
        """Return the metric as ``--json`` prints it."""
        medians = {who: statistics.median(found) for who, found in self.values.items() if found}
        return {
            "metric": self.metric.name,
            "unit": self.metric.unit,
            "better": self.metric.better,
            "ours": medians.pop("ours", None),
            "peers": medians,
            "goal": self.metric.goal or None,
            "spread": {who: [min(found), max(found)] for who, found in self.values.items() if found},
        }


def names() -> list[str]:
    """Return the names of the benches: the modules beside this one that measure something."""
    return sorted(
        path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in ("harness", "environments")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a bench as the command line asks; return the exit code."""
    options = _parse(arguments)
    bench = importlib.import_module(options.name)
    metrics = _chosen(bench.METRICS, options.only)
    rounds = []
    for metric in metrics:
        measured = measure(metric, quick=options.quick, peers=options.peers == "all")
        rounds.append(measured)
        if not options.json:
            print("\n".join(_text(measured.result())), flush=True)
    if options.json:
        print(json.dumps({"bench": options.name, "results": [measured.result() for measured in rounds]}))
    return int(any(measured.failed for measured in rounds))


def measure(metric: Metric, *, quick: bool, peers: bool) -> Rounds:
    """Measure one metric, round by round; who fails is told and left out of the further rounds."""
    todo: dict[str, Measure] = {"ours": metric.ours, **(metric.peers if peers else {})}
    measured = Rounds(metric, {who: [] for who in todo})
    for number in range(metric.rounds[quick]):
        for who in list(todo):
            began = time.monotonic()
            try:
                value = todo[who]()
            except Exception:
                measured.failed = True
                del todo[who]
                _progress(f"{metric.name} {who}: not measured\n{traceback.format_exc()}")
                continue
            measured.values[who].append(value)
            _progress(f"{metric.name} {who} round {number + 1}: {value:.6g} ({time.monotonic() - began:.1f} s)")
    return measured


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measure ours and peers, side by side.")
    parser.add_argument("name", choices=names(), help="what to measure")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, the same sizes")
    parser.add_argument("--json", action="store_true", help="print one JSON object; progress goes to standard error")
    parser.add_argument("--only", default="", help="only these metrics, by comma")
    parser.add_argument("--peers", choices=("all", "none"), default="all", help="measure the peers too")
    return parser.parse_args(arguments)


def _chosen(metrics: Sequence[Metric], only: str) -> list[Metric]:
    wanted = [name for name in only.split(",") if name]
    unknown = set(wanted) - {metric.name for metric in metrics}
    if unknown:
        raise SystemExit(f"unknown metric {', '.join(sorted(unknown))}; known: {', '.join(m.name for m in metrics)}")
    return [metric for metric in metrics if not wanted or metric.name in wanted]


def _text(result: Mapping[str, Any]) -> list[str]:
    title = f"{result['metric']} ({result['unit']}, {result['better']} is better"
    lines = [title + (f", goal {result['goal']})" if result["goal"] else ")")]
    for who, value in {"ours": result["ours"], **result["peers"]}.items():
        least, most = result["spread"].get(who, (None, None))
        shown = "not measured" if value is None else f"{value:>14.6g}   {least:.6g} … {most:.6g}"
        lines.append(f"  {who:<14}{shown}")
    return lines


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
