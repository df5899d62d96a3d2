"""Disks that give out, folders that vanish, names of any kind, files torn anywhere, and newer writers."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.tracking import places, points, records, sums
from mlgitops.tracking import run as runs
from mlgitops.tracking.series import split

Script = Callable[..., subprocess.Popen[str]]


def only_run(root: Path) -> tracking.RunRecord:
    (found,) = tracking.list_runs(root)
    return found


def done(process: subprocess.Popen[str]) -> str:
    _, told = process.communicate()
    assert process.returncode == 0, told
    return told


def test_a_torn_line_anywhere_costs_itself_only(root: Path) -> None:
    with mlgitops.start_run() as run:
        for step in range(50):
            mlgitops.log_metric("loss", step, step=step)
            mlgitops.log_param(f"p{step}", step)
    (path,) = run.folder.glob("w-*.jsonl")
    whole = path.read_bytes()
    (run.folder / "run.json").write_text(json.dumps(run.head() | {"status": "running"}))
    for cut in random.Random(0).sample(range(len(whole)), 200):
        path.write_bytes(whole[:cut])
        record = tracking.read(run.folder)
        lines = whole[:cut].count(b"\n")
        assert len(record.params) + sum(one.count for one in record.metrics.values()) == max(0, lines - 1)
        assert record.problems == ()


def test_bytes_that_are_changed_anywhere_raise_nothing(root: Path) -> None:
    with mlgitops.start_run() as run:
        for step in range(20):
            mlgitops.log_metric("loss", step, step=step, context="val")
            mlgitops.set_tag(f"t{step}", step)
        mlgitops.log_text("x")
    (path,) = run.folder.glob("w-*.jsonl")
    whole = path.read_bytes()
    chance = random.Random(1)
    (run.folder / "run.json").write_text(json.dumps(run.head() | {"status": "running"}))
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 20)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        record = tracking.read(run.folder)
        assert record.status in ("killed", "stale", "finished", "failed", "preempted", "running")
        list(tracking.read_points(run.folder))


def test_what_a_newer_version_wrote_is_read_as_far_as_it_is_known(root: Path) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_metric("loss", 1.0)
        newer = run.folder / "w-new-1-00.jsonl"
        newer.write_text(
            '{"writer":{"host":"h","pid":1,"role":"member","gpu":7},"format":3,"time":9e9}\n'
            '{"metric":"loss","value":2.0,"step":9,"time":9e9,"unit":"nats"}\n'
            '{"hologram":{"path":"x"},"time":9e9}\n'
        )
        os.utime(newer, (0, 0))
    record = tracking.read(run.folder)
    assert (record.metrics["loss"].max, record.metrics["loss"].last) == (2.0, 1.0)  # the last is the owner's
    record = tracking.read(run.folder, None)
    (run.folder / "run.json").write_text(json.dumps(run.head() | {"status": "running"}))
    (problem,) = tracking.read(run.folder).problems
    assert "newer mlgitops wrote to it (format 3" in problem


def test_a_run_json_of_a_newer_version_hides_no_other_run(root: Path) -> None:
    with mlgitops.start_run() as newer:
        pass
    with mlgitops.start_run() as run:
        pass
    raw = json.loads((newer.folder / "run.json").read_text())
    (newer.folder / "run.json").write_text(json.dumps(raw | {"format": 2}))
    assert only_run(root).id == run.id


def test_memory_is_bounded_however_many_metrics_there_are(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_MOST_STEPS", 500)
    monkeypatch.setattr(runs, "_MOST_PREFIXES", 500)
    monkeypatch.setattr(sums, "MOST_SERIES", 500)
    run = mlgitops.start_run()
    names = iter(range(10**9))
    for _ in range(2000):
        run.log_metric(f"metric {next(names)}", 1.0)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            run.log_metric(f"metric {next(names)}", 1.0)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 1 << 20
    run.end()
    record = only_run(root)
    assert len(record.metrics) == 500
    assert record.problems == ("only the first 500 metrics are summed up; 21500 points are of others",)
    assert sum(1 for _ in tracking.read_points(run.folder)) == 22_000


def test_steps_that_nobody_gives_never_repeat_for_a_metric_that_was_forgotten(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_MOST_STEPS", 10)
    monkeypatch.setattr(runs, "_MOST_PREFIXES", 10)
    with mlgitops.start_run() as run:
        for _ in range(5):
            for number in range(25):
                mlgitops.log_metric(f"m{number}", 1.0)
    for number in range(25):
        steps = [point.step for point in tracking.read_points(run.folder, f"m{number}")]
        assert steps == sorted(set(steps)) and len(steps) == 5


def test_a_text_of_a_megabyte_is_one_whole_line(root: Path) -> None:
    text = "ä\n\x00" * 350_000
    with mlgitops.start_run() as run:
        mlgitops.log_param("text", text)
        mlgitops.set_tag("text", text)
        mlgitops.log_metric("loss", 1.0)
    record = tracking.read(run.folder)
    assert record.params["text"] == record.tags["text"] == text
    assert record.problems == ()


def test_what_is_too_long_for_a_line_is_told_and_hides_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(places, "LONGEST_LINE", 1000)
    monkeypatch.setattr(points, "LONGEST_LINE", 1000)
    with mlgitops.start_run() as run:
        for length in (740, 840, 900, 940, 1100):  # below, around and above
            run.log_param("p" * length, 1)
            run.log_metric("m" * length, 1.0)
            run.log_metric("m" * length, 1.0, context="validation")
        run.set_tag("after", "all")
    record = tracking.read(run.folder)
    assert (len(record.tags), record.params.keys()) == (1, {"p" * 740})
    assert sum(summary.count for summary in record.metrics.values()) == 2
    assert record.problems[1] == "12 values were not written"
    assert "too long for a line" in capsys.readouterr().err


def test_a_record_whose_sums_no_reader_takes_is_read_by_its_lines(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LARGEST_RUN", 5000)
    with mlgitops.start_run() as run:
        for number in range(20):
            mlgitops.log_param(f"p{number}", "x" * 1000)
    record = tracking.read(run.folder)
    assert (record.status, len(record.params), record.problems) == ("finished", 20, ())


def test_one_bad_value_of_many_does_not_take_the_others_with_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_metrics({"a": 1.0, "b": "high", "c": 3.0})  # type: ignore[dict-item]
    record = tracking.read(run.folder)
    assert set(record.metrics) == {"a", "c"}
    assert record.problems[0] == "metric b: could not convert string to float: 'high'"


def test_a_full_disk_counts_every_point_of_a_write_that_it_cut(root: Path, script: Script) -> None:
    told = done(
        script(
            "import resource, mlgitops\n"
            "run = mlgitops.start_run()\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 10**9))\n"
            "run.log_metrics({f'm{n}': 1.0 for n in range(100)})\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (10**9, 10**9))\n"
            "run.log_metric('after', 1.0)\n"
        )
    )
    assert told.count("is incomplete") == 1
    record = only_run(root)
    there = sum(1 for name in record.metrics if name.startswith("m"))
    assert 0 < there < 100
    assert f"{100 - there} values were not written" in record.problems
    assert record.metrics["after"].last == 1.0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_disk_that_is_full_from_start_to_end_stops_no_training(root: Path, script: Script, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        told = done(
            script(
                "import mlgitops\n"
                "with mlgitops.start_run() as run:\n"
                "    for step in range(5000): mlgitops.log_metric('loss', step)\n"
                "    mlgitops.log_text('x' * 100_000)\n"
                "print('trained')\n",
                MLGITOPS_DIR=str(small / "records"),
            )
        )
        assert told.count("is incomplete") == 1
        (folder,) = (small / "records" / "runs").iterdir()
        record = tracking.read(folder)
        assert record.metrics["loss"].count > 100
        assert record.status == "finished"
        assert any("is the disk full?" in problem for problem in record.problems)
        assert any("values were not written" in problem for problem in record.problems)
    finally:
        subprocess.run(["umount", "-l", small], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_disk_that_cannot_be_written_stops_no_training(root: Path, script: Script, tmp_path: Path) -> None:
    folder = tmp_path / "fixed"
    (folder / "records").mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        source = (
            "import mlgitops\n"
            "with mlgitops.start_run(system_metrics=0.05):\n"
            "    mlgitops.log_metric('loss', 1.0)\n"
            "    mlgitops.log_params({'a': 1})\n"
            "    mlgitops.log_text('x')\n"
        )
        told = done(script(source, MLGITOPS_DIR=str(folder / "records")))
        assert told.count("is incomplete") == 1
        strict = script(source, MLGITOPS_DIR=str(folder / "records"), MLGITOPS_STRICT="1")
        strict.communicate()
        assert strict.returncode == 1
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_record_that_vanishes_stops_no_training_whatever_is_logged(root: Path, script: Script) -> None:
    done(
        script(
            "import shutil, mlgitops, mlgitops.tracking\n"
            "run = mlgitops.start_run()\n"
            "shutil.rmtree(run.root)\n"
            "mlgitops.log_metric('loss', 1.0)\n"
            "mlgitops.log_metrics({'a': 1.0})\n"
            "mlgitops.log_text('x')\n"
            "mlgitops.set_tag('a', 1)\n"
            "mlgitops.start_run().end()\n"
        )
    )


def test_what_is_reserved_for_a_full_disk_is_given_back(root: Path) -> None:
    with mlgitops.start_run() as run:
        assert (run.folder / ".owner").stat().st_size > 4096
    assert (run.folder / ".owner").stat().st_size == 0


def test_names_that_steer_a_terminal_or_a_page_stay_text(root: Path) -> None:
    evil = "<script>alert(1)</script>\x1b[2J\u202e|`rm -rf`$(x)"
    with mlgitops.start_run(evil, experiment=evil, tags={evil: evil}, group=evil) as run:
        mlgitops.log_metric(evil, 1.0, context={evil: evil})
        mlgitops.log_param(evil, evil)
        mlgitops.log_text("x", "plain")
    record = tracking.read(run.folder)
    assert (record.name, record.experiment, record.group) == (evil, evil, evil)
    (series,) = record.metrics
    assert split(series) == (evil, {evil: evil})
    for folder in (root / "experiments").iterdir():
        assert folder.name.isascii() and folder.name.isprintable()


def test_strict_mode_raises_wherever_something_is_lost(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_STRICT", "1")
    run = mlgitops.start_run()
    (run.folder / "artifacts").write_text("in the way")
    with pytest.raises(OSError, match="artifacts"):
        run.log_text("x")
    with pytest.raises(ValueError, match="high"):
        run.log_metrics({"a": "high"})  # type: ignore[dict-item]
    with pytest.raises(AttributeError):
        run.log_params(None)  # type: ignore[arg-type]
    monkeypatch.setenv("MLGITOPS_STORE_URL", "nonsense://x")
    with pytest.raises(mlgitops.MlgitopsError, match="nonsense"):
        run.end()
    assert tracking.read(run.folder).status == "finished"
    removed = mlgitops.start_run()
    shutil.rmtree(removed.folder)
    with pytest.raises(mlgitops.MlgitopsError, match="was removed while it was written"):
        removed.end()
