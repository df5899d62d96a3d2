from __future__ import annotations

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mlgitops
from mlgitops.cli import compare, comparing
from mlgitops.cli.curves import BLOCKS, blocks, svg
from mlgitops.errors import NotFoundError
from mlgitops.tracking.query import comparison
from mlgitops.tracking.query.charts import Chart, Outline
from mlgitops.tracking.query.stretches import point
from tracking_runs import write_as

EVIL = "\x1b[31m</script><script>alert(1)</script>`|[x](javascript:1)\u202e\n"


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "records"))
    monkeypatch.chdir(tmp_path)


def a_run(rate: float, *, evil: bool = False) -> str:
    with mlgitops.start_run("name", experiment="experiment") as run:
        mlgitops.log_params({"rate": rate, "solver": "adam"})
        for step in range(8):
            mlgitops.log_metric("loss", 1 - rate * step / 7)
        if evil:
            mlgitops.log_param(EVIL, EVIL)
            mlgitops.log_metrics({EVIL: 1.0})
            mlgitops.log_metrics({EVIL: 2.0})
    return run.id


def a_chart(*lines: list[tuple[int, float]]) -> Chart:
    return Chart("m", tuple(Outline(run, "", [point(*one) for one in line]) for run, line in enumerate(lines)))


def a_curve(*points: tuple[int, float]) -> Chart:
    return a_chart([*points])


def told(*arguments: str) -> str:
    return CliRunner().invoke(compare.app, list(arguments), catch_exceptions=False).stdout


def test_the_table_shows_what_differs_and_the_curves_on_one_scale() -> None:
    first, second = a_run(1.0), a_run(0.5)
    lines = told(first, second).splitlines()
    assert lines[0].split() == [first, second]
    assert ["rate", "1", "0.5"] in [line.split() for line in lines]
    assert not [line for line in lines if "solver" in line]
    assert any(line.endswith("more are the same in all 2 runs; see them with --all") for line in lines)
    assert lines[-3:] == [
        "loss  (0 to 1, steps 0 to 7)",
        f"  {first}  █▇▆▅▄▃▂▁",
        f"  {second}  ██▇▇▆▆▅▅",
    ]


def test_all_shows_what_is_the_same_too() -> None:
    first, second = a_run(1.0), a_run(0.5)
    assert ["solver", "adam", "adam"] in [line.split() for line in told(first, second, "--all").splitlines()]


def test_json_has_every_value_and_point() -> None:
    first, second = a_run(1.0), a_run(math.inf)
    found = json.loads(
        told(first, second, "-o", "json"), parse_constant=lambda name: pytest.fail(f"{name} is not JSON")
    )
    assert found["runs"] == [first, second]
    rows = {(row["group"], row["name"]): row["values"] for row in found["rows"]}
    assert rows["params", "rate"] == [1.0, "inf"]
    assert rows["metrics", "loss"][1]["min"] == "-Infinity"
    assert found["curves"][0]["series"][0][7] == [7, 0.0]


def test_hostile_text_is_inert_on_a_terminal_and_in_markdown() -> None:
    first, second = a_run(1.0, evil=True), a_run(0.5)
    terminal, markdown = told(first, second), told(first, second, "--markdown")
    for text in (terminal, markdown):
        assert not {"\x1b", "\u202e"} & set(text)
    for line in markdown.splitlines():
        if "script" in line and line.startswith("|"):
            assert line.startswith(("| Parameters ``[31m", "| Metrics ``[31m"))  # a span that one backtick ends not
            assert line.replace("\\|", "").count("|") == 4
    assert markdown.count("```") == 4  # two curves, whose titles close no fence


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_has_every_run_a_chart_and_nothing_that_runs_or_loads(tmp_path: Path) -> None:
    first, second = a_run(1.0, evil=True), a_run(0.5)
    told(first, second, "--html", "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    parser = Tags()
    parser.feed(page)
    names = {tag for tag, _ in parser.found}
    assert not names & {"script", "img", "link", "a", "iframe", "object"}
    assert not [attrs for _, attrs in parser.found if any(name.startswith("on") or name == "src" for name in attrs)]
    assert [tag for tag, _ in parser.found].count("svg") == 2
    assert first in page
    assert second in page
    assert "&lt;script&gt;alert(1)" in page


def test_writers_of_one_metric_are_drawn_apart_and_named(tmp_path: Path) -> None:
    with mlgitops.start_run("ranks") as run:
        write_as(run.folder, '"role":"member","rank":1', [1.0, 0.0])
        write_as(run.folder, '"role":"member"', [0.0, 0.0]).removeprefix("w-")
        mlgitops.log_metric("loss", 0.0)
        mlgitops.log_metric("loss", 1.0)
    alone = a_run(1.0)
    names = [f"{run.id} owner", f"{run.id} rank 1", f"{run.id} elsewhere-2", f"{alone}"]
    lines = told(run.id, alone).splitlines()[-4:]
    assert [line.strip().rstrip("▁▂▃▄▅▆▇█ ") for line in lines] == names
    assert [line.endswith(end) for line, end in zip(lines[:3], ("▁█", "█▁", "▁▁"), strict=True)] == [True] * 3
    (curve,) = json.loads(told(run.id, alone, "-o", "json"))["curves"]
    assert curve["series"][0] == [[0, 0.0], [1, 1.0]]
    assert curve["others"][0] == {"run": run.id, "writer": "rank 1", "points": [[0, 1.0], [1, 0.0]]}
    told(run.id, alone, "--html", "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert f"; {run.id}: owner, faint rank 1, elsewhere-2<" in page
    assert page.count('opacity="0.4"') == 2


def test_digests_are_whole_but_on_a_terminal(tmp_path: Path) -> None:
    ids = []
    for content in ("a\n1\n", "a\n2\n"):
        (tmp_path / "data.csv").write_text(content)
        with mlgitops.start_run() as run:
            mlgitops.log_dataset(tmp_path / "data.csv", "data")
        ids.append(run.id)
    digests = [mlgitops.tracking.read(tmp_path / "records" / "runs" / run_id).datasets[0].digest for run_id in ids]
    for text in (told(*ids), told(*ids, "--markdown")):
        assert all(digest in text for digest in digests)
    found = comparison.compare(ids)
    assert [f"{digest[:19]}…" for digest in digests] == comparing.text(
        found, [], everything=False, width=200, cut=True
    ).splitlines()[-3].split()[1:]


def test_a_run_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFoundError, match="has no run '01NOTHERE'"):
        told(a_run(1.0), "01NOTHERE")


def test_a_run_with_many_metrics_shows_some_curves_and_says_so() -> None:
    ids = []
    for _ in range(2):
        with mlgitops.start_run() as run:
            for _ in range(2):
                mlgitops.log_metrics({f"m{number:03d}": float(number) for number in range(30)})
        ids.append(run.id)
    done = CliRunner().invoke(compare.app, ids, catch_exceptions=False)
    assert done.stdout.count("steps 0 to 1") == 12
    assert "the curves of 12 of 30 metrics" in done.stderr
    assert told(*ids, "--metric", "m029").count("steps 0 to 1") == 1


def test_a_column_is_the_mean_of_its_points_blank_without_and_marked_when_none_is_finite() -> None:
    curve = a_curve((0, 0.0), (1, 2.0), (2, math.nan), (6, 8.0), (7, 8.0))
    assert blocks(curve, 4) == ("▁! █".replace("▁", BLOCKS[1]),)
    assert blocks(a_chart([(5, 1.0)], []), 10) == (BLOCKS[4], " ")
    assert blocks(a_curve((0, -1e308), (1, 1e308)), 2) == (BLOCKS[0] + BLOCKS[-1],)


def test_a_chart_keeps_peaks_and_breaks_lines_where_values_are_not_finite() -> None:
    points = [(step, 1.0 if step == 5_001 else 0.0) for step in range(10_000)]
    chart = svg(a_curve(*points))
    assert ",0.0 " in chart  # the top
    assert chart.count(",") < 2_000
    broken = svg(a_curve((0, 0.0), (1, 1.0), (2, math.inf), (3, 1.0)))
    assert (broken.count("<polyline"), broken.count("<circle")) == (1, 1)


def test_more_runs_than_fit_side_by_side_are_shown_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [a_run(number / 10) for number in range(1, 8)]
    monkeypatch.setenv("COLUMNS", "100")
    lines = told(*runs).splitlines()
    assert [line.split() for line in lines if line.startswith("    ") and line.split()[0] in runs] == [
        runs[0:3],
        runs[3:6],
        runs[6:7],
    ]
    assert [line.split()[1:] for line in lines if line.startswith("  rate ")] == [
        ["0.1", "0.2", "0.3"],
        ["0.4", "0.5", "0.6"],
        ["0.7"],
    ]
    assert max(map(len, lines)) <= 100


def test_missing_metrics_nan_and_contexts_are_shown_as_they_are() -> None:
    with mlgitops.start_run("first") as first:
        mlgitops.log_metric("loss", math.nan)
        mlgitops.log_metric("loss", 0.5, context={"subset": "val"})
    with mlgitops.start_run("second") as second:
        mlgitops.log_metric("loss", math.nan)
    lines = [line.split() for line in told(first.id, second.id).splitlines()]
    assert ["loss{subset=val}", "0.5", "-"] in lines
    assert "loss" not in [line[0] for line in lines if line]  # NaN in both is no difference
