"""A route's own timeouts and fallbacks, and the comments that keep a waiting stream alive."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.routing import Fallback, FallbackReason, RouteTimeouts
from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, Script, answers, chunk, completion, sse, streams

COMMENT = b": waiting for the model\n\n"
GOOD = streams(chunk("good"), DONE)
ROLE = sse({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant"}}]})


@asynccontextmanager
async def routed(
    tmp_path: Path, fleet: Fleet, *engines: Engine, settings: dict[str, Any] | None = None, **of_the_route: Any
) -> AsyncIterator[RunningRouter]:  # Any: settings, and fields of RouteRecord
    """A router with one route to these engines."""
    await fleet.put_key(api_key())
    await fleet.put_route(route(**of_the_route))
    await fleet.put_endpoints(*(endpoint(engine.base_url, number) for number, engine in enumerate(engines, 1)))
    async with RunningRouter(tmp_path, fleet, **(settings or {})) as router:
        await router.ready()
        yield router


async def silent(exchange: Exchange) -> None:
    await exchange.silence()


async def begins_and_is_silent(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(ROLE)
    await exchange.silence()


async def trickles(exchange: Exchange) -> None:
    """Show that it lives, and say nothing."""
    await exchange.head()
    for _ in range(40):
        await exchange.send(b": ping\n\n")
        await asyncio.sleep(0.05)
    await exchange.send(chunk("late"))
    await exchange.send(DONE)
    await exchange.end()


async def text(router: RunningRouter, **members: Any) -> bytes:  # Any: members of a request
    async with router.stream(**members) as answer:
        assert answer.status == 200, await answer.text()
        return bytes(await answer.read())


def first_fails(*engines: Engine, then: Script, bad: Script) -> None:
    """Whoever is asked first does the one, the other the other."""
    asked: list[Exchange] = []

    async def script(exchange: Exchange) -> None:
        asked.append(exchange)
        await (bad if len(asked) == 1 else then)(exchange)

    for engine in engines:
        engine.script = script


@pytest.mark.contract("D19")
@pytest.mark.parametrize("bad", [silent, begins_and_is_silent, trickles])
async def test_an_engine_without_a_token_in_time_is_passed_over(
    tmp_path: Path, fleet: Fleet, engine: Engine, bad: Script
) -> None:
    async with Engine() as other:
        first_fails(engine, other, then=GOOD, bad=bad)
        timeouts = RouteTimeouts(first_token_s=1.0)
        async with routed(tmp_path, fleet, engine, other, timeouts=timeouts) as router:
            said = await text(router)
            assert b"good" in said
            assert b"late" not in said
            record = await fleet.one_record()
            assert (record.outcome, record.attempts) == (Outcome.COMPLETED, 2)


async def test_without_another_engine_the_missing_token_is_a_504(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    engine.script = silent
    async with routed(tmp_path, fleet, engine, timeouts=RouteTimeouts(first_token_s=0.2)) as router:
        async with router.stream() as answer:
            assert answer.status == 504
            assert (await answer.json())["error"]["code"] == "upstream_timeout"
        assert (await fleet.one_record()).error_code == "upstream_timeout"


@pytest.mark.contract("D19")
async def test_silence_beyond_the_routes_idle_time_ends_the_stream(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async def stops(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        await exchange.silence()

    engine.script = stops
    async with routed(tmp_path, fleet, engine, timeouts=RouteTimeouts(idle_s=0.2)) as router:
        said = await text(router)
        assert b"one" in said
        assert b"upstream_timeout" in said
        assert (await fleet.one_record()).error_code == "upstream_timeout"


@pytest.mark.contract("D19")
@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_that_takes_longer_than_its_route_allows_is_given_up(
    tmp_path: Path, fleet: Fleet, engine: Engine, is_stream: bool
) -> None:
    async def endless(exchange: Exchange) -> None:
        if not is_stream:
            await exchange.silence()
        await exchange.head()
        while True:
            await exchange.send(chunk("x"))
            await asyncio.sleep(0.02)

    engine.script = endless
    async with routed(tmp_path, fleet, engine, timeouts=RouteTimeouts(total_s=1.0)) as router:
        async with router.post({"stream": is_stream}) as answer:
            said = await answer.text()
        assert answer.status == (200 if is_stream else 504)
        assert "within the 1 s that its route allows" in said
        record = await fleet.one_record()
        assert (record.outcome, record.error_code) == (Outcome.FAILED, "upstream_timeout")
        await eventually(lambda: engine.exchanges[0].closed_at)


@pytest.mark.contract("D19")
async def test_a_silent_engine_is_bridged_by_comments_until_the_stream_comes(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    speak = asyncio.Event()

    async def reads_its_prompt(exchange: Exchange) -> None:
        await speak.wait()
        await GOOD(exchange)

    engine.script = reads_its_prompt
    async with (
        routed(tmp_path, fleet, engine, settings={"keep_alive_comment_s": 0.05}) as router,
        router.stream() as answer,
    ):
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert await answer.content.readexactly(2 * len(COMMENT)) == 2 * COMMENT
        speak.set()
        rest = (await answer.read()).replace(COMMENT, b"")
    assert rest.startswith(b"data: {")
    assert b"good" in rest
    assert rest.endswith(DONE)
    assert rest.count(b"[DONE]") == 1


async def test_no_comment_follows_the_first_content(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async def slow(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        await asyncio.sleep(0.3)
        await exchange.send(chunk("two"))
        await exchange.send(DONE)
        await exchange.end()

    engine.script = slow
    async with routed(tmp_path, fleet, engine, settings={"keep_alive_comment_s": 0.1}) as router:
        said = await text(router)
        assert COMMENT not in said[said.index(b"one") :], "one before it there may be, on a machine that is busy"


async def test_an_engine_that_fails_after_comments_is_still_passed_over(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async def dies_late(exchange: Exchange) -> None:
        await asyncio.sleep(0.2)
        exchange.hang_up()

    async with Engine() as other:
        first_fails(engine, other, then=GOOD, bad=dies_late)
        settings = {"keep_alive_comment_s": 0.05}
        async with routed(tmp_path, fleet, engine, other, settings=settings) as router:
            said = await text(router)
            assert said.startswith(COMMENT)
            assert b"good" in said
            assert b'"error"' not in said


async def test_a_failure_after_comments_is_told_inside_the_stream(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async def refuses_late(exchange: Exchange) -> None:
        await asyncio.sleep(0.2)
        await exchange.whole(500, b'{"error":{"message":"broken","type":"x","param":null,"code":null}}')

    engine.script = refuses_late
    async with routed(tmp_path, fleet, engine, settings={"keep_alive_comment_s": 0.05}) as router:
        said = (await text(router)).replace(COMMENT, b"")
    assert said.startswith(b"data: ")
    assert json.loads(said.split(b"\n")[0][6:])["error"]
    assert (await fleet.one_record()).outcome is Outcome.FAILED


TOO_LONG = {"message": "maximum context length is 100 tokens", "code": "context_length_exceeded"}
LLAMA_TOO_LONG = {
    "code": 400,
    "message": "the request exceeds the available context size",
    "type": "exceed_context_size_error",
}
UNWANTED = {"message": "flagged by the content management policy", "code": "content_filter", "type": "x"}


@pytest.mark.contract("D09", "D19")
@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (503, {"message": "overloaded"}, FallbackReason.ERROR),
        (400, TOO_LONG, FallbackReason.CONTEXT_LENGTH),
        (400, LLAMA_TOO_LONG, FallbackReason.CONTEXT_LENGTH),
        (413, TOO_LONG, FallbackReason.CONTEXT_LENGTH),
        (422, TOO_LONG, FallbackReason.CONTEXT_LENGTH),
        (400, UNWANTED, FallbackReason.CONTENT_POLICY),
    ],
)
async def test_a_route_falls_back_for_the_reasons_that_it_names_and_no_other(
    tmp_path: Path, fleet: Fleet, engine: Engine, status: int, error: dict[str, Any], reason: FallbackReason
) -> None:
    engine.script = answers(status, {"error": {"type": "x", "param": None, "code": None, **error}})
    reasons = (FallbackReason.ERROR, FallbackReason.CONTEXT_LENGTH, FallbackReason.CONTENT_POLICY)
    async with Engine(answers(200, completion("from the spare"))) as spare:
        await fleet.put_route(route("spare", "dep_2"))
        await fleet.put_endpoints(endpoint(spare.base_url, 9), deployment_id="dep_2")
        others = tuple(Fallback(reason=other, route="nowhere") for other in reasons if other is not reason)
        await fleet.put_route(route("others", fallbacks=others))
        fallbacks = (*others, Fallback(reason=reason, route="spare"))
        async with routed(tmp_path, fleet, engine, fallbacks=fallbacks) as router:
            async with router.post() as answer:
                assert answer.status == 200, await answer.text()
                assert (await answer.json())["choices"][0]["message"]["content"] == "from the spare"
            async with router.post({"model": "others"}) as answer:
                assert answer.status == status
            name = "roundhouse_router_fallbacks_total"
            assert router.metric(name, reason=reason.value) == 1
            await eventually(lambda: len(fleet.records) == 2)
    went = next(record for record in fleet.records if record.outcome is Outcome.COMPLETED)
    assert (went.deployment_id, went.route_id) == ("dep_2", "rte_tiny")
