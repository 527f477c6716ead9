"""Clients and engines that leave at any moment: nothing is mixed up, and nothing stays behind."""

import asyncio
import contextlib
import random

from roundhouse_router.wire.client import Client
from roundhouse_router.wire.errors import WireError
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import request_head
from roundhouse_router.wire.reply import Reply
from tests.support.eventually import eventually
from tests.support.wire import serving

REQUESTS = 400
AT_ONCE = 40


async def test_nothing_is_mixed_up_and_nothing_stays_behind() -> None:
    rng = random.Random(20_261_121)
    answered = 0

    async def engine(exchange: Exchange) -> None:
        """Answer with what was asked, in one of many ways, or break off."""
        body = await exchange.read_body(1 << 24)
        way = rng.random()
        if way < 0.1:
            exchange.give_up()
        elif way < 0.4:
            exchange.answer(200, [], body)
        else:
            exchange.start(200, [])
            for at in range(0, len(body), 997):
                exchange.write(body[at : at + 997])
                if rng.random() < 0.2:
                    await asyncio.sleep(0)
                if way < 0.5 and rng.random() < 0.1:
                    exchange.give_up()
                    return
                await exchange.drained()
            exchange.end()

    async with serving(engine, drain_s=0.2) as (behind, engine_server), Client() as client:

        async def relay(exchange: Exchange) -> None:
            body = await exchange.read_body(1 << 24)
            head = request_head(b"POST", b"/", b"engine", [])
            try:
                async with exchange.guarded():
                    reply = await client.send(behind, head, body, connect_s=5, first_byte_s=5)
                    try:
                        await pass_on(exchange, reply)
                    finally:
                        reply.close()
            except WireError:
                if not exchange.is_started:
                    exchange.answer(502, [], b"")

        async def pass_on(exchange: Exchange, reply: Reply) -> None:
            if b"content-length" in reply.headers:
                exchange.answer(200, [], await reply.read_all(1 << 24))
                return
            exchange.start(200, [])
            exchange.on_paused, exchange.on_drained = reply.pause, reply.resume
            await reply.pump(exchange.write)
            exchange.end()

        async with serving(relay, drain_s=0.2) as (front, server):

            async def one(number: int) -> None:
                nonlocal answered
                body = b"%d " % number * rng.choice((1, 10, 1000, 50_000))
                reader, writer = await asyncio.open_connection(front.host, front.port)
                data = (
                    b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
                )
                is_patient = rng.random() < 0.7
                with contextlib.suppress(ConnectionError):
                    if is_patient:
                        writer.write(data)
                        got = await reader.read()
                        while more := await reader.read():
                            got += more
                        answered += check(got, body)
                    else:
                        writer.write(data[: rng.randrange(len(data))])
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(reader.read(rng.randrange(1, 5000)), rng.random() / 50)
                writer.transport.abort()

            for begin in range(0, REQUESTS, AT_ONCE):
                await asyncio.gather(*(one(number) for number in range(begin, begin + AT_ONCE)))
            await eventually(lambda: not server.connections and not server.is_busy)
        await eventually(lambda: len(engine_server.connections) == client.idle_count == client.open_count)
    assert answered > REQUESTS / 3


def check(answer: bytes, body: bytes) -> bool:
    """Whether it was answered whole; whatever came of an answer must be of the right one."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        return False
    if b"content-length" in head:
        assert body.startswith(rest)
        return rest == body
    is_whole = rest.endswith(b"0\r\n\r\n")
    got = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if not size:
            break
        got += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    assert body.startswith(bytes(got))
    assert not is_whole or bytes(got) == body
    return is_whole
