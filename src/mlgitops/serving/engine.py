"""Keeps one worker running and feeds it: what waits while the model is busy is the next batch.

A worker that dies takes its batch with it (503), one that does not answer in time is
killed (504); either way another is started and the requests behind wait for it. A
package that cannot be loaded is no reason to try again: the server ends, and the
kubelet's back-off and our termination message say so.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Final

from mlgitops.errors import InputError, OutsideError
from mlgitops.packages.signature import Signature
from mlgitops.serving import batches, wire
from mlgitops.serving.batches import Arrays, Call
from mlgitops.serving.process import WorkerProcess
from mlgitops.serving.settings import Settings

# Seconds between two starts of a worker that keeps dying, and how long one must live to count as well.
_LONGEST_BACK_OFF: Final = 10.0
_WELL: Final = 30.0


class LoadError(OutsideError):
    """The package could not be loaded; the server cannot go on."""


class NotReadyError(OutsideError):
    """The model cannot answer now: it loads, crashed on this request, or too many wait. Try again."""


class LateError(OutsideError):
    """The model did not answer in time."""


class ModelError(OutsideError):
    """The model raised; the message names the kind of error only."""


class Engine:
    """One model behind a queue.

    ``loaded`` is set exactly while a verified model is in a living worker; ``signature``
    and ``format`` are the model's once it was loaded for the first time.
    """

    def __init__(self, settings: Settings, first: WorkerProcess, restarted: Callable[[], None]) -> None:
        self.loaded = asyncio.Event()
        self.signature = Signature((), ())
        self.format = ""
        self._settings = settings
        self._worker = first
        self._restarted = restarted
        self._waiting: list[Call] = []
        self._arrived = asyncio.Event()

    async def infer(self, inputs: Arrays, outputs: tuple[str, ...]) -> Arrays:
        """Answer one request, alone or in a batch with others.

        Raises:
            InputError: the inputs do not fit the model.
            NotReadyError: it crashed, or too many requests wait.
            LateError: no answer came within the settings' timeout.
            ModelError: the model raised.
        """
        if len(self._waiting) >= self._settings.queue:
            raise NotReadyError(f"{len(self._waiting)} requests wait already; try again later")
        if self.signature.batches and not any(len(array) for array in inputs.values()):
            raise InputError("the request has no rows")
        call = Call(inputs, outputs, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        self._arrived.set()
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await call.answer
        except TimeoutError:
            raise LateError(f"the model did not answer within {self._settings.timeout:g} s") from None

    async def run(self) -> None:
        """Keep a worker running until cancelled.

        Raises:
            LoadError: the package cannot be loaded.
        """
        back_off = 0.0
        try:
            while True:
                started = time.monotonic()
                ended = await self._run_worker()
                if time.monotonic() - started > _WELL:
                    back_off = 0.0
                print(f"the worker {ended}; it is started again in {back_off:g} s", file=sys.stderr, flush=True)
                self._restarted()
                await asyncio.sleep(back_off)
                back_off = min(2 * back_off + 0.5, _LONGEST_BACK_OFF)
                self._worker = WorkerProcess.start()
        finally:
            self._worker.end()

    async def _run_worker(self) -> str:
        """Feed one worker until it ends, and return how it ended."""
        worker = self._worker
        reader, writer = await asyncio.open_unix_connection(sock=worker.connection)
        try:
            await self._load(reader, worker)
            while True:
                batch = await self._next_batch()
                await self._serve(batch, reader, writer)
        except TimeoutError:  # an OSError too, so it comes first
            worker.end()
            return "hung and was killed"
        except (EOFError, OSError):
            return worker.end()
        finally:
            self.loaded.clear()
            writer.close()

    async def _load(self, reader: asyncio.StreamReader, worker: WorkerProcess) -> None:
        try:
            reply = await _receive(reader)
        except (EOFError, OSError):
            raise LoadError(f"the worker {worker.end()} while it loaded the package") from None
        if isinstance(reply, wire.Failed):
            raise LoadError(reply.message)
        if not isinstance(reply, wire.Ready) or reply.digest != self._settings.digest:
            raise LoadError(f"the worker loaded something else than {self._settings.digest}")
        self.signature = Signature.from_json(reply.signature)
        self.format = reply.format
        self.loaded.set()

    async def _next_batch(self) -> list[Call]:
        while True:
            batch = batches.take(
                self._waiting, rows=self._settings.batch_rows, joinable=self.signature.batches
            )  # fmt: skip
            if batch:
                return batch
            self._arrived.clear()
            await self._arrived.wait()

    async def _serve(self, batch: list[Call], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            reply = await self._ask(batch, reader, writer)
        except (EOFError, OSError, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            for call in batch:
                _fail(call, LateError("the model hung") if late else NotReadyError("the model crashed"))
            raise
        outputs = batches.split(wire.unpack(reply.outputs), batch) if isinstance(reply, wire.Answer) else None
        if outputs is not None:
            for call, part in zip(batch, outputs, strict=True):
                _give(call, part)
        elif len(batch) > 1:
            # One bad request must not fail its neighbours: each is asked for by itself.
            for call in batch:
                await self._serve([call], reader, writer)
        else:
            _fail(batch[0], _error(reply))

    async def _ask(self, batch: list[Call], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> wire.Reply:
        request = wire.Infer(wire.pack(batches.join(batch)), list(batch[0].outputs))
        async with asyncio.timeout(self._settings.timeout):
            writer.write(wire.frame(request))
            await writer.drain()
            return await _receive(reader)


async def _receive(reader: asyncio.StreamReader) -> wire.Reply:
    """Return the worker's next message.

    Raises:
        EOFError: the worker ended (``IncompleteReadError`` is one).
    """
    size = wire.HEADER.unpack(await reader.readexactly(wire.HEADER.size))[0]
    reply: wire.Reply = wire.decode_reply(await reader.readexactly(size))
    return reply


def _error(reply: wire.Reply) -> Exception:
    if isinstance(reply, wire.Refused):
        return InputError(reply.message)
    if isinstance(reply, wire.Broken):
        print(reply.detail, file=sys.stderr, flush=True)
        return ModelError(f"the model failed with {reply.kind}")
    return ModelError(f"the worker answered with {type(reply).__name__}")


def _give(call: Call, part: Arrays) -> None:
    if not call.answer.done():
        call.answer.set_result(part)


def _fail(call: Call, error: Exception) -> None:
    if not call.answer.done():
        call.answer.set_exception(error)
