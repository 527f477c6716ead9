"""A client that leaves cancels the engine's work within 100 ms, at every moment of a request."""

import asyncio
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.usage import Outcome, UsageSource
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter
from tests.support.scripted_engine import DONE, Engine, Exchange, chunk, streams

CANCELLED_WITHIN_S = 0.1
TRIES = 3
"""What else runs on the machine only ever adds: one of so many has to be as quick as that."""


async def streams_for_ever(exchange: Exchange) -> None:
    await exchange.head()
    while True:
        await exchange.send(chunk("x"))
        await asyncio.sleep(0.01)


async def says_two_words_and_waits(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(chunk("one"))
    await exchange.send(chunk("two"))
    await exchange.silence()


async def begins_a_whole_answer_and_waits(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{")
    await exchange.silence()


async def leave(router: RunningRouter, engine: Engine, *, is_stream: bool, after_bytes: int) -> float:
    """Ask, leave once so many bytes came, and return how long the engine went on without its reader."""
    loop = asyncio.get_running_loop()
    body = b'{"model":"tiny","messages":[],"stream":%s}' % (b"true" if is_stream else b"false")
    reader, writer = await asyncio.open_connection("127.0.0.1", router.service.port)
    key = router_key()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{key}content-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await eventually(lambda: engine.exchanges)
    if after_bytes:
        await reader.readexactly(after_bytes)
    else:
        await asyncio.sleep(0)
    left_at = loop.time()
    writer.close()
    await eventually(lambda: engine.exchanges[0].closed_at is not None)
    closed_at = engine.exchanges[0].closed_at
    assert closed_at is not None
    return closed_at - left_at


def router_key() -> str:
    return f"authorization: Bearer rh-{'k' * 43}\r\n"


@pytest.mark.parametrize(
    ("script", "is_stream", "after_bytes"),
    [
        (Exchange.silence, True, 0),
        (Exchange.silence, False, 0),
        (begins_a_whole_answer_and_waits, False, 0),
        (says_two_words_and_waits, True, 400),
        (streams_for_ever, True, 2000),
    ],
)
async def test_the_engine_is_told_at_once(
    router: RunningRouter, engine: Engine, fleet: Fleet, script: object, is_stream: bool, after_bytes: int
) -> None:
    engine.script = script  # type: ignore[assignment]  # the parameter's type is lost in parametrize
    took_s = [await leave(router, engine, is_stream=is_stream, after_bytes=after_bytes)]
    while min(took_s) >= CANCELLED_WITHIN_S and len(took_s) < TRIES:
        engine.exchanges.clear()
        took_s.append(await leave(router, engine, is_stream=is_stream, after_bytes=after_bytes))
    assert min(took_s) < CANCELLED_WITHIN_S
    record = await fleet.one_record()
    assert (record.outcome, record.error_code) == (Outcome.ABORTED, "client_left")
    assert record.http_status == (200 if after_bytes else 499)


async def test_what_the_engine_had_produced_is_counted_by_its_chunks(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    engine.script = says_two_words_and_waits
    await leave(router, engine, is_stream=True, after_bytes=400)
    record = await fleet.one_record()
    assert (record.output_tokens, record.source) == (2, UsageSource.ENGINE_RUNNING)


async def test_an_engine_that_reports_on_the_way_is_counted_exactly(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    async def reports_and_waits(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one", timings={"cache_n": 20, "prompt_n": 13, "predicted_n": 1}))
        await exchange.send(chunk("two three", timings={"cache_n": 20, "prompt_n": 13, "predicted_n": 3}))
        await exchange.silence()

    await fleet.serve(engine, engine=EngineKind.LLAMA_CPP)
    await eventually(lambda: router.metric("roundhouse_router_endpoints", state="ready") == 1)
    engine.script = reports_and_waits
    await leave(router, engine, is_stream=True, after_bytes=400)
    record = await fleet.one_record()
    assert engine.exchanges[0].json["timings_per_token"] is True
    assert (record.input_tokens, record.cached_input_tokens, record.output_tokens) == (13, 20, 3)
    assert record.source is UsageSource.ENGINE_RUNNING


async def test_a_client_that_leaves_while_it_waits_for_a_replica_is_recorded_too(
    router: RunningRouter, fleet: Fleet
) -> None:
    await fleet.put_endpoints()
    await eventually(lambda: router.metric("roundhouse_router_endpoints", state="ready") == 0)
    _, writer = await asyncio.open_connection("127.0.0.1", router.service.port)
    body = b'{"model":"tiny"}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{router_key()}content-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await eventually(lambda: router.metric("roundhouse_router_in_flight") == 1)
    writer.close()
    record = await fleet.one_record()
    assert (record.outcome, record.attempts) == (Outcome.ABORTED, 0)


async def test_a_client_that_leaves_in_the_middle_of_its_body_was_never_admitted(
    router: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", router.service.port)
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{router_key()}content-length: 99\r\n\r\n{{".encode()
    )
    await writer.drain()
    writer.close()
    async with router.post() as answer:
        assert answer.status == 200
    assert (await fleet.one_record()).sequence == 1


async def test_a_client_that_stops_reading_does_not_hold_the_engine(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async def floods(exchange: Exchange) -> None:
        await exchange.head()
        while True:
            await exchange.send(chunk("x" * 100_000))

    engine.script = floods
    async with RunningRouter(tmp_path, fleet, client_stall_timeout_s=0.1) as router:
        await fleet.serve(engine)
        await router.ready()
        _, writer = await asyncio.open_connection("127.0.0.1", router.service.port, limit=1024)
        body = b'{"model":"tiny","stream":true}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{router_key()}content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        record = await fleet.one_record()
        assert (record.outcome, record.error_code) == (Outcome.ABORTED, "client_stalled")
        await eventually(lambda: engine.exchanges[0].closed_at)
        writer.transport.abort()


async def test_a_slow_answer_is_not_a_stalled_client(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async def thinks(exchange: Exchange) -> None:
        await asyncio.sleep(0.4)
        await streams(chunk("x"), DONE)(exchange)

    engine.script = thinks
    async with RunningRouter(tmp_path, fleet, client_stall_timeout_s=0.05) as router:
        await fleet.serve(engine)
        await router.ready()
        async with router.stream() as answer:
            assert await answer.read() == chunk("x") + DONE


async def test_what_the_drain_cannot_wait_for_is_recorded_as_aborted(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    engine.script = streams_for_ever
    async with RunningRouter(tmp_path, fleet, drain_timeout_s=0.2) as router:
        await fleet.serve(engine)
        await router.ready()
        answer = await router.stream()
        await answer.content.readany()
        router.service.stop()
        record = await fleet.one_record()
        answer.close()
    assert (record.outcome, record.error_code) == (Outcome.ABORTED, "router_stopped")
    assert record.output_tokens > 0
