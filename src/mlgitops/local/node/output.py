"""A container's output: each line with its time, as ``kubectl logs`` wants it back."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_LARGEST = 16 << 20  # bytes of one log file; then it starts anew and one older file is kept
_OLDER = ".older"
_LONGEST_LINE = 1 << 18  # bytes; a longer one is written in pieces
_LOOK_AGAIN = 0.1  # seconds


def now() -> str:
    """Return the time as RFC 3339 with microseconds, UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def seconds() -> str:
    """Return the time as Kubernetes' objects have it: RFC 3339 in whole seconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Log:
    """A log file that is written line by line, a time before each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def add(self, lines: Iterable[bytes]) -> None:
        """Add lines that were printed now."""
        at = now().encode()
        self._file.write(b"".join(at + b" " + line + b"\n" for line in lines))
        if self._file.tell() > _LARGEST:
            self._file.close()
            self._path.rename(self._path.with_suffix(_OLDER))
            self._file = self._path.open("ab", buffering=0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class Output:
    """Where a process's output is written, and what is set once nothing more will come."""

    path: Path
    over: asyncio.Event


def log_path(folder: Path, container: str, number: int) -> Path:
    """Return the log file of a container's process, numbered by the restarts before it."""
    return folder / "logs" / f"{container}.{number}.log"


def logs(folder: Path, container: str) -> list[Path]:
    """Return the logs of a container that a pod's folder still holds, the oldest first."""
    found = (folder / "logs").glob(f"{container}.*.log")
    return sorted(found, key=lambda path: int(path.suffixes[-2].removeprefix(".")))


def prune(folder: Path, container: str) -> None:
    """Delete all logs of a container but the newest, before another begins."""
    for path in logs(folder, container)[:-1]:
        path.unlink()
        path.with_suffix(_OLDER).unlink(missing_ok=True)


def finished(path: Path) -> Output:
    """Return an output to which nothing more will come."""
    over = asyncio.Event()
    over.set()
    return Output(path, over)


async def record(end: int, path: Path) -> None:
    """Write what comes out of a pipe to a log file until nobody holds its other end; our end is closed then.

    The last line counts without a line break too.
    """
    log, rest = Log(path), b""
    try:
        async with _reading(end) as stream:
            while data := await stream.read(1 << 16):
                *lines, rest = (rest + data).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    lines, rest = [*lines, rest], b""
                if lines:
                    log.add(lines)
    finally:
        if rest:
            log.add([rest])
        log.close()


@contextlib.asynccontextmanager
async def _reading(end: int) -> AsyncIterator[asyncio.StreamReader]:
    # Not a pipe of asyncio's own making: those hold back the news of a process's end for as
    # long as a grandchild holds its output.
    stream = asyncio.StreamReader()
    file = os.fdopen(end, "rb", buffering=0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), file)
    try:
        yield stream
    finally:
        transport.close()


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a log is wanted: the last lines, those since a time, with times, how many bytes, and what comes."""

    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit: int | None = None
    follow: bool = False


def read(path: Path, wish: Wish) -> tuple[bytes, int]:
    """Return the wanted part of a log, and the place in the file up to which it was read."""
    if not path.exists():
        return b"", 0
    with path.open("rb") as log:
        lines = (line for line in log if _is_wanted(line, wish))
        chosen = deque(lines, maxlen=wish.tail)
        end = log.tell()
    return b"".join(_shown(line, wish) for line in chosen)[: wish.limit], end


async def follow(path: Path, wish: Wish, ended: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield the wanted part of a log and then what is added, until its process has ended."""
    data, place = read(path, wish)
    yield data
    while True:
        over = ended.is_set()  # asked first: what was written before the end must still be read
        place, added = _lines_after(path, place)
        if added:
            yield b"".join(_shown(line + b"\n", wish) for line in added.split(b"\n") if line)
        elif over:
            return
        else:
            await asyncio.sleep(_LOOK_AGAIN)


def _lines_after(path: Path, place: int) -> tuple[int, bytes]:
    """Return the whole lines that were written after a place, and the place where they end."""
    if not path.exists():
        return place, b""
    with path.open("rb") as log:
        if log.seek(0, os.SEEK_END) < place:
            place = 0  # it began anew
        log.seek(place)
        whole, line_break, _ = log.read().rpartition(b"\n")
    return place + len(whole + line_break), whole + line_break


def last_lines(path: Path, *, lines: int = 80, size: int = 2048) -> str:
    """Return the end of a log without times, as a termination message has it."""
    data, _ = read(path, Wish(tail=lines))
    return data[-size:].decode("utf-8", "replace")


def _is_wanted(line: bytes, wish: Wish) -> bool:
    if wish.since is None:
        return True
    try:
        return datetime.fromisoformat(line.partition(b" ")[0].decode()) >= wish.since
    except ValueError:
        return False


def _shown(line: bytes, wish: Wish) -> bytes:
    return line if wish.timestamps else line.partition(b" ")[2]
