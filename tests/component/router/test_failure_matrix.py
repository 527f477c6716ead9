"""Every moment at which an engine can fail, for every API, streamed or not: a proper error, one record, nothing leaks.

The one place that the key's limit on concurrent requests has is taken by each request: whatever does not give it back
fails the request after it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
import pytest_asyncio

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import LimitDimension, RouteTimeouts
from roundhouse_common.contracts.usage import Outcome
from tests.support.api_clients import CLIENTS, ApiClient
from tests.support.eventually import eventually
from tests.support.limit_records import limit
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, Script, chunk, completion, sse, usage_chunk

pytestmark = pytest.mark.contract("D11", "D19")

QUICK = RouteTimeouts(first_token_s=0.3, idle_s=0.3)
FEATURES = (Feature.CHAT, Feature.COMPLETIONS)
LAST = sse({"choices": [{"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}]})


def said(exchange: Exchange, text: str) -> bytes:
    """One chunk of text, as the endpoint that was asked says it."""
    if "chat" in exchange.path:
        return chunk(text)
    return sse({"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": text}]})


def whole(exchange: Exchange) -> bytes:
    document = completion("hello")
    if "chat" not in exchange.path:
        document["choices"] = [{"index": 0, "text": "hello", "finish_reason": "stop"}]
    return json.dumps(document).encode()


async def begun(exchange: Exchange) -> None:
    """Say `hel`: in a stream a chunk, else the half of an answer."""
    if exchange.json.get("stream"):
        await exchange.head()
        await exchange.send(said(exchange, "hel"))
    else:
        body = whole(exchange)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        await exchange.raw(head + body[: len(body) // 2])


async def well(exchange: Exchange) -> None:
    if not exchange.json.get("stream"):
        await exchange.whole(200, whole(exchange))
        return
    await exchange.head()
    for piece in (said(exchange, "hel"), said(exchange, "lo"), LAST, usage_chunk(7, 3), DONE):
        await exchange.send(piece)
    await exchange.end()


async def hangs_up(exchange: Exchange) -> None:
    exchange.hang_up()


async def talks_nonsense(exchange: Exchange) -> None:
    await exchange.raw(b"I am not HTTP\r\n\r\n")


async def fails(exchange: Exchange) -> None:
    await exchange.whole(500, b'{"error":{"message":"no memory","type":"server_error"}}')


async def refuses(exchange: Exchange) -> None:
    await exchange.whole(400, b'{"error":{"message":"temperature is wrong","type":"invalid_request_error"}}')


async def says_nothing(exchange: Exchange) -> None:
    await exchange.silence()


async def begins_and_hangs_up(exchange: Exchange) -> None:
    await exchange.head()
    exchange.hang_up()


async def hangs_up_in_the_middle(exchange: Exchange) -> None:
    await begun(exchange)
    exchange.hang_up()


async def falls_silent_in_the_middle(exchange: Exchange) -> None:
    await begun(exchange)
    await exchange.silence()


async def hangs_up_after_the_end(exchange: Exchange) -> None:
    await well(exchange)
    exchange.hang_up()


async def talks_on_after_the_end(exchange: Exchange) -> None:
    if exchange.json.get("stream"):
        await exchange.head()
        for piece in (said(exchange, "hello"), LAST, usage_chunk(7, 3), DONE):
            await exchange.send(piece)
        await exchange.send(said(exchange, " and"))
        exchange.hang_up()
    else:
        await exchange.whole(200, whole(exchange))
        await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nand")


EARLY: dict[Script, tuple[int, str]] = {
    hangs_up: (502, "upstream_error"),
    talks_nonsense: (502, "upstream_error"),
    fails: (500, "upstream_500"),
    refuses: (400, "upstream_400"),
    says_nothing: (504, "upstream_timeout"),
    begins_and_hangs_up: (502, "upstream_error"),
}
"""The status of the client's answer, and the record's code."""
MIDDLE: dict[Script, tuple[int, str]] = {
    hangs_up_in_the_middle: (502, "upstream_error"),
    falls_silent_in_the_middle: (504, "upstream_timeout"),
}
"""The same; the status is that of an answer that is no stream."""
every_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.api)
streamed_or_not = pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])


@pytest_asyncio.fixture
async def router(tmp_path: Path, fleet: Fleet, engine: Engine) -> AsyncIterator[RunningRouter]:
    """With one engine, and a place for one request at a time."""
    async with RunningRouter(tmp_path, fleet, failure_rest_s=0.01, eject_failures=1000) as running:
        await fleet.put_limit(limit("one_at_a_time", LimitDimension.KEY, concurrent_requests=1))
        await fleet.put_key(api_key())
        await fleet.put_route(route(timeouts=QUICK))
        await fleet.put_endpoints(endpoint(engine.base_url, features=FEATURES))
        await running.ready()
        yield running


async def is_clean(router: RunningRouter, fleet: Fleet, engine: Engine, client: ApiClient) -> None:
    """Assert that nothing is left of what was asked, and that the next request is served."""
    await eventually(lambda: router.metric("roundhouse_router_in_flight") == 0)
    await eventually(lambda: engine.open_connections <= 1, why="one may be kept for the next request")
    engine.script = well
    again = await eventually(lambda: _answered(router, client))
    assert again == "hello"
    await eventually(lambda: router.metric("roundhouse_router_connections") == 0, why="the clients have left")
    await eventually(lambda: len(fleet.by_id) == 2)
    assert [record.outcome for record in fleet.by_id.values()].count(Outcome.COMPLETED) >= 1
    assert {record.api for record in fleet.by_id.values()} == {client.api}


async def _answered(router: RunningRouter, client: ApiClient) -> str:
    told = await client.told(router.url, False)
    assert told.error is None, told.error
    return told.text


@every_client
@streamed_or_not
@pytest.mark.parametrize("failing", EARLY, ids=lambda failing: failing.__name__)
async def test_before_the_first_content(
    router: RunningRouter, fleet: Fleet, engine: Engine, client: ApiClient, is_stream: bool, failing: Script
) -> None:
    engine.script = failing
    told = await client.told(router.url, is_stream)
    status, code = EARLY[failing]
    assert (told.text, told.status) == ("", status)
    assert not isinstance(told.error, openai.APIConnectionError)
    record = await fleet.one_record()
    assert (record.outcome, record.error_code, record.is_stream) == (Outcome.FAILED, code, is_stream)
    assert record.output_tokens == 0
    await is_clean(router, fleet, engine, client)


@every_client
@streamed_or_not
@pytest.mark.parametrize("failing", MIDDLE, ids=lambda failing: failing.__name__)
async def test_in_the_middle(
    router: RunningRouter, fleet: Fleet, engine: Engine, client: ApiClient, is_stream: bool, failing: Script
) -> None:
    engine.script = failing
    told = await client.told(router.url, is_stream)
    assert told.error is not None
    status, code = MIDDLE[failing]
    if is_stream:
        assert told.text == "hel"
    else:
        assert (told.text, told.status) == ("", status)
    record = await fleet.one_record()
    assert (record.outcome, record.error_code) == (Outcome.FAILED, code)
    assert record.output_tokens == is_stream, "one chunk was passed on"
    await is_clean(router, fleet, engine, client)


@every_client
@streamed_or_not
@pytest.mark.parametrize("failing", [hangs_up_after_the_end, talks_on_after_the_end], ids=lambda one: one.__name__)
async def test_after_the_end_nothing_can_fail(
    router: RunningRouter, fleet: Fleet, engine: Engine, client: ApiClient, is_stream: bool, failing: Script
) -> None:
    engine.script = failing
    told = await client.told(router.url, is_stream)
    assert (told.text, told.error) == ("hello", None)
    record = await fleet.one_record()
    assert (record.outcome, record.input_tokens, record.output_tokens) == (Outcome.COMPLETED, 7, 3)
    await is_clean(router, fleet, engine, client)


@every_client
@streamed_or_not
async def test_nobody_listens(
    router: RunningRouter, fleet: Fleet, engine: Engine, client: ApiClient, is_stream: bool
) -> None:
    async with Engine() as gone:
        pass
    await fleet.put_endpoints(endpoint(gone.base_url, 2, features=FEATURES))
    await eventually(lambda: _is_refused(router, client, is_stream))
    await fleet.put_endpoints(endpoint(engine.base_url, 3, features=FEATURES))
    engine.script = well
    assert await eventually(lambda: _answered(router, client)) == "hello"
    await eventually(lambda: router.metric("roundhouse_router_in_flight") == 0)


async def _is_refused(router: RunningRouter, client: ApiClient, is_stream: bool) -> bool:
    told = await client.told(router.url, is_stream)
    return told.status in (502, 503)


@every_client
async def test_a_client_that_leaves_takes_everything_with_it(
    router: RunningRouter, fleet: Fleet, engine: Engine, client: ApiClient
) -> None:
    engine.script = falls_silent_in_the_middle
    asking = asyncio.ensure_future(client.told(router.url, True))
    await eventually(lambda: engine.exchanges)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    record = await fleet.one_record()
    assert (record.outcome, record.error_code) == (Outcome.ABORTED, "client_left")
    await is_clean(router, fleet, engine, client)
