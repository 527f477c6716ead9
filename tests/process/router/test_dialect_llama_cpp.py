"""Anthropic's and OpenAI's clients through the router to the real llama.cpp: in its own APIs, and translated."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import jsonschema
import openai
import pytest
import pytest_asyncio

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key, endpoint, route

pytestmark = [pytest.mark.process, pytest.mark.contract("D11")]

HI: Any = [{"role": "user", "content": "Say hi."}]
ASKED: Any = {"model": "tiny", "max_tokens": 8, "messages": HI, "extra_body": {"temperature": 0}}
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
SPOKEN = (Feature.CHAT, Feature.MESSAGES, Feature.RESPONSES, Feature.TOKENIZE)
CHAT_ONLY = (Feature.CHAT, Feature.TOKENIZE)


def question(city: str) -> str:
    return f"What is the weather in {city} in celsius?"


@pytest_asyncio.fixture(params=[SPOKEN, CHAT_ONLY], ids=["spoken", "translated"])
async def served(
    request: pytest.FixtureRequest, tmp_path: Path, engine_url: str
) -> AsyncIterator[tuple[RunningRouter, Fleet]]:
    """A router that knows of the engine's own endpoints for these APIs, and one that does not."""
    async with Fleet() as fleet, RunningRouter(tmp_path, fleet) as running:
        await fleet.put_key(api_key())
        await fleet.put_route(route())
        known = endpoint(engine_url, engine=EngineKind.LLAMA_CPP, engine_api_key="", features=request.param)
        await fleet.put_endpoints(known)
        await running.ready()
        yield running, fleet


@pytest_asyncio.fixture
async def client(served: tuple[RunningRouter, Fleet]) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=served[0].url, api_key=SECRET, max_retries=0) as made:
        yield made


@pytest_asyncio.fixture
async def openai_client(served: tuple[RunningRouter, Fleet]) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{served[0].url}/v1", api_key=SECRET, max_retries=0) as made:
        yield made


async def test_a_message_is_billed_as_it_says(
    client: anthropic.AsyncAnthropic, served: tuple[RunningRouter, Fleet]
) -> None:
    told = await client.messages.create(**ASKED, system="Be brief.")
    assert told.content[0].type == "text"
    assert told.content[0].text
    assert (told.model, told.stop_reason) == ("tiny", "max_tokens")
    record = await served[1].one_record()
    assert record.outcome is Outcome.COMPLETED
    assert record.input_tokens == told.usage.input_tokens
    assert record.cached_input_tokens == told.usage.cache_read_input_tokens
    assert record.output_tokens == told.usage.output_tokens == 8


async def test_a_stream_is_the_same_message(
    client: anthropic.AsyncAnthropic, served: tuple[RunningRouter, Fleet]
) -> None:
    whole = await client.messages.create(**ASKED)
    async with client.messages.stream(**ASKED) as stream:
        texts = [text async for text in stream.text_stream]
        told = await stream.get_final_message()
    assert len(texts) > 1
    assert told.content[0].type == whole.content[0].type == "text"
    assert told.content[0].text == "".join(texts) == whole.content[0].text
    assert (told.stop_reason, told.usage.output_tokens) == ("max_tokens", 8)
    await eventually(lambda: len(served[1].records) == 2)
    record = served[1].records[1]
    prompt = record.input_tokens + record.cached_input_tokens
    assert prompt == told.usage.input_tokens + (told.usage.cache_read_input_tokens or 0) > 0


@pytest.mark.contract("D12")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_tools(client: anthropic.AsyncAnthropic, is_stream: bool) -> None:
    turns: Any = []
    for city in ("Rome", "London"):  # so small a model calls a tool only after examples
        called = {"type": "tool_use", "id": city, "name": "get_weather", "input": {"city": city, "unit": "celsius"}}
        turns += [{"role": "user", "content": question(city)}, {"role": "assistant", "content": [called]}]
    turns.append({"role": "user", "content": question("Paris")})
    asked: Any = {
        **ASKED,
        "max_tokens": 100,
        "messages": turns,
        "tools": [{"name": "get_weather", "description": "Weather of a city", "input_schema": WEATHER}],
        "tool_choice": {"type": "any"},
    }
    if is_stream:
        async with client.messages.stream(**asked) as stream:
            told: anthropic.types.Message = await stream.get_final_message()
    else:
        told = await client.messages.create(**asked)
    block = told.content[-1]
    assert block.type == "tool_use"
    assert told.stop_reason == "tool_use"
    jsonschema.validate(block.input, WEATHER)
    assert block.input["city"] == "Paris"
    result: Any = {"type": "tool_result", "tool_use_id": block.id, "content": [{"type": "text", "text": "sunny"}]}
    turns += [{"role": "assistant", "content": told.content}, {"role": "user", "content": [result]}]
    assert (await client.messages.create(**{**asked, "tool_choice": {"type": "auto"}, "max_tokens": 8})).content


async def test_what_is_counted_is_what_is_read(client: anthropic.AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model="tiny", messages=HI, system="Be brief.")
    told = await client.messages.create(**ASKED, system="Be brief.")
    assert counted.input_tokens == told.usage.input_tokens + (told.usage.cache_read_input_tokens or 0)


async def test_a_response_and_its_stream(
    openai_client: openai.AsyncOpenAI, served: tuple[RunningRouter, Fleet]
) -> None:
    asked: Any = {"model": "tiny", "input": "Say hi.", "max_output_tokens": 8, "temperature": 0}
    whole = await openai_client.responses.create(**asked)
    seen = [event async for event in await openai_client.responses.create(**asked, stream=True)]
    assert whole.output_text
    assert (whole.model, whole.status) == ("tiny", "incomplete")
    last = seen[-1]
    assert last.type == "response.incomplete"
    assert last.response.output_text == whole.output_text
    await eventually(lambda: len(served[1].records) == 2)
    assert whole.usage is not None
    assert served[1].records[0].output_tokens == whole.usage.output_tokens == 8


async def test_structured_output_through_the_clients_own_stream(openai_client: openai.AsyncOpenAI) -> None:
    form: Any = {"format": {"type": "json_schema", "name": "weather", "schema": WEATHER, "strict": True}}
    asked: Any = {"model": "tiny", "input": question("Rome"), "text": form, "temperature": 0, "max_output_tokens": 100}
    async with openai_client.responses.stream(**asked) as stream:
        told = await stream.get_final_response()
    jsonschema.validate(json.loads(told.output_text), WEATHER)
