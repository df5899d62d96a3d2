from __future__ import annotations

import asyncio
import itertools

import pytest

from cluster.waiting import asynchronous, until
from mlgitops.operator.runtime import Priority, Queue, back_off


def test_waits_grow_from_the_first_to_the_longest() -> None:
    waits = [back_off(failures, first=1, longest=60, spread=1) for failures in range(1, 10)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_waits_are_spread_over_half_their_length() -> None:
    assert back_off(3, first=1, longest=60, spread=0) == 2
    assert {back_off(3, first=1) for _ in range(50)} != {back_off(3, first=1)}


@pytest.mark.parametrize("failures", [1_000, 10_000_000])
def test_any_number_of_failures_has_a_wait(failures: int) -> None:
    assert back_off(failures, longest=60, spread=1) == 60


@asynchronous
async def test_a_worker_that_waits_is_woken_by_a_new_key() -> None:
    queue: Queue[str] = Queue()
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("key", Priority.CHILD)
    assert await taking == "key"


@asynchronous
async def test_a_delayed_key_comes_when_it_is_due_and_not_before() -> None:
    queue: Queue[str] = Queue()
    loop = asyncio.get_running_loop()
    started = loop.time()
    queue.add("key", Priority.RETRY, after=0.05)
    assert await queue.take() == "key"
    assert loop.time() - started >= 0.05


@asynchronous
async def test_every_waiting_worker_gets_a_key() -> None:
    queue: Queue[int] = Queue()
    workers = [asyncio.create_task(queue.take()) for _ in range(5)]
    await asyncio.sleep(0)
    for number in range(5):
        queue.add(number, Priority.CHILD)
    assert sorted(await asyncio.gather(*workers)) == [0, 1, 2, 3, 4]


@asynchronous
async def test_one_key_is_never_worked_on_twice_at_once() -> None:
    queue: Queue[str] = Queue()
    working: set[str] = set()
    counts: dict[str, int] = dict.fromkeys("abc", 0)

    async def work() -> None:
        while True:
            key = await queue.take()
            assert key not in working
            working.add(key)
            await asyncio.sleep(0)
            counts[key] += 1
            working.remove(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(4)]
    for _, key in zip(range(300), itertools.cycle("abc"), strict=False):
        queue.add(key, Priority.CHILD)
        await asyncio.sleep(0)
    await until(lambda: not len(queue))
    for worker in workers:
        worker.cancel()
    results = await asyncio.gather(*workers, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert min(counts.values()) >= 1


@asynchronous
async def test_a_success_starts_the_back_off_anew() -> None:
    queue: Queue[str] = Queue()
    waits = [queue.retry("key") for _ in range(6)]
    assert waits[5] > waits[0]
    queue.forget("key")
    assert queue.retry("key") <= 0.2
