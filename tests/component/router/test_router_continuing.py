"""Streams whose engine dies in the middle: with an error, or continued at another engine where the route says so."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, Script, answers, chunk, streams, usage_chunk

USER = [{"role": "user", "content": "count to four"}]
HALF_AN_EVENT = b'data: {"id":"c","choices":[{"delta":{"content":"lo'


def dies(*pieces: bytes) -> Script:
    """Send so much, and break the connection."""

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        for piece in pieces:
            await exchange.send(piece)
        exchange.hang_up()

    return script


def counting(first: Script, then: Script) -> Script:
    """Begin by one script; go on from what was said by the other."""

    async def script(exchange: Exchange) -> None:
        is_begun = exchange.json["messages"][-1]["role"] == "assistant"
        await (then if is_begun else first)(exchange)

    return script


@pytest_asyncio.fixture
async def engines(fleet: Fleet, router: RunningRouter) -> AsyncIterator[tuple[Engine, Engine]]:
    """Two engines of a route whose streams are continued."""
    async with Engine() as one, Engine() as other:
        await fleet.put_route(route("counter", "dep_2", is_continued=True))
        await fleet.put_route(route("ends", "dep_2"))
        kind = {"engine": EngineKind.VLLM}
        both = (endpoint(one.base_url, 11, **kind), endpoint(other.base_url, 12, **kind))
        await fleet.put_endpoints(*both, deployment_id="dep_2")
        yield one, other


def scripted(engines: tuple[Engine, Engine], script: Script) -> None:
    for engine in engines:
        engine.script = script


async def told(router: RunningRouter, **members: Any) -> tuple[str, list[dict[str, Any]]]:  # Any: JSON
    """Return the whole stream, and its events."""
    async with router.stream(**{"model": "counter", "messages": USER, **members}) as answer:
        assert answer.status == 200, await answer.text()
        text = (await answer.read()).decode()
    return text, [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]


def said(events: list[dict[str, Any]]) -> str:
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event.get("choices", ()))


@pytest.mark.contract("D19")
async def test_a_stream_goes_on_at_another_engine_as_if_nothing_had_happened(
    router: RunningRouter, fleet: Fleet, engines: tuple[Engine, Engine]
) -> None:
    rest = streams(chunk("3, "), chunk("4"), usage_chunk(12, 2), DONE)
    scripted(engines, counting(dies(chunk("1, "), chunk("2, "), HALF_AN_EVENT), rest))

    text, events = await told(router, max_tokens=10, stream_options={"include_usage": True})

    assert said(events) == "1, 2, 3, 4"
    assert text.endswith("data: [DONE]\n\n")
    assert {event["id"] for event in events} == {"c"}
    assert not any("error" in event for event in events)
    [usage] = [event["usage"] for event in events if event.get("usage")]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (10, 4)
    asked = [exchange.json for engine in engines for exchange in engine.exchanges]
    [again] = [body for body in asked if body["messages"][-1]["role"] == "assistant"]
    assert again["messages"][-1]["content"] == "1, 2, "
    assert (again["max_tokens"], again["continue_final_message"]) == (8, True)
    record = await fleet.one_record()
    assert (record.outcome, record.continuations, record.attempts) == (Outcome.COMPLETED, 1, 2)
    assert (record.input_tokens, record.output_tokens) == (10, 4)


async def test_a_stream_ends_with_an_error_where_the_route_does_not_say_so(
    router: RunningRouter, fleet: Fleet, engines: tuple[Engine, Engine]
) -> None:
    scripted(engines, dies(chunk("1, "), chunk("2, ")))
    _, events = await told(router, model="ends")
    assert said(events[:-1]) == "1, 2, "
    assert events[-1]["error"]["code"] == "upstream_error"
    record = await fleet.one_record()
    assert (record.outcome, record.continuations, record.output_tokens) == (Outcome.FAILED, 0, 2)


async def test_constrained_output_is_not_continued(
    router: RunningRouter, fleet: Fleet, engines: tuple[Engine, Engine]
) -> None:
    scripted(engines, dies(chunk("{")))
    _, events = await told(router, response_format={"type": "json_object"})
    assert events[-1]["error"]["code"] == "upstream_error"
    assert (await fleet.one_record()).attempts == 1


async def test_when_no_other_engine_goes_on_the_stream_ends_with_the_first_error(
    router: RunningRouter, fleet: Fleet, engines: tuple[Engine, Engine]
) -> None:
    async def refuses(exchange: Exchange) -> None:
        await exchange.whole(400, b'{"error":{"message":"no prefill here","type":"x","param":null,"code":null}}')

    scripted(engines, counting(dies(chunk("1, ")), refuses))
    _, events = await told(router)
    assert said(events[:-1]) == "1, "
    assert events[-1]["error"]["code"] == "upstream_error"
    record = await fleet.one_record()
    assert (record.outcome, record.output_tokens) == (Outcome.FAILED, 1)
    assert router.metric("roundhouse_router_in_flight") == 0


async def test_a_stream_that_had_said_everything_just_ends(
    router: RunningRouter, fleet: Fleet, engines: tuple[Engine, Engine]
) -> None:
    scripted(
        engines, dies(chunk("1"), b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n')
    )
    text, events = await told(router)
    assert said(events[:1]) == "1"
    assert "error" in events[-1]
    assert (await fleet.one_record()).attempts == 1
    assert text.count("finish_reason") == 2


@pytest.mark.contract("D19")
async def test_all_streams_of_an_engine_that_dies_go_on_and_leave_nothing_behind(
    router: RunningRouter, fleet: Fleet, engines: tuple[Engine, Engine]
) -> None:
    one, other = engines
    count, dead = 40, asyncio.Event()

    async def dies_when_told(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("1, "))
        await dead.wait()
        exchange.hang_up()

    async def waits(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("1, "))
        await dead.wait()
        await exchange.send(chunk("2") + DONE)
        await exchange.end()

    one.script = dies_when_told
    other.script = counting(waits, streams(chunk("2"), DONE))
    asking = [asyncio.ensure_future(told(router)) for _ in range(count)]
    await eventually(lambda: len(one.exchanges) + len(other.exchanges) == count)
    died = len(one.exchanges)
    assert died > 15
    dead.set()
    assert {said(events) for _, events in await asyncio.gather(*asking)} == {"1, 2"}
    await eventually(lambda: len(fleet.by_id) == count)
    assert sum(record.continuations for record in fleet.by_id.values()) == died
    assert {record.outcome for record in fleet.by_id.values()} == {Outcome.COMPLETED}

    one.script, other.script = answers(500, {}), answers()  # retries have their whole budget again
    for _ in range(4):
        async with router.post({"model": "counter", "messages": USER}) as answer:
            assert answer.status == 200
