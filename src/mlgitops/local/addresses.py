"""A cluster's own addresses: one free /16 of 127.64.0.0/10, so that clusters never meet.

A block is claimed by binding a socket on it, which the kernel grants to one process
only, whoever runs it, and takes back when that process ends, however it ends.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from mlgitops.errors import OutsideError

_BLOCKS = range(64, 128)
# Any port will do as long as all agree on it; it is bound, never listened on.
_CLAIM_PORT = 6400


@dataclass(frozen=True, slots=True)
class Block:
    """One claimed /16: it is ours for as long as ``claim`` is open."""

    number: int
    claim: socket.socket

    @property
    def address(self) -> str:
        """The address of everything but the pods."""
        return _address(self.number)

    @property
    def pods(self) -> str:
        """The range of the pods' addresses: the upper half, apart from our own."""
        return f"127.{self.number}.128.0/17"


def claim(preferred: int | None = None) -> Block:
    """Claim a block of addresses, the preferred one when it is free.

    Raises:
        OutsideError: all 64 are taken.
    """
    order = sorted(_BLOCKS, key=lambda number: number != preferred)
    for number in order:
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            held.bind((_address(number), _CLAIM_PORT))
        except OSError:
            held.close()
        else:
            return Block(number, held)
    raise OutsideError("all 64 blocks of 127.64.0.0/10 are in use; stop a cluster: mlgitops local down --name NAME")


def free_port(address: str, preferred: int) -> int:
    """Return the preferred TCP port of an address, or another one when it is taken.

    A server on 0.0.0.0 takes its port of every address, so that even a block of one's
    own has ports in use.
    """
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As Go's listeners do: connections that are closing do not count as in use.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise OutsideError(f"no free port on {address}; close some servers")


def _address(number: int) -> str:
    return f"127.{number}.0.1"
