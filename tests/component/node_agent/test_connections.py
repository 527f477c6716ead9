"""Whether anybody is connected to a port is read from the system, and only where the listener is seen."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from roundhouse_node_agent.processes.connections import is_connected
from tests.support.eventually import eventually

OURS = [os.getpid()]


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["ipv4", "ipv6"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family, host = request.param
    with socket.socket(family) as made:
        try:
            made.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        made.listen()
        yield made


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


async def test_a_connection_counts_from_its_first_moment_until_it_is_closed(listener: socket.socket) -> None:
    port = port_of(listener)
    assert is_connected(OURS, port) is False

    with socket.create_connection(listener.getsockname()[:2]):
        assert is_connected(OURS, port) is True, "before it was accepted"
        accepted, _ = listener.accept()
        assert is_connected(OURS, port) is True

    with accepted:
        await eventually(lambda: is_connected(OURS, port) is False)


def test_nothing_is_said_of_a_port_whose_listener_is_not_among_the_processes(
    listener: socket.socket, tmp_path: Path
) -> None:
    assert is_connected([1], port_of(listener)) is None
    assert is_connected([], port_of(listener)) is None
    assert is_connected(OURS, port_of(listener), root=tmp_path) is None
