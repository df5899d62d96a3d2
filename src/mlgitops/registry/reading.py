"""Thousands of files to judged documents: from the cache, and what is new by all processors."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlgitops.errors import InvalidError, Problem
from mlgitops.registry import cache, documents, schema
from mlgitops.registry.documents import Document

# Fewer files than this are judged sooner than a cache is opened or a process started.
CACHED: Final = 200
PARALLEL: Final = 500
_SHARE: Final = 125

# No document has a circle: an alias inside of its own anchor is refused.
_encode: Final = json.JSONEncoder(check_circular=False).encode

Judged = Document | tuple[Problem, ...]
# A sound document as JSON, or what is wrong with it: what travels between processes.
Answer = bytes | tuple[Problem, ...]


def judge(files: Mapping[str, bytes]) -> Iterator[Judged]:
    """Yield for each file, in order, its document or its problems, as the CRDs judge it by itself."""
    with no_collector():
        items = list(files.items())
        if len(items) < CACHED:
            for path, data in items:
                try:
                    yield sound(path, data)
                except InvalidError as error:
                    yield error.problems
            return
        for (path, data), answer in zip(items, _answers(items), strict=True):
            yield Document(path, json.loads(answer), data) if isinstance(answer, bytes) else answer


def sound(path: str, data: bytes) -> Document:
    """Read one file.

    Raises:
        InvalidError: with everything that makes it no valid object of ours.
    """
    document = documents.read(path, data)
    findings = schema.findings(document.raw)
    if findings:
        raise InvalidError(document.problem(where, message) for where, message in findings)
    return document


def _answers(items: Sequence[tuple[str, bytes]]) -> Iterator[Answer]:
    """Yield what is found out about each file while other processes judge the next ones."""
    digests = [cache.digest(data) for _, data in items]
    with cache.opened() as kept:
        known: dict[bytes, bytes] = {}
        with contextlib.suppress(sqlite3.Error):
            known = kept.documents(digests) if kept else {}
        fresh = _judged([item for item, digest in zip(items, digests, strict=True) if digest not in known])
        found: dict[bytes, bytes] = {}
        for digest in digests:
            answer = known[digest] if digest in known else next(fresh)
            if digest not in known and isinstance(answer, bytes):
                found[digest] = answer
            yield answer
        with contextlib.suppress(sqlite3.Error):
            if kept and found:
                kept.put_documents(found)


def _judged(items: Sequence[tuple[str, bytes]]) -> Iterator[Answer]:
    workers = min(len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1, 8)
    # A fork takes only the thread that calls it, and whatever lock another one holds stays locked.
    if len(items) < PARALLEL or workers < 2 or threading.active_count() > 1:
        yield from (_answer(path, data) for path, data in items)
        return
    # Both take longer to import than most registries to judge.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    starts = range(0, len(items), _SHARE)
    # The files reach the processes by the fork itself; only answers are sent.
    with ProcessPoolExecutor(workers, context, initializer=_share, initargs=(items,)) as pool:
        for answers in pool.map(_judge_share, starts):
            yield from answers


_shared: Sequence[tuple[str, bytes]] = ()


def _share(items: Sequence[tuple[str, bytes]]) -> None:
    global _shared
    _shared = items
    gc.disable()


def _judge_share(start: int) -> list[Answer]:
    return [_answer(path, data) for path, data in _shared[start : start + _SHARE]]


def _answer(path: str, data: bytes) -> Answer:
    try:
        return _encode(sound(path, data).raw).encode()
    except InvalidError as error:
        return error.problems


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Keep the cyclic collector away: it would walk all documents again and again, and none has a cycle.

    Whoever drops them again inside of it spares it even the one walk at the end.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
