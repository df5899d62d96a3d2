"""A team's index in a folder and in a real S3 server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlgitops import tracking
from mlgitops.artifacts import open_store
from mlgitops.cli import index as index_cli
from mlgitops.cli import search as search_cli
from mlgitops.errors import InputError, IntegrityError, NotFoundError, OutsideError
from mlgitops.tracking.query.rows import decode, encode
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.query.team import parts, shelf
from mlgitops.tracking.query.team.checked import checked
from mlgitops.tracking.records import LoggedModel
from mlgitops.tracking.run import Run
from servers.s3 import S3, s3, s3_server
from tracking_runs import new_run

__all__ = ["s3", "s3_server"]


@pytest.fixture(autouse=True)
def machine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what goes to somebody's machine, whose cache is empty at first."""
    if "uri" in request.fixturenames:
        request.getfixturevalue("uri")  # first, because the server's program is kept in the real cache

    def go(name: str) -> None:
        monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / f"cache-{name}"))

    go("first")
    return go


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        server: S3 = request.getfixturevalue("s3")
        return f"{server.uri}/team/index"
    return (tmp_path / "team index").as_uri()


def a_run(root: Path, name: str, **metrics: float) -> Run:
    run = new_run(root, name)
    run.log_metrics(metrics)
    run.end()
    return run


def names(uri: str, text: str = "", **options: object) -> list[str]:
    return [run.name for run in search_runs(text, team_index=uri, **options)]  # type: ignore[arg-type]


def test_a_colleague_finds_what_others_indexed(uri: str, tmp_path: Path, machine: Callable[[str], None]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    a_run(first, "low", loss=0.1)
    a_run(first, "high", loss=0.9)
    assert shelf.publish(uri, first) == shelf.Published(runs=2, files=5, uploaded=5)
    machine("second")
    a_run(second, "middle", loss=0.5)
    shelf.publish(uri, second)
    machine("third")
    assert names(uri, "metrics.loss < 0.8", order_by="metrics.loss desc") == ["middle", "low"]
    assert len(search_runs(team_index=uri).group_by("experiment").groups[0].runs) == 3


def test_indexing_again_sends_what_changed_only(uri: str, tmp_path: Path) -> None:
    a_run(tmp_path, "first")
    assert shelf.publish(uri, tmp_path).uploaded == 5
    assert shelf.publish(uri, tmp_path).uploaded == 0
    a_run(tmp_path, "second")
    assert 0 < shelf.publish(uri, tmp_path).uploaded <= 5
    assert names(uri) == ["second", "first"]


def test_a_run_in_two_roots_is_found_once_as_the_newest_index_has_it(tmp_path: Path) -> None:
    uri = (tmp_path / "index").as_uri()
    run = new_run(tmp_path / "here", "run")
    run.log_metric("loss", 1.0)
    shelf.publish(uri, tmp_path / "here")
    (tmp_path / "there").mkdir()
    run.log_metric("loss", 2.0)
    run.end()
    (tmp_path / "here" / "runs").rename(tmp_path / "there" / "runs")
    (shard,) = open_store(uri).list("shards")
    old = json.loads(open_store(uri).get(shard)) | {"made_at": "2026-01-01T00:00:00.000Z"}
    open_store(uri).put(shard, json.dumps(old).encode())
    shelf.publish(uri, tmp_path / "there")
    assert [(run.status, run.metrics["loss"].last) for run in search_runs(team_index=uri)] == [("finished", 2.0)]
    assert names(uri, "metrics.loss = 1") == []


def test_an_index_of_no_runs_answers_and_no_index_is_told(tmp_path: Path) -> None:
    uri = (tmp_path / "index").as_uri()
    with pytest.raises(NotFoundError, match="make it with: mlgitops index --to"):
        names(uri)
    shelf.publish(uri, tmp_path / "nothing")
    assert names(uri, "metrics.loss > 0", order_by="params.C") == []


def test_a_root_beside_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a root or an index, not both"):
        names((tmp_path / "index").as_uri(), root=tmp_path)


def test_parts_that_nobody_names_go_when_no_reader_can_be_about_to_fetch_them(tmp_path: Path) -> None:
    store = open_store((tmp_path / "index").as_uri())
    a_run(tmp_path, "first")
    shelf.publish(store.uri, tmp_path)
    before = set(store.list("parts"))
    a_run(tmp_path, "second")
    shelf.publish(store.uri, tmp_path)
    now = set(store.list("parts"))
    assert before < now
    for key in before:
        os.utime(store.location.path / key, (1, 1))
    shelf.publish(store.uri, tmp_path)
    assert len(store.list("parts")) == 5
    assert names(store.uri) == ["second", "first"]


def test_a_chunk_that_gains_a_run_leaves_the_others_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHUNK", 16)
    ids = [f"01{number:024d}" for number in range(1000)]
    before = {tuple(chunk) for chunk in parts.chunks(ids)}
    after = {tuple(chunk) for chunk in parts.chunks(sorted([*ids, "010000000000000000000005AB"]))}
    assert len(before) > 20
    assert len(after - before) <= 2
    assert sorted(run_id for chunk in before for run_id in chunk) == ids


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 99}, "is of format 99, known is 1"),
        ({"parts": [{"runs": "../../etc/passwd"}]}, "is no index of runs"),
        ({"parts": []}, "is no index of runs"),
        ({"made_at": 5}, "is no index of runs"),
    ],
)
def test_a_shard_that_is_none_is_refused(change: dict[str, object], complaint: str, tmp_path: Path) -> None:
    store = open_store((tmp_path / "index").as_uri())
    shelf.publish(store.uri, tmp_path)
    (shard,) = store.list("shards")
    store.put(shard, json.dumps(json.loads(store.get(shard)) | change).encode())
    with pytest.raises(InputError, match=complaint):
        names(store.uri)


def test_a_part_is_what_its_name_says_or_an_error(tmp_path: Path) -> None:
    store = open_store((tmp_path / "index").as_uri())
    shelf.publish(store.uri, tmp_path)
    part = next(iter(store.list("parts")))
    store.put(part, b"other bytes")
    with pytest.raises(IntegrityError, match="expected digest sha256:"):
        names(store.uri)


def test_a_part_that_is_no_parquet_or_has_other_columns_is_an_error(tmp_path: Path) -> None:
    store = open_store((tmp_path / "index").as_uri())
    shelf.publish(store.uri, tmp_path)
    (shard,) = store.list("shards")
    raw = json.loads(store.get(shard))
    raw["parts"][0]["runs"] = raw["parts"][0]["texts"]
    store.put(shard, json.dumps(raw).encode())
    with pytest.raises(OutsideError, match="the index cannot be read"):
        names(store.uri)


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"C": [1]}},
        {"tags": ["x"]},
        {"id": "../../etc"},
        {"name": None},
        {"seeds": {"numpy": True}},
        {"id": 7},
    ],
)
def test_a_record_with_values_of_other_types_is_an_error(change: dict[str, object], tmp_path: Path) -> None:
    record = tracking.read(a_run(tmp_path, "run").folder)
    text = json.dumps(json.loads(encode(record)) | change)
    with pytest.raises(ValueError, match="record"):
        checked(decode(text, {}, tmp_path))


def test_paths_that_leave_a_record_are_left_out(tmp_path: Path) -> None:
    record = tracking.read(a_run(tmp_path, "run").folder)
    paths = ("/etc", "../x", "a/../../x", "", "models/iris")
    models = tuple(LoggedModel("iris", path, "sha256:" + "a" * 64, "onnx") for path in paths)
    assert [model.path for model in checked(replace(record, models=models)).models] == ["models/iris"]


def test_the_commands_index_and_search(tmp_path: Path) -> None:
    uri = (tmp_path / "index").as_uri()
    a_run(tmp_path, "run", loss=0.5)
    done = CliRunner().invoke(index_cli.app, ["--to", uri, "--root", str(tmp_path)], catch_exceptions=False)
    assert done.stdout == f"1 runs in {uri}, 5 of 5 files were new\n"
    command = ["metrics.loss > 0", "--index", uri, "-c", "name"]
    lines = CliRunner().invoke(search_cli.app, command, catch_exceptions=False).stdout.splitlines()
    assert lines[1].split()[1] == "run"
