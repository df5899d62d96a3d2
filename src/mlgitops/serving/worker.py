"""The worker: verifies and loads the package, then runs it on one batch after another.

``python -m mlgitops.serving.worker FD`` is started by the server and by nobody else. It
ends when the server does. Nothing in here talks to the network.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
import traceback

from mlgitops import packages
from mlgitops.errors import InputError, MlgitopsError
from mlgitops.serving import settings, wire

_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> int:
    """Serve the socket until its other end closes; return the exit code."""
    _end_with_parent()
    started = time.monotonic()
    with socket.socket(fileno=descriptor) as connection:
        try:
            told = settings.read()
            model = packages.load(
                told.folder,
                digest=told.digest,
                trusted_types=told.trusted_types,
                allow_code=told.allow_code,
                lean=True,
            )
        except MlgitopsError as error:
            connection.sendall(wire.frame(wire.Failed(str(error))))
            return 1
        except Exception as error:  # a model's own code may raise anything while it is loaded
            traceback.print_exc()
            connection.sendall(wire.frame(wire.Failed(f"{type(error).__name__}: {error}")))
            return 1
        package = model.package
        seconds = time.monotonic() - started
        signature = model.signature.to_json()
        connection.sendall(wire.frame(wire.Ready(package.digest, package.format, signature, seconds)))
        while (request := wire.receive(connection)) is not None:
            connection.sendall(wire.frame(_answer(model, wire.decode_infer(request))))
    return 0


def _answer(model: packages.LoadedModel, request: wire.Infer) -> wire.Reply:
    try:
        return wire.Answer(wire.pack(model.infer(wire.unpack(request.inputs), request.outputs)))
    except InputError as error:
        return wire.Refused(str(error))
    except Exception as error:  # a model may raise anything; its words may hold the caller's data
        return wire.Broken(type(error).__name__, traceback.format_exc(limit=-5))


def _end_with_parent() -> None:
    # Ctrl-C and a SIGTERM to the whole group are the server's to answer: it drains first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    parent = os.getppid()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:  # Linux; elsewhere the socket's end is the only sign
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
