"""Whether anybody listens where the bus should be."""

import asyncio

import pytest

from roundhouse_common.bus.nats_probe import listens
from tests.support.ports import free_port


async def test_a_server_that_listens_is_seen_among_others_that_do_not() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port, nobody = server.sockets[0].getsockname()[1], free_port()
    async with server:
        assert await listens(f"nats://127.0.0.1:{port}")
        assert await listens(f"127.0.0.1:{port}")
        assert await listens(f"nats://127.0.0.1:{nobody},nats://user:secret@127.0.0.1:{port}")
    assert not await listens(f"nats://127.0.0.1:{nobody}")
    assert not await listens(f"nats://127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["nats://127.0.0.1:many", "nats://", "nats://[::1"])
async def test_what_cannot_be_read_is_left_to_who_connects(url: str) -> None:
    assert await listens(url)


async def test_a_name_that_nobody_has_is_no_server() -> None:
    assert not await listens("nats://nobody.invalid:4222")
