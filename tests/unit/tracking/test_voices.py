"""Several processes that log one metric into one run are told apart."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.cli.run_page import page
from mlgitops.tracking import RunRecord
from mlgitops.tracking.points import writers
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.records import Shared
from tracking_runs import new_run, write_as

Script = Callable[..., subprocess.Popen[str]]

FORKED = """
import os, mlgitops
with mlgitops.start_run(join=os.environ["JOINED"]) as run:
    for step in range(2):
        run.log_metric("loss", 1.0)
    child = os.fork()
    if not child:
        run.log_metric("loss", 9.0)
        os._exit(0)
    os.waitpid(child, 0)
"""


def said(record: RunRecord) -> Iterator[tuple[str, int | None, int, float]]:
    for point in tracking.read_points(record.folder, "loss"):
        yield point.writer, point.rank, point.step, point.value


@pytest.fixture
def ranks(root: Path) -> RunRecord:
    """A run whose owner logged the fewest steps, and two other ranks more."""
    run = new_run(root, "ranks")
    write_as(run.folder, '"role":"member","rank":2', [2.0, 1.0, 7.0])
    run.log_metric("loss", 5.0)
    write_as(run.folder, '"role":"member","rank":1', [3.0, 4.0])
    run.end()
    return tracking.read(run.folder)


def test_a_point_knows_its_writer_and_its_rank(ranks: RunRecord) -> None:
    assert sorted(said(ranks), key=lambda point: point[:3]) == [
        ("owner", None, 0, 5.0),
        ("rank 1", 1, 0, 3.0),
        ("rank 1", 1, 1, 4.0),
        ("rank 2", 2, 0, 2.0),
        ("rank 2", 2, 1, 1.0),
        ("rank 2", 2, 2, 7.0),
    ]
    assert [point.value for point in tracking.read_points(ranks.folder, writer="rank 1")] == [3.0, 4.0]


def test_the_last_value_is_the_owners_and_all_else_of_everybody(ranks: RunRecord) -> None:
    loss = ranks.metrics["loss"]
    assert (loss.last, loss.step) == (5.0, 0)
    assert (loss.min, loss.max, loss.count, loss.mean) == (1.0, 7.0, 6, pytest.approx(22 / 6))
    assert ranks.shared == {"loss": Shared(3, "owner")}
    assert "of 3 writers, the last is of owner" in page(ranks)


def test_a_search_says_the_same_of_a_run_that_ended_and_of_one_that_goes_on(root: Path, ranks: RunRecord) -> None:
    (found,) = search_runs("metrics.loss = 5 and metrics.loss.max = 7", root=root)
    assert (found.metrics, found.shared) == (ranks.metrics, ranks.shared)
    run = new_run(root, "live")
    run.log_metric("other", 1.0)
    rank = run.folder / write_as(run.folder, '"role":"member","rank":1', [3.0])
    assert search_runs("name = 'live' and metrics.loss = 3", root=root)[0].shared == {}
    run.log_metric("loss", 8.0)
    for step in (1, 2):
        (live,) = search_runs("name = 'live'", root=root)
        assert (live.metrics["loss"].last, live.shared) == (8.0, {"loss": Shared(2, "owner")})
        with rank.open("a") as file:
            file.write(f'{{"metric":"loss","value":4.0,"step":{step},"time":9e9}}\n')
    assert search_runs("name = 'live'", root=root)[0].metrics == tracking.read(run.folder).metrics
    run.end()


def test_of_ranks_without_an_owner_the_lowest_says_what_is_last_and_of_workers_the_highest_step(root: Path) -> None:
    run = new_run(root, "run")
    for who, losses in (('"rank":3', [1.0]), ('"rank":2', [2.0]), ('"rank":2,"worker":true', [5.0, 6.0])):
        write_as(run.folder, f'"role":"member",{who}', losses)
    run.end()
    record = tracking.read(run.folder)
    assert (record.metrics["loss"].last, record.shared["loss"]) == (2.0, Shared(3, "rank 2"))
    of_workers = new_run(root, "workers")
    for losses in ([1.0, 2.0], [5.0]):
        write_as(of_workers.folder, '"role":"member"', losses)
    of_workers.end()
    record = tracking.read(of_workers.folder)
    assert (record.metrics["loss"].last, record.shared["loss"]) == (2.0, Shared(2, ""))
    assert "of 2 writers, the last is of the highest step" in page(record)


def test_a_run_of_one_writer_shares_nothing_in_any_of_its_lives(root: Path) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_metric("loss", 1.0)
    with mlgitops.start_run(resume=run.id):
        mlgitops.log_metric("loss", 2.0)
    record = tracking.read(run.folder)
    assert list(said(record)) == [("owner", None, 0, 1.0), ("owner", None, 1, 2.0)]
    assert record.shared == {} and "shared" not in json.loads((run.folder / "run.json").read_text())


def test_steps_of_a_rank_go_on_in_its_next_life_and_its_forks_are_others(root: Path, script: Script) -> None:
    with mlgitops.start_run() as run:
        for _ in range(2):
            process = script(FORKED, RANK="1", JOINED=run.id)
            assert process.wait() == 0
    found = sorted(said(tracking.read(run.folder)))
    assert [point for point in found if point[0] == "rank 1"] == [("rank 1", 1, step, 1.0) for step in range(4)]
    workers = [point for point in found if point[0] != "rank 1"]
    assert [(rank, value) for _, rank, _, value in workers] == [(1, 9.0), (1, 9.0)]
    assert {writer for writer, *_ in workers} < {path.stem.removeprefix("w-") for path in writers(run.folder)}


def test_a_file_whose_first_line_says_nothing_is_read_as_the_owners(root: Path) -> None:
    with mlgitops.start_run() as run:
        (run.folder / "w-odd.jsonl").write_text('{"metric":"loss","value":1.0,"step":0,"time":1.0}\n')
        (run.folder / "w-evil.jsonl").write_text('{"writer":{"role":"member","rank":-1e9},"format":1,"time":1.0}\n')
        (run.folder / "w-none.jsonl").write_text("")
    assert list(said(tracking.read(run.folder))) == [("owner", None, 0, 1.0)]
