from __future__ import annotations

import importlib.util
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HARNESS = Path(__file__).parents[3] / "bench" / "harness.py"


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The harness, and a bench named ``demo`` whose figures the tests set."""
    spec = importlib.util.spec_from_file_location("harness", HARNESS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "harness", module)
    spec.loader.exec_module(module)
    bench = types.ModuleType("demo")
    monkeypatch.setitem(sys.modules, "demo", bench)
    yield module


def figures(harness: ModuleType, order: list[str], **values: list[float]) -> None:
    """Let ``demo`` measure one metric whose rounds yield the given values."""
    left = {who: iter(found) for who, found in values.items()}

    def measure(who: str) -> float:
        order.append(who)
        return next(left[who])

    measures = {who: (lambda who=who: measure(who)) for who in values}
    ours = measures.pop("ours")
    sys.modules["demo"].METRICS = (  # type: ignore[attr-defined]
        harness.Metric("speed", "1/s", "higher", ours, measures, goal=">=5x", rounds=(3, 1)),
        harness.Metric("other", "s", "lower", lambda: 1.0, rounds=(1, 1)),
    )


def test_json_is_one_object_with_medians_and_spread(harness: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    figures(harness, [], ours=[5.0, 1.0, 3.0], peer=[2.0, 2.0, 8.0])
    assert harness.main(["demo", "--json", "--only", "speed"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "bench": "demo",
        "results": [
            {
                "metric": "speed",
                "unit": "1/s",
                "better": "higher",
                "ours": 3.0,
                "peers": {"peer": 2.0},
                "goal": ">=5x",
                "spread": {"ours": [1.0, 5.0], "peer": [2.0, 8.0]},
            }
        ],
    }
    assert "speed ours round 3: 3" in told.err


def test_rounds_of_ours_and_peers_alternate(harness: ModuleType) -> None:
    order: list[str] = []
    figures(harness, order, ours=[1.0] * 3, peer=[1.0] * 3)
    harness.main(["demo", "--json", "--only", "speed"])
    assert order == ["ours", "peer"] * 3


def test_quick_cuts_rounds_and_no_peers_leaves_them_out(harness: ModuleType) -> None:
    order: list[str] = []
    figures(harness, order, ours=[1.0], peer=[1.0])
    assert harness.main(["demo", "--quick", "--peers", "none", "--only", "speed"]) == 0
    assert order == ["ours"]


def test_what_cannot_be_measured_is_null_and_the_exit_code(
    harness: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[str] = []
    figures(harness, order, ours=[], peer=[2.0, 2.0, 2.0])
    assert harness.main(["demo", "--json"]) == 1
    speed, other = json.loads(capsys.readouterr().out)["results"]
    assert (speed["ours"], speed["peers"], other["ours"]) == (None, {"peer": 2.0}, 1.0)
    assert order == ["ours", "peer", "peer", "peer"]


def test_an_unknown_metric_is_refused(harness: ModuleType) -> None:
    figures(harness, [], ours=[1.0])
    with pytest.raises(SystemExit, match="unknown metric nothing; known: speed, other"):
        harness.main(["demo", "--only", "nothing"])
