"""OpenAI's client against the router's Responses API, whose engine speaks chat, or the API itself."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
import pytest_asyncio

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Outcome, UsageSource
from tests.support.chat_streams import calls, captured, events, finished, part
from tests.support.running_router import SECRET, Fleet, RunningRouter
from tests.support.scripted_engine import Engine, Exchange, answers, chunk, streams

pytestmark = pytest.mark.contract("D11")

FEATURES = (Feature.CHAT, Feature.RESPONSES)


@pytest_asyncio.fixture
async def client(router: RunningRouter) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key=SECRET, max_retries=0) as made:
        yield made


async def test_a_response(client: openai.AsyncOpenAI, engine: Engine, fleet: Fleet) -> None:
    told = await client.responses.create(model="tiny", input="hi", instructions="be kind", store=True)
    assert (told.output_text, told.model, told.status) == ("hello", "tiny", "completed")
    (exchange,) = engine.exchanges
    assert exchange.path == "/v1/chat/completions"
    record = await fleet.one_record()
    assert (record.api, record.outcome, record.source) == (
        "openai.responses",
        Outcome.COMPLETED,
        UsageSource.ENGINE_FINAL,
    )
    assert (record.input_tokens, record.output_tokens) == (7, 3)


@pytest.mark.contract("D12", "D13")
async def test_a_stream_with_thoughts_and_a_tool(client: openai.AsyncOpenAI, engine: Engine, fleet: Fleet) -> None:
    engine.script = streams(
        part(role="assistant", content=None),
        part(reasoning_content="hm"),
        calls((0, "a", "f", "{}")),
        finished("tool_calls", 11, 5),
    )
    async with client.responses.stream(model="tiny", input="hi") as stream:
        told = await stream.get_final_response()
    assert [item.type for item in told.output] == ["reasoning", "function_call"]
    assert told.usage is not None
    assert (told.usage.input_tokens, told.usage.output_tokens) == (11, 5)
    record = await fleet.one_record()
    assert (record.outcome, record.input_tokens, record.output_tokens) == (Outcome.COMPLETED, 11, 5)


async def test_what_needs_a_memory_is_refused_and_costs_nothing(
    client: openai.AsyncOpenAI, engine: Engine, fleet: Fleet
) -> None:
    with pytest.raises(openai.BadRequestError, match="nothing is stored") as refused:
        await client.responses.create(model="tiny", input="hi", previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"
    await client.responses.create(model="tiny", input="hi")
    record = await fleet.one_record()
    assert (record.sequence, record.outcome, len(engine.exchanges)) == (1, Outcome.COMPLETED, 1)


async def test_an_engine_that_dies_in_the_middle_ends_a_response_as_failed(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        exchange.hang_up()

    engine.script = script
    async with router.post({"model": "tiny", "input": "hi", "stream": True}, path="/v1/responses") as answer:
        found = events(await answer.read())
    assert found[-1]["type"] == "response.failed"
    assert "broke off" in found[-1]["response"]["error"]["message"]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert (await fleet.one_record()).outcome is Outcome.FAILED


async def test_an_engine_that_speaks_it_gets_the_clients_bytes(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    engine.script = answers(200, {**json.loads(captured("responses_whole.json")), "model": "inner"})
    async with RunningRouter(tmp_path, fleet) as running:
        await fleet.serve(engine, engine=EngineKind.VLLM, features=FEATURES, served_model="inner")
        await running.ready()
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=SECRET, max_retries=0) as client:
            told = await client.responses.create(model="tiny", input="hi", background=False)
        assert told.model == "tiny"
        assert engine.exchanges[0].path == "/v1/responses"
        assert engine.exchanges[0].json == {"model": "inner", "input": "hi", "background": False}
        engine.script = streams(captured("responses_stream.sse"))
        async with running.post({"model": "tiny", "input": "hi", "stream": True}, path="/v1/responses") as answer:
            assert await answer.read() == captured("responses_stream.sse")
        record = await fleet.one_record()
        assert (record.input_tokens + record.cached_input_tokens, record.output_tokens) == (12, 8)


async def test_llama_cpp_is_asked_for_a_chat_though_it_has_the_endpoint(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    engine.script = streams(captured("chat_stream.sse"))
    async with RunningRouter(tmp_path, fleet) as running:
        await fleet.serve(engine, engine=EngineKind.LLAMA_CPP, features=FEATURES)
        await running.ready()
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=SECRET, max_retries=0) as client:
            seen = [event async for event in await client.responses.create(model="tiny", input="hi", stream=True)]
    assert engine.exchanges[0].path == "/v1/chat/completions"
    assert seen[-1].type == "response.incomplete"
    assert seen[-1].response.output_text.startswith("Hello")
