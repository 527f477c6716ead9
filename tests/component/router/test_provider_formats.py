"""Outside providers of every API through the whole router: good answers, and failures at every moment.

Before the first content a failure leads to the next target and no client sees it; after it the client gets what came,
and an error that its library raises on.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import ollama
import openai
import pytest
from openai.types.chat import ChatCompletion

from roundhouse_common.contracts.routing import ProviderFormat, ProviderRecord, RouteTarget, RouteTimeouts
from roundhouse_common.contracts.usage import Outcome, UsageSource
from tests.support.eventually import eventually
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, Script, chunk, streams, usage_chunk
from tests.support.scripted_providers import PROVIDERS, ScriptedProvider

pytestmark = [pytest.mark.contract("D18"), pytest.mark.contract("D23")]

HI: Any = [{"role": "user", "content": "hi"}]
QUICK = RouteTimeouts(first_token_s=0.3, idle_s=0.3)
every_format = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.format.value)


@contextlib.asynccontextmanager
async def routed(
    tmp_path: Path, fleet: Fleet, provider: ScriptedProvider, script: Script, *, engine: Engine | None = None
) -> AsyncIterator[tuple[RunningRouter, Engine]]:
    """Run a router whose route `tiny` leads to the provider, and to the engine when that fails."""
    async with Engine(script) as outside, RunningRouter(tmp_path, fleet) as router:
        record = ProviderRecord(
            provider_id="prv_1",
            name="outside",
            tenant_id="",
            format=provider.format,
            base_url=f"{outside.base_url}{provider.base_path}",
        )
        first = RouteTarget(provider_id="prv_1", model=provider.model)
        targets = (first, RouteTarget(deployment_id="dep_1", priority=1)) if engine else (first,)
        await fleet.put_key(api_key())
        await fleet.put_provider(record)
        await fleet.put_endpoints(*([endpoint(engine.base_url)] if engine else []))
        await fleet.put_route(route(targets=targets, timeouts=QUICK))
        await router.ready()
        await eventually(lambda: _lists(router))
        yield router, outside


async def _lists(router: RunningRouter) -> bool:
    async with client(router) as asks:
        return bool([model async for model in asks.models.list()])


def client(router: RunningRouter) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key=SECRET, max_retries=0)


async def streamed(router: RunningRouter) -> tuple[str, openai.APIError | None]:
    """Return the text of a stream, and what it ended with."""
    said = ""
    async with client(router) as asks:
        try:
            stream = await asks.chat.completions.create(model="tiny", messages=HI, stream=True)
            async for part in stream:
                said += "".join(choice.delta.content or "" for choice in part.choices)
        except openai.APIError as error:
            return said, error
    return said, None


async def whole(router: RunningRouter) -> ChatCompletion:
    async with client(router) as asks:
        return await asks.chat.completions.create(model="tiny", messages=HI)


@every_format
async def test_a_whole_answer(tmp_path: Path, fleet: Fleet, provider: ScriptedProvider) -> None:
    async with routed(tmp_path, fleet, provider, provider.answers(200, "hello")) as (router, _):
        answer = await whole(router)
        assert (answer.choices[0].message.content, answer.model) == ("hello", "tiny")
        record = await fleet.one_record()
        assert (record.provider_id, record.outcome, record.source) == (
            "prv_1",
            Outcome.COMPLETED,
            UsageSource.ENGINE_FINAL,
        )
        assert (record.input_tokens, record.output_tokens) == (5, 2)


@every_format
async def test_a_stream(tmp_path: Path, fleet: Fleet, provider: ScriptedProvider) -> None:
    script = provider.streams(provider.begin, provider.said("hel"), provider.said("lo"), provider.end)
    async with routed(tmp_path, fleet, provider, script) as (router, _):
        assert await streamed(router) == ("hello", None)
        record = await fleet.one_record()
        assert (record.input_tokens, record.output_tokens, record.outcome) == (5, 2, Outcome.COMPLETED)


@every_format
@pytest.mark.contract("D11")
async def test_clients_of_other_apis_get_the_same(tmp_path: Path, fleet: Fleet, provider: ScriptedProvider) -> None:
    script = provider.streams(provider.begin, provider.said("hel"), provider.said("lo"), provider.end)
    async with routed(tmp_path, fleet, provider, script) as (router, _):
        told = ollama.AsyncClient(host=router.url, headers={"Authorization": f"Bearer {SECRET}"})
        parts = [part async for part in await told.chat(model="tiny", messages=HI, stream=True)]
        assert "".join(part.message.content or "" for part in parts) == "hello"
        assert (parts[-1].prompt_eval_count, parts[-1].eval_count) == (5, 2)
        asks = anthropic.AsyncAnthropic(base_url=router.url, api_key=SECRET, max_retries=0)
        async with asks, asks.messages.stream(model="tiny", messages=HI, max_tokens=9) as stream:
            message = await stream.get_final_message()
        assert [block.text for block in message.content if block.type == "text"] == ["hello"]


@every_format
@pytest.mark.parametrize("status", [400, 422, 500])
async def test_refusals_keep_their_words(tmp_path: Path, fleet: Fleet, provider: ScriptedProvider, status: int) -> None:
    async with routed(tmp_path, fleet, provider, provider.answers(status, "no way")) as (router, _):
        with pytest.raises(openai.APIStatusError) as refused:
            await whole(router)
        assert refused.value.status_code == status
        assert "no way" in refused.value.message


async def test_images_of_replicate(tmp_path: Path, fleet: Fleet) -> None:
    provider = PROVIDERS[-1]
    script = provider.answers(200, "https://replicate.delivery/a.png")
    async with routed(tmp_path, fleet, provider, script) as (router, outside), client(router) as asks:
        made = await asks.images.generate(model="tiny", prompt="a cat")
        assert made.data is not None
        assert made.data[0].url == "https://replicate.delivery/a.png"
        assert outside.exchanges[-1].json == {"input": {"prompt": "a cat"}}
        assert (await fleet.one_record()).images == 1


async def test_completions_and_embeddings_of_ollama(tmp_path: Path, fleet: Fleet) -> None:
    async def script(exchange: Exchange) -> None:
        body = {"response": "b", "done": True, "done_reason": "length", "eval_count": 1, "prompt_eval_count": 2}
        if exchange.path == "/api/embed":
            body = {"embeddings": [[0.5, 0.25]], "prompt_eval_count": 3}
        await exchange.whole(200, json.dumps(body).encode())

    async with routed(tmp_path, fleet, PROVIDERS[2], script) as (router, outside), client(router) as asks:
        told = await asks.completions.create(model="tiny", prompt="a")
        assert (told.choices[0].text, told.choices[0].finish_reason) == ("b", "length")
        vectors = await asks.embeddings.create(model="tiny", input=["x"], encoding_format="float")
        assert vectors.data[0].embedding == [0.5, 0.25]
        assert [one.path for one in outside.exchanges] == ["/api/generate", "/api/embed"]
        await eventually(lambda: [record.input_tokens for record in fleet.records] == [2, 3])


async def test_what_a_format_has_not_is_refused_before_it_is_asked(tmp_path: Path, fleet: Fleet) -> None:
    provider = PROVIDERS[1]
    async with (
        routed(tmp_path, fleet, provider, provider.answers(200, "x")) as (router, outside),
        client(router) as asks,
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            await asks.chat.completions.create(model="tiny", messages=HI, n=2)
        assert refused.value.param == "n"
        with pytest.raises(openai.APIStatusError):
            await asks.embeddings.create(model="tiny", input="x")
        assert outside.exchanges == []


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


LATE = [
    pytest.param(provider, moment, id=f"{provider.format.value}-{moment}")
    for provider in PROVIDERS
    for moment in late(provider)
    if provider.format is not ProviderFormat.OPENAI or moment not in ("ended", "broken")
]
"""OpenAI's own streams pass as they are: the client's library judges them."""


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
