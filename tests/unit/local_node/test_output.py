"""What a container prints is kept with its time and read back as ``kubectl logs`` asks."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.waiting import asynchronous, until
from mlgitops.local.node import output
from mlgitops.local.node.output import Wish

TIMES = [f"2026-11-24T10:00:0{number}.000000Z" for number in range(5)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "main.0.log"
    path.write_text("".join(f"{at} line {number}\n" for number, at in enumerate(TIMES)))
    return path


def text(path: Path, **wish: object) -> str:
    return output.read(path, Wish(**wish))[0].decode()  # type: ignore[arg-type]


def test_a_log_is_shown_without_its_times(log: Path) -> None:
    assert text(log).splitlines() == ["line 0", "line 1", "line 2", "line 3", "line 4"]


def test_times_are_shown_on_demand(log: Path) -> None:
    assert text(log, timestamps=True, tail=1) == f"{TIMES[4]} line 4\n"


def test_the_last_lines_are_the_tail(log: Path) -> None:
    assert text(log, tail=2) == "line 3\nline 4\n"
    assert text(log, tail=0) == ""


def test_lines_since_a_time_include_that_time(log: Path) -> None:
    assert text(log, since=datetime.fromisoformat(TIMES[3])) == "line 3\nline 4\n"


def test_a_limit_counts_bytes(log: Path) -> None:
    assert text(log, limit=9) == "line 0\nli"


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert output.read(tmp_path / "none.log", Wish()) == (b"", 0)


def test_the_end_of_a_log_is_at_most_so_many_lines_and_bytes(log: Path) -> None:
    assert output.last_lines(log, lines=2) == "line 3\nline 4\n"
    assert output.last_lines(log, size=3) == " 4\n"


async def recorded(path: Path, pieces: Iterable[bytes]) -> None:
    ours, its = os.pipe()
    recording = asyncio.create_task(output.record(ours, path))
    for piece in pieces:
        os.write(its, piece)
        await asyncio.sleep(0)
    os.close(its)
    await recording


@asynchronous
async def test_what_comes_in_pieces_is_kept_by_lines_the_last_one_without_a_break_too(tmp_path: Path) -> None:
    path = tmp_path / "main.0.log"
    await recorded(path, [b"one\ntw", b"o\n", b"\nthr", b"ee"])
    assert text(path) == "one\ntwo\n\nthree\n"
    for line in path.read_text().splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ", line)


@asynchronous
async def test_bytes_that_are_no_text_are_kept_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "main.0.log"
    await recorded(path, [b"\xff\x00\xfe\n"])
    assert output.read(path, Wish())[0] == b"\xff\x00\xfe\n"


@asynchronous
async def test_a_line_without_an_end_is_kept_in_pieces_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "main.0.log"
    ours, its = os.pipe()
    recording = asyncio.create_task(output.record(ours, path))
    await asyncio.to_thread(os.write, its, b"x" * (3 << 18))
    os.close(its)
    await recording
    kept = output.read(path, Wish())[0]
    assert kept.replace(b"\n", b"") == b"x" * (3 << 18)
    assert kept.count(b"\n") > 1


def test_a_log_that_grows_too_large_starts_anew_and_the_older_part_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_LARGEST", 100)
    path = tmp_path / "main.0.log"
    log = output.Log(path)
    for number in range(5):
        log.add([f"line {number} {'-' * 30}".encode()])
    log.close()
    assert path.stat().st_size <= 100
    assert "line 4" in path.read_text()
    assert sum(file.read_text().count("line") for file in tmp_path.iterdir()) >= 3


@asynchronous
async def test_a_follower_gets_what_is_there_and_what_comes_until_the_end(log: Path) -> None:
    over, seen = asyncio.Event(), b""

    async def follow() -> None:
        nonlocal seen
        async for data in output.follow(log, Wish(tail=1, follow=True), over):
            seen += data

    following = asyncio.create_task(follow())
    await until(lambda: seen == b"line 4\n")
    writer = output.Log(log)
    writer.add([b"line 5", b"line 6"])
    await until(lambda: seen == b"line 4\nline 5\nline 6\n")
    writer.add([b"the last"])
    over.set()
    await following
    writer.close()
    assert seen.endswith(b"line 6\nthe last\n")


@asynchronous
async def test_a_follower_of_what_is_over_ends_at_once(log: Path) -> None:
    over = output.finished(log).over
    seen = [data async for data in output.follow(log, Wish(follow=True), over)]
    assert b"".join(seen).count(b"\n") == 5


def test_before_another_process_begins_all_logs_but_the_newest_go(tmp_path: Path) -> None:
    for number in (8, 9, 10):
        path = output.log_path(tmp_path, "main", number)
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    output.log_path(tmp_path, "main-2", 0).write_text("")
    assert [path.name for path in output.logs(tmp_path, "main")] == ["main.8.log", "main.9.log", "main.10.log"]
    output.prune(tmp_path, "main")
    assert [path.name for path in output.logs(tmp_path, "main")] == ["main.10.log"]
    assert output.logs(tmp_path, "main-2") != []


def test_times_are_utc() -> None:
    assert abs((datetime.fromisoformat(output.now()) - datetime.now(UTC)).total_seconds()) < 5
    assert abs((datetime.fromisoformat(output.seconds()) - datetime.now(UTC)).total_seconds()) < 5
