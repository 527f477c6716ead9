"""An engine that fails at every moment: what the client gets, what is tried again, and what is recorded."""

import asyncio
import json
from pathlib import Path

import pytest

from roundhouse_common.contracts.scheduler import EndpointState
from roundhouse_common.contracts.usage import Outcome, UsageSource
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, endpoint
from tests.support.scripted_engine import (
    DONE,
    Engine,
    Exchange,
    Script,
    answers,
    chunk,
    completion,
    streams,
    usage_chunk,
)


async def refuses_at_once(exchange: Exchange) -> None:
    exchange.hang_up()


async def begins_and_hangs_up(exchange: Exchange) -> None:
    await exchange.head()
    exchange.hang_up()


async def begins_and_ends_without_a_word(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.end()


async def announces_more_than_it_sends(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{")
    exchange.hang_up()


async def talks_nonsense(exchange: Exchange) -> None:
    await exchange.raw(b"I am not HTTP\r\n\r\n")
    exchange.hang_up()


BEFORE_THE_FIRST_BYTE: list[Script] = [
    refuses_at_once,
    begins_and_hangs_up,
    begins_and_ends_without_a_word,
    announces_more_than_it_sends,
    talks_nonsense,
    answers(500, {"error": {}}),
    answers(502, {"error": {}}),
    answers(503, {"error": {"message": "Loading model"}}),
    answers(401, {"error": {"message": "Invalid API Key"}}),
]


async def test_many_idle_connections_given_up_together_cost_nobody_anything(
    router: RunningRouter, engine: Engine
) -> None:
    """As when an engine closes all its idle connections while a loaded machine holds the news back."""
    met = asyncio.Barrier(3)
    heard = dict[int, int]()

    async def serves_each_connection_once(exchange: Exchange) -> None:
        key = id(exchange.writer)
        heard[key] = heard.get(key, 0) + 1
        if heard[key] > 1:
            exchange.hang_up()
            return
        if len(heard) <= 3:
            await met.wait()
        await answers()(exchange)

    async def ask() -> int:
        async with router.post() as answer:
            await answer.read()
            status: int = answer.status
            return status

    engine.script = serves_each_connection_once
    assert list(await asyncio.gather(ask(), ask(), ask())) == [200] * 3
    assert [await ask() for _ in range(2)] == [200] * 2
    assert max(heard.values()) == 2, "an idle connection was tried"


@pytest.mark.contract("D19")
@pytest.mark.parametrize("failing", BEFORE_THE_FIRST_BYTE)
async def test_what_fails_before_the_first_byte_is_answered_by_another_endpoint(
    router: RunningRouter, engine: Engine, fleet: Fleet, failing: Script
) -> None:
    engine.script = failing
    async with Engine(streams(chunk("hi"), usage_chunk(4, 1), DONE)) as other:
        await fleet.put_endpoints(endpoint(engine.base_url), endpoint(other.base_url, 2))
        await eventually(lambda: router.metric("roundhouse_router_endpoints", state="ready") == 2)
        async with router.stream() as answer:
            assert await answer.read() == chunk("hi") + DONE
    record = await fleet.one_record()
    assert (record.outcome, record.replica_id) == (Outcome.COMPLETED, "rep_2")
    assert record.attempts in (2, 3), "the other one, and once more on a new connection after a hang-up"


async def test_an_endpoint_that_nobody_listens_at_is_passed_over(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    async with Engine() as gone:
        pass
    await fleet.put_endpoints(endpoint(gone.base_url), endpoint(engine.base_url, 2))
    await eventually(lambda: router.metric("roundhouse_router_endpoints", state="ready") == 2)
    for _ in range(6):
        async with router.post() as answer:
            assert answer.status == 200
    assert router.metric("roundhouse_router_upstream_errors_total", kind="connect") == 1, "it rests after the first"


async def test_a_suspect_endpoint_is_used_when_the_ready_ones_fail(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    async with Engine(answers(503, {})) as ready:
        suspect = endpoint(engine.base_url, 2, state=EndpointState.SUSPECT)
        await fleet.put_endpoints(endpoint(ready.base_url), suspect)
        await eventually(lambda: router.metric("roundhouse_router_endpoints", state="suspect") == 1)
        async with router.post() as answer:
            assert answer.status == 200
        assert (len(ready.exchanges), len(engine.exchanges)) == (1, 1)


async def test_the_last_failure_is_what_the_client_sees(router: RunningRouter, engine: Engine, fleet: Fleet) -> None:
    engine.script = answers(500, {"error": {"message": "out of memory", "type": "server_error"}})
    async with router.post() as answer:
        assert answer.status == 500
        assert (await answer.json())["error"]["message"] == "out of memory"
    assert (await fleet.one_record()).outcome is Outcome.FAILED


async def test_an_engine_that_refuses_the_routers_key_is_not_the_callers_fault(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    engine.script = answers(401, {"error": {"message": "Invalid API Key engine-secret-1"}})
    async with router.post() as answer:
        assert answer.status == 502
        error = (await answer.json())["error"]
    assert (error["code"], error["type"], error["param"]) == ("upstream_auth", "server_error", None)
    assert "secret" not in error["message"]


async def test_an_engine_that_is_gone_gives_502_and_the_time_to_come_back(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    engine.stop()
    async with router.post() as answer:
        assert (answer.status, answer.headers["retry-after"]) == (502, "1")
        assert (await answer.json())["error"]["code"] == "upstream_error"
    record = await fleet.one_record()
    assert (record.outcome, record.http_status, record.source) == (Outcome.FAILED, 502, UsageSource.NONE)


async def test_an_idle_connection_that_the_engine_gave_up_costs_nobody_anything(
    router: RunningRouter, engine: Engine
) -> None:
    async def answers_then_closes_without_saying_so(exchange: Exchange) -> None:
        is_reused = any(earlier.writer is exchange.writer for earlier in engine.exchanges[:-1])
        if is_reused:
            exchange.hang_up()
        else:
            await exchange.whole(200, json.dumps(completion()).encode())

    engine.script = answers_then_closes_without_saying_so
    for _ in range(3):
        async with router.post() as answer:
            assert answer.status == 200


async def test_what_breaks_after_the_first_byte_ends_with_an_error_event_and_is_not_tried_again(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    async def breaks(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one") + chunk("two"))
        exchange.hang_up()

    engine.script = breaks
    async with router.stream() as answer:
        body = await answer.read()
    assert body.startswith(chunk("one") + chunk("two"))
    error = json.loads(body.rstrip().rpartition(b"data: ")[2])["error"]
    assert (error["code"], error["type"]) == ("upstream_error", "server_error")
    assert b"[DONE]" not in body
    assert len(engine.exchanges) == 1
    record = await fleet.one_record()
    assert (record.outcome, record.http_status, record.error_code) == (Outcome.FAILED, 200, "upstream_error")
    assert (record.output_tokens, record.source) == (2, UsageSource.ENGINE_RUNNING)


async def test_an_error_event_of_the_engine_is_passed_on_and_recorded_as_a_failure(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    event = b'data: {"error":{"code":500,"message":"slot lost"}}\n\n'
    engine.script = streams(chunk("one"), event)
    async with router.stream() as answer:
        assert await answer.read() == chunk("one") + event
    assert (await fleet.one_record()).outcome is Outcome.FAILED


async def test_silence_in_a_stream_ends_it(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async def falls_silent(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        await exchange.silence()

    engine.script = falls_silent
    async with RunningRouter(tmp_path, fleet, idle_timeout_s=0.2) as router:
        await fleet.serve(engine)
        await router.ready()
        async with router.stream() as answer:
            assert b'"upstream_timeout"' in await answer.read()
        await eventually(lambda: engine.exchanges[0].closed_at)
        assert (await fleet.one_record()).error_code == "upstream_timeout"


async def test_silence_before_the_first_byte_is_a_504_and_not_tried_again(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    engine.script = Exchange.silence
    async with RunningRouter(tmp_path, fleet, first_byte_timeout_s=0.2) as router:
        await fleet.serve(engine, engine)
        await router.ready()
        async with router.post() as answer:
            assert answer.status == 504
    assert len(engine.exchanges) == 1


async def test_a_stream_may_take_longer_than_the_idle_timeout_while_chunks_come(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async def slow(exchange: Exchange) -> None:
        await exchange.head()
        for _ in range(8):
            await exchange.send(chunk("x"))
            await asyncio.sleep(0.3)
        await exchange.send(DONE)
        await exchange.end()

    engine.script = slow
    async with RunningRouter(tmp_path, fleet, idle_timeout_s=2.0, first_byte_timeout_s=2.0) as router:
        await fleet.serve(engine)
        await router.ready()
        async with router.stream() as answer:
            assert await answer.read() == chunk("x") * 8 + DONE


async def test_a_stream_without_the_closing_line_is_complete_when_the_engine_ends_it(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    engine.script = streams(chunk("one"))
    async with router.stream() as answer:
        assert await answer.read() == chunk("one") + DONE
    assert (await fleet.one_record()).outcome is Outcome.COMPLETED


async def test_an_engine_that_stays_silent_after_the_end_does_not_hold_the_client(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async def never_ends(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one") + DONE)
        await exchange.silence()

    engine.script = never_ends
    async with RunningRouter(tmp_path, fleet, drain_answer_s=3.0) as router:
        await fleet.serve(engine)
        await router.ready()
        async with asyncio.timeout(2.5), router.stream() as answer:
            assert await answer.read() == chunk("one") + DONE
        await eventually(lambda: engine.exchanges[0].closed_at)


async def test_a_second_try_on_a_new_connection_takes_no_attempt_from_other_engines(
    router: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    async with Engine(refuses_at_once) as second, Engine() as third:
        engine.script = refuses_at_once
        urls = (engine.base_url, second.base_url, third.base_url)
        await fleet.put_endpoints(*(endpoint(url, number) for number, url in enumerate(urls, 1)))
        await eventually(lambda: router.metric("roundhouse_router_endpoints", state="ready") == 3)
        for _ in range(4):
            async with router.post() as answer:
                assert answer.status == 200, "three engines, of which two are gone, and three attempts"
