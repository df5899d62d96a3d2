"""Records that somebody made by hand, to mislead or to harm."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlgitops import tracking
from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking.records import unreadable

RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def folder(root: Path) -> Path:
    made = root / "runs" / RUN
    made.mkdir(parents=True)
    return made


def write(folder: Path, *lines: object, **fields: object) -> tracking.RunRecord:
    head = {"format": 1, "id": RUN, "status": "running", "started_at": "2026-01-01T00:00:00.000Z", **fields}
    (folder / "run.json").write_text(json.dumps(head))
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "w-host-1-00.jsonl").write_text(text)
    return tracking.read(folder)


def model(**fields: str) -> dict[str, dict[str, str]]:
    return {"model": {"name": "m", "path": "models/m", "digest": DIGEST, "format": "skops", **fields}}


@pytest.mark.parametrize("path", ["../../../etc", "/etc", "models/../../..", "", "models/link/passwd"])
def test_a_model_outside_of_the_record_is_no_model(folder: Path, path: str) -> None:
    (folder / "models").mkdir()
    (folder / "models" / "link").symlink_to("/etc")
    assert write(folder, model(path=path)).models == ()
    assert write(folder, status="finished", models=[model(path=path)["model"]]).models == ()


def test_a_model_needs_a_name_and_a_digest(folder: Path) -> None:
    record = write(folder, model(digest="sha256:xyz"), model(name=""), model())
    assert [found.name for found in record.models] == ["m"]
    assert record.problems == ("2 damaged lines were left out",)


def test_a_model_that_was_logged_again_is_its_newest(folder: Path) -> None:
    other = "sha256:" + "1" * 64
    assert [found.digest for found in write(folder, model(), model(digest=other)).models] == [other]


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[1, 2]",
        '"text"',
        "{}",
        "[" * 100_000,
        '{"metric": 1, "value": 1.0, "step": 0, "time": 0.0}',
        '{"metric": "m", "value": "1.0", "step": 0, "time": 0.0}',
        '{"metric": "m", "value": true, "step": 0, "time": 0.0}',
        '{"metric": "m", "value": 1' + "0" * 400 + ', "step": 0, "time": 0.0}',
        '{"metric": "m", "value": 1.0, "step": 0.5, "time": 0.0}',
        '{"metric": "m", "value": 1.0, "step": true, "time": 0.0}',
        '{"param": {"a": 1}, "value": 1}',
        '{"param": "a", "value": [1]}',
        '{"tag": "a", "value": 1}',
        '{"dataset": "text"}',
        '{"dataset": {"name": "d", "digest": 7}}',
    ],
)
def test_a_line_that_makes_no_sense_is_left_out_and_counted(folder: Path, line: str) -> None:
    record = write(folder, line, {"metric": "good", "value": 1.0, "step": 0, "time": 0.0})
    assert set(record.metrics) == {"good"}
    assert (record.params, record.tags, record.datasets) == ({}, {}, ())
    assert record.problems == ("1 damaged lines were left out",)


@pytest.mark.parametrize(
    "field",
    [
        {"params": [1]},
        {"params": {"a": {"b": 1}}},
        {"metrics": {"loss": 1.0}},
        {"metrics": {"loss": {"last": "1", "min": 0, "max": 0, "mean": 0, "count": 1, "step": 0}}},
        {"tags": {"a": 1}},
        {"datasets": {"name": "d"}},
        {"models": [1, None, "x"]},
        {"problems": "text"},
        {"damaged": "many"},
        {"name": 7, "experiment": None, "started_at": []},
    ],
)
def test_fields_of_a_wrong_type_are_left_out(folder: Path, field: dict[str, object]) -> None:
    record = write(folder, **{"status": "finished", **field})
    assert (record.params, record.metrics, record.tags, record.datasets, record.models) == ({}, {}, {}, (), ())
    assert record.problems == ()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1', "[" * 100_000, "\xff"])
def test_a_run_json_that_cannot_be_read_is_an_input_error_and_hides_no_other_run(
    root: Path, folder: Path, text: str
) -> None:
    (folder / "run.json").write_text(text, "latin-1")
    with pytest.raises(InputError, match=r"run\.json"):
        tracking.read(folder)
    with tracking.start_run() as run:
        pass
    assert [record.id for record in tracking.list_runs(root)] == [run.id]


def test_a_newer_format_asks_for_an_update(folder: Path) -> None:
    with pytest.raises(InputError, match="update mlgitops"):
        write(folder, format=2)


def test_what_cannot_be_read_is_named_and_a_start_that_was_cut_short_is_not(root: Path, folder: Path) -> None:
    (root / "runs" / "01ARZ3NDEKTSV4RRFFQ69G5FAW").mkdir()
    (folder / "run.json").write_text('{"format": 2}')
    ((run_id, why),) = unreadable(root).items()
    assert run_id == RUN
    assert "update mlgitops" in why


def test_a_file_that_claims_to_be_one_endless_line_takes_no_memory(folder: Path) -> None:
    write(folder, {"metric": "good", "value": 1.0, "step": 0, "time": 0.0})
    with (folder / "w-host-1-00.jsonl").open("ab") as file:
        file.truncate(1 << 40)  # a hole, which takes no disk either
    assert set(tracking.read(folder).metrics) == {"good"}


def test_a_folder_without_run_json_is_no_record(folder: Path) -> None:
    with pytest.raises(NotFoundError, match="is not a run record"):
        tracking.read(folder)


def test_links_in_a_record_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"param": "password", "value": "hunter2"}\n')
    write(folder)
    (folder / "w-evil-1-00.jsonl").symlink_to(tmp_path / "secret")
    (folder / "w-zero-1-00.jsonl").symlink_to("/dev/zero")
    assert tracking.read(folder).params == {}
    (folder / "run.json").rename(folder / "elsewhere")
    (folder / "run.json").symlink_to(folder / "elsewhere")
    with pytest.raises(NotFoundError):
        tracking.read(folder)


def test_what_claims_to_run_without_a_process_was_killed(folder: Path) -> None:
    record = write(folder, {"writer": {"host": os.uname().nodename, "pid": 1}, "format": 1, "time": 0.0})
    assert record.status == "killed"


def test_a_capture_that_says_nothing_about_dirt_is_dirty(folder: Path) -> None:
    write(folder)
    (folder / "capture.json").write_text('{"format": 1, "code": {"commit": "abc", "dirty": "no"}}')
    source = tracking.read(folder).source
    assert source is not None
    assert (source.commit, source.dirty) == ("abc", True)


def test_other_folders_beside_runs_are_not_runs(root: Path) -> None:
    (root / "runs" / "..trick").mkdir(parents=True)
    (root / "runs" / "notes").mkdir()
    assert tracking.list_runs(root) == ()
    with pytest.raises(NotFoundError):
        tracking.find(root, "../../etc")
    with pytest.raises(NotFoundError):
        tracking.find(root, "")
