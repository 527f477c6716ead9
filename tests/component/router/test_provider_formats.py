"""Outside providers of every API through the whole router: good answers, figures, refusals and fallbacks."""

import json
from pathlib import Path

import anthropic
import ollama
import openai
import pytest

from roundhouse_common.contracts.routing import Fallback, FallbackReason, RouteTarget
from roundhouse_common.contracts.usage import Outcome, UsageSource
from tests.support.eventually import eventually
from tests.support.routed_providers import HI, client, every_format, routed, streamed, whole
from tests.support.running_router import SECRET, Fleet, RunningRouter, endpoint, route
from tests.support.scripted_engine import Engine, Exchange, sse
from tests.support.scripted_providers import PROVIDERS, ScriptedProvider

pytestmark = [pytest.mark.contract("D18"), pytest.mark.contract("D23")]


@every_format
async def test_a_whole_answer(tmp_path: Path, fleet: Fleet, provider: ScriptedProvider) -> None:
    async with routed(tmp_path, fleet, provider, provider.answers(200, "hello")) as (router, outside):
        answer = await whole(router)
        assert (answer.choices[0].message.content, answer.model) == ("hello", "tiny")
        assert outside.exchanges[-1].headers["content-type"] == "application/json", "said once"
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


@pytest.mark.contract("F01")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_tokens_that_anthropic_read_from_its_cache_and_wrote_to_it_are_classes_of_their_own(
    tmp_path: Path, fleet: Fleet, is_stream: bool
) -> None:
    provider = PROVIDERS[1]
    cached = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 2}

    async def script(exchange: Exchange) -> None:
        if is_stream:
            message = {"id": "msg_1", "type": "message", "content": [], "usage": cached}
            begin = sse({"type": "message_start", "message": message})
            await provider.streams(begin, provider.said("hello"), provider.end)(exchange)
        else:
            await exchange.whole(200, json.dumps({**provider.whole("hello"), "usage": cached}).encode())

    async with routed(tmp_path, fleet, provider, script) as (router, _):
        if is_stream:
            assert await streamed(router) == ("hello", None)
        else:
            usage = (await whole(router)).usage
            assert usage is not None
            assert (usage.prompt_tokens, usage.total_tokens) == (125, 127)
        record = await fleet.one_record()
        counted = (record.input_tokens, record.cached_input_tokens, record.cache_write_tokens, record.output_tokens)
        assert counted == (5, 100, 20, 2)


@pytest.mark.contract("D09")
async def test_a_prompt_that_is_too_long_for_a_provider_goes_to_the_fallback(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    provider = PROVIDERS[1]
    script = provider.answers(400, "prompt is too long: 9000 tokens > 8000 maximum")
    async with routed(tmp_path, fleet, provider, script) as (router, _):
        targets = (RouteTarget(provider_id="prv_1", model=provider.model),)
        longer = Fallback(reason=FallbackReason.CONTEXT_LENGTH, route="longer")
        await fleet.put_endpoints(endpoint(engine.base_url))
        await fleet.put_route(route("longer"))
        await fleet.put_route(route(targets=targets, fallbacks=(longer,)))
        await eventually(lambda: _says(router, "hello"))


async def _says(router: RunningRouter, text: str) -> bool:
    try:
        return (await whole(router)).choices[0].message.content == text
    except openai.APIStatusError:
        return False


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
