"""Outside providers of every API that fail at every moment, through the whole router.

Before the first content a failure leads to the next target and no client sees it; after it the client gets what came,
and an error that its library raises on.
"""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from roundhouse_common.contracts.routing import ProviderFormat, RouteTarget
from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually
from tests.support.routed_providers import HI, client, every_format, routed, streamed, whole
from tests.support.running_router import Fleet, route
from tests.support.scripted_engine import DONE, Engine, Exchange, Script, chunk, streams, usage_chunk
from tests.support.scripted_providers import PROVIDERS, ScriptedProvider

pytestmark = [pytest.mark.contract("D18"), pytest.mark.contract("D19")]


async def hang_up(exchange: Exchange) -> None:
    exchange.hang_up()


async def silence(exchange: Exchange) -> None:
    await exchange.silence()


async def bad_head(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/9 hello\r\nwhat: ever\r\n\r\n")


def early(provider: ScriptedProvider) -> dict[str, Script]:
    """Failures before there is anything to show."""
    return {
        "hang-up": provider.over(hang_up),
        "bad-head": provider.over(bad_head),
        "silence": provider.over(silence),
        "busy": provider.answers(429, "slow down"),
        "failed": provider.answers(503, "no luck"),
        "nothing": provider.streams(),
        "begun-then-hung-up": provider.streams(provider.begin, then=hang_up),
        "begun-then-ended": provider.streams(provider.begin),
        "error-event": provider.streams(provider.begin, provider.failed),
        "error-event-in-one-piece": provider.streams(provider.begin + provider.failed),
    }


def late(provider: ScriptedProvider) -> dict[str, Script]:
    """Failures after it."""
    begun = provider.begin + provider.said("hel")
    moments = {
        "hang-up": provider.streams(begun, then=hang_up),
        "silence": provider.streams(begun, then=silence),
        "error-event": provider.streams(begun, provider.failed),
        "error-event-in-one-piece": provider.streams(begun + provider.failed),
        "error-event-then-silence": provider.streams(begun, provider.failed, then=silence),
        "error-event-in-one-piece-then-silence": provider.streams(begun + provider.failed, then=silence),
    }
    if provider.format is not ProviderFormat.OPENAI:  # whose streams pass as they are: the client judges them
        moments |= {"ended": provider.streams(begun), "broken": provider.streams(begun, provider.broken)}
    return moments


LATE = [
    pytest.param(provider, moment, id=f"{provider.format.value}-{moment}")
    for provider in PROVIDERS
    for moment in late(provider)
    if provider.format is not ProviderFormat.OPENAI or moment not in ("ended", "broken")
]
"""OpenAI's own streams pass as they are: the client's library judges them."""


@every_format
@pytest.mark.parametrize("moment", early(PROVIDERS[0]))
@pytest.mark.contract("D19")
async def test_before_the_first_content_nobody_sees_a_failure(
    tmp_path: Path, fleet: Fleet, engine: Engine, provider: ScriptedProvider, moment: str
) -> None:
    engine.script = streams(chunk("from the engine"), usage_chunk(1, 1), DONE)
    async with routed(tmp_path, fleet, provider, early(provider)[moment], engine=engine) as (router, _):
        if provider.format is ProviderFormat.REPLICATE and moment in ("nothing", "begun-then-ended"):
            assert await streamed(router) == ("hello", None), "the prediction has what its stream had not"
            return
        assert await streamed(router) == ("from the engine", None)
        record = await fleet.one_record()
        assert (record.deployment_id, record.outcome, record.attempts >= 2) == ("dep_1", Outcome.COMPLETED, True)


@every_format
async def test_a_provider_that_cannot_be_reached(
    tmp_path: Path, fleet: Fleet, engine: Engine, provider: ScriptedProvider
) -> None:
    engine.script = streams(chunk("from the engine"), usage_chunk(1, 1), DONE)
    async with routed(tmp_path, fleet, provider, provider.over(hang_up), engine=engine) as (router, outside):
        outside.stop()
        assert await streamed(router) == ("from the engine", None)


@pytest.mark.parametrize(("provider", "moment"), LATE)
async def test_after_the_first_content_a_failure_is_told(
    tmp_path: Path, fleet: Fleet, engine: Engine, provider: ScriptedProvider, moment: str
) -> None:
    async with routed(tmp_path, fleet, provider, late(provider)[moment], engine=engine) as (router, _):
        said, error = await streamed(router)
        if provider.format is ProviderFormat.REPLICATE and moment == "ended":
            assert (said, error) == ("hello", None), "the prediction has the rest"
            return
        assert said == "hel"
        assert error is not None
        assert (await fleet.one_record()).outcome is Outcome.FAILED
        assert engine.exchanges == []


@every_format
async def test_what_comes_after_the_end_is_nobodys(tmp_path: Path, fleet: Fleet, provider: ScriptedProvider) -> None:
    script = provider.streams(provider.begin + provider.said("hello"), provider.end, provider.broken, then=hang_up)
    async with routed(tmp_path, fleet, provider, script) as (router, _):
        assert await streamed(router) == ("hello", None)
        assert (await fleet.one_record()).outcome is Outcome.COMPLETED


@every_format
async def test_a_client_that_leaves_ends_the_providers_work(
    tmp_path: Path, fleet: Fleet, provider: ScriptedProvider
) -> None:
    script = provider.streams(provider.begin + provider.said("hel"), then=silence)
    async with routed(tmp_path, fleet, provider, script) as (router, outside):
        async with client(router) as asks:
            stream = await asks.chat.completions.create(model="tiny", messages=HI, stream=True)
            await anext(aiter(stream))
            await stream.close()
        await eventually(lambda: any(one.closed_at is not None for one in outside.exchanges))
        if provider.format is ProviderFormat.REPLICATE:
            await eventually(lambda: outside.exchanges[-1].path.endswith("/cancel"))
        record = await fleet.one_record()
        assert (record.outcome, record.error_code) == (Outcome.ABORTED, "client_left")


async def test_a_client_that_leaves_before_a_prediction_ends_has_it_cancelled(tmp_path: Path, fleet: Fleet) -> None:
    provider = PROVIDERS[-1]

    async def script(exchange: Exchange) -> None:
        if exchange.path.endswith("/predictions/p1") or "prefer" in exchange.headers:
            await exchange.whole(200, json.dumps({"id": "p1", "status": "processing"}).encode())
        else:
            await exchange.whole(404, b"{}")

    async with routed(tmp_path, fleet, provider, script) as (router, outside):
        record = msgspec.structs.replace(route(), targets=(RouteTarget(provider_id="prv_1", model=provider.model),))
        await fleet.put_route(record)
        asking = asyncio.create_task(whole(router))
        await eventually(lambda: any(one.path.endswith("/llama/predictions") for one in outside.exchanges))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await eventually(lambda: outside.exchanges[-1].path.endswith("/predictions/p1/cancel"))
