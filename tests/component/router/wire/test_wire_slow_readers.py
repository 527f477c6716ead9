"""Clients that read more slowly than they are answered."""

import asyncio

from roundhouse_router.wire.exchange import Exchange
from tests.support.wire import serving

GET = b"GET / HTTP/1.0\r\n\r\n"


async def test_a_slow_client_gets_every_piece_once_and_in_order() -> None:
    pieces = [b"%d;" % number * 50 for number in range(40_000)]

    async def stream(exchange: Exchange) -> None:
        exchange.start(200, [])
        for number, piece in enumerate(pieces):
            exchange.write(piece)
            if number % 1000 == 0:
                await exchange.drained()
        exchange.end()

    async with serving(stream) as (origin, _):
        reader, writer = await asyncio.open_connection(origin.host, origin.port, limit=1 << 16)
        writer.write(GET)
        data = b""
        async with asyncio.timeout(60):
            while piece := await reader.read(100_000):
                data += piece
        writer.close()
        assert data.partition(b"\r\n\r\n")[2] == b"".join(pieces)
