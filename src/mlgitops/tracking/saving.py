"""Saves models beside training: the program of ``saver``'s process, ``python -m mlgitops.tracking.saving``.

Its standard input is one end of a pair of sockets whose other end its parent holds. Each message is the file that
the parent pickled a model into, and the lock of the promise (``unsaved``). This is the only place that unpickles
what is not its own, and what it unpickles is its parent's: the bytes come from the process that started this one,
over a socket that it made for that and that nobody else can connect to, in a file that has no name. Nothing that a
record, a package, a store or another user says gets here. Classes are looked up where Python is installed and by
``PYTHONPATH``, and not beside the script, whose modules would run once more when they are imported.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import select
import socket
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from mlgitops.errors import InputError, MlgitopsError
from mlgitops.tracking import ending, models, records, saver, unsaved
from mlgitops.tracking.records import LoggedModel
from mlgitops.tracking.writer import HELPER, Writer

REST = 10.0  # seconds without a model, after which what frameworks hold in memory is given back
_PATIENCE = 600.0  # seconds for the end of a run that is being pushed
_AGAIN = "again"


def main() -> None:
    """Save what comes, until the parent has ended and everything is saved."""
    warnings.simplefilter("ignore")  # here, where nobody sees them; as errors they would cost the model
    with socket.socket(fileno=0) as gate:
        waiting = select.poll()
        waiting.register(gate, select.POLLIN)
        has_worked = False
        while True:
            if has_worked and not waiting.poll(REST * 1000):
                # The same process begins anew: the queue stays, and a hundred megabytes of frameworks go.
                os.execv(sys.executable, [sys.executable, "-P", "-m", "mlgitops.tracking.saving", _AGAIN])  # noqa: S606
            message, descriptors, _, _ = socket.recv_fds(gate, 1, 2)
            if not message:
                return
            payload, lock = descriptors
            try:
                answer = save(payload)
            finally:
                os.close(payload)
                os.close(lock)
            has_worked = True
            with contextlib.suppress(OSError):  # the parent may have ended
                gate.send(answer)


def save(payload: int) -> bytes:
    """Save one model and say in its run's record what came of it; return what the parent is told."""
    header, content, example, arrays = saver.read(payload)
    folder, name, token = Path(header["folder"]), str(header["name"]), str(header["token"])
    promise = unsaved.path(folder, name, token)
    if not promise.exists():
        return saver.KEPT  # something newer of the same name has taken its place, or the record was removed
    with contextlib.suppress(OSError):
        os.chdir(header["working"])  # where the configuration is found
    writer = Writer(folder, HELPER, token)

    def say(logged: LoggedModel) -> None:
        line = {"name": name, "path": logged.path, "digest": logged.digest, "format": logged.format, "token": token}
        _write(writer, "model", line)

    try:
        options = {"input_example": _Unpickler(example).load()}
        model = _Unpickler(content, arrays).load()
        models.save_promised(folder, model, name, options, say, promise)
        answer = saver.KEPT
    except Exception as error:  # a class, and what saves it, may raise anything
        answer = saver.FAILED
        with contextlib.suppress(OSError):
            _write(writer, "model", {"name": name, "token": token, "problem": _reason(error)})
    writer.close()
    _finish(folder)
    promise.unlink(missing_ok=True)
    return answer


class _Unpickler(pickle.Unpickler):
    """Unpickles what the parent pickled; see above for why that is safe."""

    def __init__(self, content: memoryview, arrays: list[memoryview] | None = None) -> None:
        super().__init__(io.BytesIO(content), buffers=arrays)

    def find_class(self, module: str, name: str) -> Any:
        """Return a class or function; ``__main__`` is another one here."""
        if module == "__main__":
            raise InputError(f"{name} is defined in a script, which another process does not find")
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError) as error:
            raise InputError(f"{module}.{name} is not found outside of the script that trains: {error}") from error


def _reason(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    reason = first if isinstance(error, InputError) else f"{type(error).__name__}: {first}"
    return f"{reason}; mlgitops.log_model, or autolog(log_models=True), saves it while training waits"


def _write(writer: Writer, kind: str, value: dict[str, Any]) -> None:
    writer.write(json.dumps({kind: value, "time": time.time()}).encode() + b"\n")


def _finish(folder: Path) -> None:
    """Make the answer part of the sums of a run that has ended, and push it again where it was pushed."""
    for _ in range(3):  # whoever trains may write to the record meanwhile
        try:
            finished_at = records.read_head(folder).get("finished_at")
            if ending.add_up_again(folder, finished_at=finished_at, patience=_PATIENCE):
                ending.push(folder)
            return
        except (MlgitopsError, OSError):
            time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1:] != [_AGAIN]:
        with contextlib.suppress(OSError):
            os.nice(10)  # the training comes first
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")  # and where memory runs out, this process goes first
    main()
