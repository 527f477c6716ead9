"""Connections that nobody waits for any more are forgotten, at whichever step of their opening that is."""

import asyncio
import contextlib

import uvloop

from roundhouse_router.wire.client import Client, Origin

STEPS = 12
"""Turns of the event loop; a connection on loopback is open and its head sent well before."""


def test_a_connection_whose_caller_leaves_while_it_opens_is_forgotten() -> None:
    assert uvloop.run(_left_behind()) == 0


async def _left_behind() -> int:
    """Return how many connections a client knows after its callers have left, each some turns after it came."""
    taken: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1], is_tls=False)
    async with Client() as client:
        for turns in range(STEPS):
            head = b"POST / HTTP/1.1\r\nhost: engine\r\n"
            asking = asyncio.create_task(client.send(origin, head, b"{}", connect_s=5.0, first_byte_s=5.0))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
            for _ in range(STEPS):
                await asyncio.sleep(0)
        left = client.open_count
    server.close()
    return left
