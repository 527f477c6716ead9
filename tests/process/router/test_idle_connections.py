"""Ten thousand connections that do nothing, and clients that send a byte now and then, beside normal requests."""

import asyncio
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.eventually import eventually
from tests.support.router_process import RouterProcess
from tests.support.running_router import SECRET, endpoint
from tests.support.scripted_engine import Engine

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

IDLE = 10_000
SLOW = 200
PATIENT: dict[str, Any] = dict.fromkeys(
    ("client_idle_timeout_s", "client_head_timeout_s", "client_body_timeout_s"), "600"
)  # Any: settings, which are texts; the machine of a test may be too busy for the router's own times
STARVED_S = 30.0
HELD_KIB = 16
"""What an idle connection may cost at most, in the router's memory."""
HEAD = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {SECRET}\r\ncontent-length: 9999\r\n"


@pytest.fixture
def many_files() -> Iterator[int]:
    """Raise the limit on open files; yields how many idle connections that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield min(IDLE, hard - 2 * SLOW - 500)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Idle(asyncio.Protocol):
    """A client that says nothing."""

    def __init__(self) -> None:
        self.is_open = True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False


async def dawdles(port: int) -> None:
    """Send a request a byte at a time, until cancelled: its head at first, then its body."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for byte in HEAD.encode() + b"\r\n" + b"{" * 9998:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)
    finally:
        writer.transport.abort()


async def normal(router: RouterProcess, count: int) -> float:
    """Ask so often on a connection each time; return the slowest answer's seconds."""
    slowest = 0.0
    for _ in range(count):
        began = time.monotonic()
        headers = {"connection": "close"}
        body = {"model": "tiny", "messages": []}
        async with router.session.post("/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.status == 200
            await answer.read()
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def accepted(process: psutil.Process, port: int) -> int:
    """Return how many clients' connections the router holds; what it has to engines comes and goes by itself."""
    return sum(
        1
        for connection in process.net_connections("tcp")
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_ESTABLISHED
    )


async def test_normal_requests_go_on_beside_ten_thousand_idle_connections(tmp_path: Path, many_files: int) -> None:
    loop = asyncio.get_running_loop()
    async with Engine() as engine, RouterProcess(tmp_path, endpoint(engine.base_url), **PATIENT) as router:
        process = psutil.Process(router.process.pid)
        await normal(router, 20)
        before_kib = process.memory_info().rss / 1024
        with ExitStack() as stack:
            idle: list[Idle] = []
            for _ in range(many_files):
                transport, client = await loop.create_connection(Idle, "127.0.0.1", router.port)
                stack.callback(transport.abort)
                idle.append(client)
            dawdling = [asyncio.create_task(dawdles(router.port), name="slow") for _ in range(SLOW)]
            try:
                wanted = many_files + SLOW
                await eventually(lambda: accepted(process, router.port) >= wanted, within_s=90, every_s=1)
                assert await normal(router, 200) < STARVED_S
                held_kib = (process.memory_info().rss / 1024 - before_kib) / (many_files + SLOW)
                print(f"{many_files} idle connections and {SLOW} slow clients: {held_kib:.1f} KiB each")
                assert held_kib < HELD_KIB
                assert all(client.is_open for client in idle), "none was closed to make room"
            finally:
                for task in dawdling:
                    task.cancel()
                await asyncio.gather(*dawdling, return_exceptions=True)
        await eventually(lambda: accepted(process, router.port) == 0, within_s=90, every_s=0.5)
        assert await normal(router, 20) < STARVED_S
