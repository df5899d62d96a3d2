"""Every cluster has a block of addresses to itself."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import sys

import pytest

from mlgitops.local import addresses


def test_two_claims_never_get_the_same_block() -> None:
    first, second = addresses.claim(), addresses.claim()
    with first.claim, second.claim:
        assert first.number != second.number
        assert 64 <= first.number < 128


def test_a_block_is_free_again_when_its_owner_is_killed() -> None:
    program = "from mlgitops.local import addresses; b = addresses.claim(117); print(b.number, flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        number = int(owner.stdout.readline())
        taken = addresses.claim(number)
        with taken.claim:
            assert taken.number != number
        owner.kill()
        owner.wait()
    again = addresses.claim(number)
    with again.claim:
        assert again.number == number


def test_the_pods_addresses_are_apart_from_the_cluster_s_own() -> None:
    block = addresses.claim()
    with block.claim:
        assert ipaddress.ip_address(block.address) not in ipaddress.ip_network(block.pods)


@pytest.mark.parametrize("holder", ["127.0.0.1", ""], ids=["the same address", "all addresses"])
def test_a_port_in_use_is_not_given_out(holder: str) -> None:
    with socket.create_server((holder, 0)) as server:
        port = server.getsockname()[1]
        assert addresses.free_port("127.0.0.1", port) != port


def test_a_free_port_is_given_out_as_wished() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert addresses.free_port("127.0.0.1", port) == port
