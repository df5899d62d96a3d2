"""Records that cannot be read: told once, remembered, and read again when they change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import mlgitops
from mlgitops.tracking.query import index, readers, reading
from mlgitops.tracking.query.refresh import Known, compare
from mlgitops.tracking.query.roots import records_of
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.run import Run
from tracking_runs import new_run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache; change times count at once."""
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(reading, "SETTLED", 0)


@pytest.fixture
def runs(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Run]:
    """A run that can be read, one of a newer version and one whose run.json is torn."""
    made = {name: new_run(root, name) for name in ("good", "newer", "torn")}
    for run in made.values():
        run.end()
    raw = json.loads((made["newer"].folder / "run.json").read_text())
    (made["newer"].folder / "run.json").write_text(json.dumps(raw | {"format": "9\x1b[31m" + "9" * 1000}))
    (made["torn"].folder / "run.json").write_text("{")
    return made


def nothing_to_read(root: Path) -> bool:
    return not compare(root / "runs", index.ask(records_of(root), Known.of))


def test_a_search_says_which_runs_it_leaves_out_and_why_once(
    runs: dict[str, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    found = search_runs()
    assert [record.id for record in found] == [runs["good"].id]
    assert set(found.left_out) == {runs["torn"].id, runs["newer"].id}
    assert "run.json cannot be read" in found.left_out[runs["torn"].id]
    assert "run.json is of format" in found.left_out[runs["newer"].id]
    told = capsys.readouterr().err
    assert told.count("mlgitops: left out: ") == 2 and runs["torn"].id in told
    assert "\x1b" not in told and max(map(len, told.splitlines())) < 450
    assert search_runs("status = 'failed'").left_out == found.left_out
    assert capsys.readouterr().err == ""


def test_what_cannot_be_read_is_not_read_again_until_it_changes(root: Path, runs: dict[str, Run]) -> None:
    (root / "runs" / ("0" * 26)).mkdir()  # a start that was cut short
    assert len(search_runs().left_out) == 2
    assert nothing_to_read(root)
    shutil.copy(runs["good"].folder / "run.json", runs["torn"].folder / "run.json")  # its folder does not change
    found = search_runs()
    assert (len(found), list(found.left_out)) == (2, [runs["newer"].id])
    shutil.rmtree(runs["newer"].folder)
    assert search_runs().left_out == {} and nothing_to_read(root)
    (runs["good"].folder / "run.json").write_text("[]")
    (runs["good"].folder / "touched").touch()
    found = mlgitops.search_runs()
    assert (len(found), list(found.left_out)) == (1, [runs["good"].id])


def test_processes_that_read_beside_a_search_say_the_same(
    runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "FEWEST", 1)
    assert set(search_runs().left_out) == {runs["torn"].id, runs["newer"].id}


def test_many_are_told_in_few_lines(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        folder = root / "runs" / f"01{number:024d}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("null")
    search_runs()
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4 and told[-1] == "mlgitops: left out: 3 more runs that cannot be read"
