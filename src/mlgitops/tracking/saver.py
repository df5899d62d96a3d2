"""Has a process beside training save models that training shall not wait for.

The model is pickled here and now, so that what training does to it later counts for nothing, into a file that has no
name and lies in memory where the system offers that; another user can neither open nor find it. ``saving`` is the
program of the process: one for each training process, which saves one model after the other and ends after the last
one when training has ended, however that was. It gets the file and the promise's lock (``unsaved``) over a pair of
sockets, which are the queue as well: nothing here runs a thread, waits, or is lost with this process.
"""

from __future__ import annotations

import atexit
import json
import mmap
import os
import pickle
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from mlgitops.errors import InputError
from mlgitops.tracking import headroom, helper, locks, unsaved
from mlgitops.tracking.pickled import Pickled
from mlgitops.tracking.run import Run

LARGEST = 256 << 20  # bytes that this process's models take while they wait to be saved, of all together
MOST = 64  # models that wait
PROGRAM = 256 << 20  # bytes of the process without a model
TIMES = 6  # what saving a model takes of memory, at its highest, in sizes of the pickle
ALIGNED = 64  # bytes; arrays begin at a multiple of it
PATIENCE = 60.0  # seconds that the exit of Python waits where everything ends with it
KEPT, FAILED = b"+", b"-"  # what came of a model
_POSSIBLE = locks.HAS_LOCKS and hasattr(socket, "send_fds") and hasattr(os, "posix_spawn")
_ENDING = ("KUBERNETES_SERVICE_HOST", "SLURM_JOB_ID", "CI")  # set where nothing outlives the training
_PATIENCE = 1.0  # seconds for a process that dies
# The process works at a low priority (``nice``) and on one processor: training has the others.
_VARIABLES = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1") | {
    "CUDA_VISIBLE_DEVICES": "",  # and the graphics memory too
    "MLGITOPS_DISABLED": "1",  # a module that starts a run when it is imported starts none once more
}


def save_beside(run: Run, name: str, pickled: Pickled, example: Any) -> None:
    """Have a model saved with a run by a process beside this one.

    Raises:
        InputError: it is too large, too many wait, or it uses what another process does not find.
        OSError: there is no place for it, or no process can be started.
    """
    if not _POSSIBLE:
        raise InputError("this system has no way to save it beside training")
    if b"__main__" in pickled.content:
        raise InputError("it uses what a script defines, which another process does not find")
    with _lock:
        _of_this_process().save(run, name, pickled, example)


def _of_this_process() -> Saver:
    global _saver
    if _saver is None:
        _saver = Saver()
        atexit.unregister(leave)
        atexit.register(leave)
    return _saver


def leave() -> None:
    """Tell what could not be saved; wait for the rest where the end of this process is the end of all."""
    if _saver is None:
        return
    deadline = time.monotonic() + PATIENCE
    _saver.look()
    if _saver.waiting and _is_the_end_of_all():
        print(f"mlgitops: waiting for {len(_saver.waiting)} models to be saved", file=sys.stderr)
        while _saver.waiting and time.monotonic() < deadline:
            time.sleep(0.02)
            _saver.look()


def close() -> None:
    """Let the process end when it has saved what it has, and wait for that."""
    global _saver
    if _saver is not None:
        _saver.close()
    _saver = None


def _is_the_end_of_all() -> bool:
    """Return whether what this process leaves behind would be killed: in a container, a job of a cluster, CI."""
    return os.getpid() == 1 or os.getppid() <= 1 or any(os.environ.get(name) for name in _ENDING)


class Saver:
    """The process that saves this process's models, started with the first one, and again when it died."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[str, int]] = deque()  # runs and sizes in bytes, as they were given away
        self._socket = locks.Held()  # closed in forks, so that the process sees our end
        self.child = 0

    def save(self, run: Run, name: str, pickled: Pickled, example: Any) -> None:
        """Give a model away; see ``save_beside``."""
        self.look()
        self._refuse(pickled.size)
        token = unsaved.new_token()
        payload = _write(pickled, example, {"folder": str(run.folder), "name": name, "token": token})
        try:
            self._start()
            self._promise(run, name, token, payload)
        finally:
            os.close(payload)
        self.waiting.append((run.id, pickled.size))

    def look(self) -> None:
        """Take in what has been saved by now, without waiting."""
        while self._socket.descriptor >= 0:
            try:
                answers = os.read(self._socket.descriptor, MOST)
            except BlockingIOError:
                return
            except OSError:
                answers = b""
            for answer in answers:
                run_id, _ = self.waiting.popleft()
                if answer == FAILED[0]:
                    _tell(run_id)
            if not answers:
                self._bury()

    def close(self) -> None:
        """Give nothing away any more, and wait for the end of the process."""
        self._socket.close()
        if self.child:
            helper.wait_for(self.child, PATIENCE)

    def _bury(self) -> None:
        """Forget a process that has ended before its time, with what it was given."""
        self._socket.close()
        if self.child:
            helper.wait_for(self.child, _PATIENCE)
        self.child = 0
        while self.waiting:
            _tell(self.waiting.popleft()[0])

    def _refuse(self, size: int) -> None:
        waiting = sum(size for _, size in self.waiting)
        if size + waiting > LARGEST:
            besides = f", besides {waiting >> 20} MB that wait" if waiting else ""
            raise InputError(f"it takes {size >> 20} MB{besides}; {LARGEST >> 20} MB at most are saved beside training")
        free = headroom.free()
        if free is not None and free < PROGRAM + TIMES * size:
            raise InputError(f"it would take {PROGRAM + TIMES * size >> 20} MB of memory, and {free >> 20} MB are free")
        if len(self.waiting) >= MOST:
            raise InputError(f"{MOST} models are still being saved beside training")

    def _start(self) -> None:
        """Have the process run.

        Raises:
            OSError: it cannot be started.
        """
        if self._socket.descriptor >= 0:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            self._socket.descriptor = ours.detach()
            try:
                self.child = helper.spawn("mlgitops.tracking.saving", stdin=theirs.fileno(), variables=_VARIABLES)
            except OSError:
                self._socket.close()
                raise

    def _promise(self, run: Run, name: str, token: str, payload: int) -> None:
        """Promise the model in the record, and give it away with the lock that says that it will be there."""
        lock = run.promise_model(name, token)
        gate = socket.socket(fileno=self._socket.descriptor)
        try:
            socket.send_fds(gate, [b"m"], [payload, lock.descriptor])
        except OSError:
            run.take_back_model(name, token)
            raise
        finally:
            gate.detach()
            lock.close()


_saver: Saver | None = None
_lock = threading.Lock()


def _begin_anew() -> None:
    """Leave the process to the parent of a fork, and the lock, which another thread of it may have held."""
    global _saver, _lock
    _saver, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def _tell(run_id: str) -> None:
    print(f"mlgitops: the model of run {run_id} could not be saved; why: mlgitops runs {run_id}", file=sys.stderr)


def _write(pickled: Pickled, example: Any, header: dict[str, Any]) -> int:
    """Write a model into a file without a name, and return its descriptor.

    Raises:
        OSError: there is no place for it.
    """
    parts: list[bytes | memoryview] = [
        pickled.content,
        pickle.dumps(example, protocol=5),
        *(buffer.raw() for buffer in pickled.buffers),
    ]
    header |= {"working": str(Path.cwd()), "sizes": [len(part) for part in parts]}
    descriptor = _new_file()
    try:
        with open(descriptor, "wb", closefd=False) as file:
            for part in (json.dumps(header).encode() + b"\n", *parts):
                file.write(part)
                file.write(bytes(-len(part) % ALIGNED))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _new_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("mlgitops-model", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:  # readable by this user only, and removed already
        return os.dup(file.fileno())


def read(descriptor: int) -> tuple[dict[str, Any], memoryview, memoryview, list[memoryview]]:
    """Return what ``save_beside`` wrote: header, pickled model, pickled example, and the model's arrays.

    The arrays may be written to, as they may be where the model came from; the file stays as it is.
    """
    whole = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))
    line = bytes(whole[: 1 << 20]).partition(b"\n")[0] + b"\n"
    header = json.loads(line)
    place, parts = len(line) + -len(line) % ALIGNED, []
    for size in header["sizes"]:
        parts.append(whole[place : place + size])
        place += size + -size % ALIGNED
    return header, parts[0], parts[1], parts[2:]
