"""Processes that read runs beside this one, when there are thousands to read.

They are programs of their own and no forks: a search runs in notebooks and training scripts too, whose threads
and devices a fork would break. One that cannot be started, or dies, costs time only: this process reads instead.
"""

from __future__ import annotations

import contextlib
import gc
import json
import marshal
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlgitops.tracking.query.reading import Found, Unreadable, Watched, examine
from mlgitops.tracking.query.rows import Rows

FEWEST = 1_000  # runs, which are read sooner than processes start
MOST = 8  # processes
_SHARE = 32  # runs that are read at a time
_AHEAD = 4  # shares that a process knows of: it has something to do while others are waited for
_PIPE = 1 << 20  # bytes of answers that may wait

Share = Sequence[tuple[str, int]]  # ids, and change times of the folders


def examine_each(runs: Path, todo: Share) -> Iterator[tuple[str, Found | Unreadable]]:
    """Yield what ``examine`` finds out about each run that an index does not know, in order."""
    shares = iter([todo[start : start + _SHARE] for start in range(0, len(todo), _SHARE)])
    asked: deque[tuple[_Reader, Share]] = deque()
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(contextlib.closing(one)) for one in _started(runs, _useful(len(todo)))]
        for reader, share in zip(readers * _AHEAD, shares, strict=False):
            reader.ask(share)
            asked.append((reader, share))
        while asked:
            reader, share = asked.popleft()
            answers = reader.answer()
            following = next(shares, None) if answers is not None else None
            if following is not None:
                reader.ask(following)
                asked.append((reader, following))
            yield from zip(_ids(share), _here(runs, share) if answers is None else answers, strict=True)
        for share in shares:
            yield from zip(_ids(share), _here(runs, share), strict=True)


class _Reader:
    """One process."""

    def __init__(self, runs: Path) -> None:
        import subprocess  # most searches start no process

        # -P: modules of the working folder must not stand in for ours.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mlgitops.tracking.query.readers", str(runs.absolute())],
            env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pipesize=_PIPE,
        )

    def ask(self, share: Share) -> None:
        """Have runs read. What all that was asked takes is less than a pipe holds, so this waits for nobody."""
        assert self._process.stdin
        with contextlib.suppress(OSError):  # it is dead, which its answer tells
            self._process.stdin.write(json.dumps(share).encode() + b"\n")
            self._process.stdin.flush()

    def answer(self) -> list[Found | Unreadable] | None:
        """Return what was found out about the runs asked for first; None when the process is dead."""
        assert self._process.stdout
        size = int.from_bytes(self._process.stdout.read(8), "big")
        data = self._process.stdout.read(size)
        return [_found(one) for one in marshal.loads(data)] if size and len(data) == size else None  # noqa: S302 - ours

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        with contextlib.suppress(OSError):
            self._process.communicate()


def _started(runs: Path, count: int) -> list[_Reader]:
    found: list[_Reader] = []
    with contextlib.suppress(OSError):
        for _ in range(count):
            found.append(_Reader(runs))  # noqa: PERF401 - those that were started count, also when one cannot be
    return found


def _useful(todo: int) -> int:
    """Return how many processes are worth their start."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if todo < FEWEST or processors < 2 or not sys.executable else min(processors, MOST)


def _ids(share: Share) -> list[str]:
    return [run_id for run_id, _ in share]


def _here(runs: Path, share: Share) -> list[Found | Unreadable]:
    return [examine(runs / run_id, stamp) for run_id, stamp in share]


def _plain(found: Found | Unreadable) -> tuple[Any, ...]:
    if isinstance(found, Unreadable):
        return tuple(found)
    return (found.run_id, tuple(found.marks), tuple(found.rows), *found[3:])


def _found(plain: tuple[Any, ...]) -> Found | Unreadable:
    if len(plain) == len(Unreadable._fields):
        return Unreadable(*plain)
    return Found(plain[0], Watched(*plain[1]), Rows(*plain[2]), *plain[3:])


def _main(runs: Path) -> None:
    gc.disable()  # nothing here has a cycle, and it would walk all of it again and again
    for line in sys.stdin.buffer:
        data = marshal.dumps([_plain(found) for found in _here(runs, json.loads(line))])
        sys.stdout.buffer.write(len(data).to_bytes(8, "big") + data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
