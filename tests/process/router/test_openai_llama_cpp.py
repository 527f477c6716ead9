"""The `openai` client through the router to the real llama.cpp: what applications use of the API, and every refusal."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import jsonschema
import openai
import pydantic
import pytest
import pytest_asyncio

from roundhouse_common.contracts.routing import LimitDimension
from roundhouse_common.contracts.usage import Outcome, UsageSource
from tests.support.eventually import eventually
from tests.support.limit_records import limit
from tests.support.real_llama_cpp import served
from tests.support.running_router import SECRET, Fleet, RunningRouter

pytestmark = [pytest.mark.process, pytest.mark.contract("D11")]

HI: Any = [{"role": "user", "content": "Say hi."}]
SHORT: Any = {"model": "tiny", "messages": HI, "max_tokens": 8, "temperature": 0, "seed": 1}


class Weather(pydantic.BaseModel):
    """Where, and in which unit."""

    city: Literal["Paris", "Rome"]
    unit: Literal["celsius", "fahrenheit"]


@pytest_asyncio.fixture
async def running(tmp_path: Path, engine_url: str) -> AsyncIterator[tuple[RunningRouter, Fleet]]:
    async with served(tmp_path, engine_url) as both:
        yield both


@pytest.fixture
def fleet(running: tuple[RunningRouter, Fleet]) -> Fleet:
    return running[1]


@pytest_asyncio.fixture
async def client(running: tuple[RunningRouter, Fleet]) -> AsyncIterator[openai.AsyncOpenAI]:
    async with of(running[0]) as made:
        yield made


def of(router: RunningRouter, secret: str = SECRET) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key=secret, max_retries=0)


async def test_a_chat_is_billed_as_it_says(client: openai.AsyncOpenAI, fleet: Fleet) -> None:
    answer = await client.chat.completions.create(**SHORT)
    assert answer.choices[0].message.content
    assert (answer.model, answer.choices[0].finish_reason) == ("tiny", "length")
    usage = answer.usage
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    record = await fleet.one_record()
    assert (record.outcome, record.source, record.api) == (
        Outcome.COMPLETED,
        UsageSource.ENGINE_FINAL,
        "openai.chat",
    )
    assert (record.input_tokens + record.cached_input_tokens, record.output_tokens) == (usage.prompt_tokens, 8)


async def test_a_stream_is_the_same_answer(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(**SHORT)
    parts = [part async for part in await client.chat.completions.create(**SHORT, stream=True)]
    assert "".join(part.choices[0].delta.content or "" for part in parts) == whole.choices[0].message.content
    assert parts[-1].choices[0].finish_reason == "length"
    assert all(part.usage is None for part in parts)
    asked = await client.chat.completions.create(**SHORT, stream=True, stream_options={"include_usage": True})
    *_, last = [part async for part in asked]
    assert whole.usage is not None
    assert last.usage is not None
    assert (last.choices, last.usage.prompt_tokens, last.usage.completion_tokens) == ([], whole.usage.prompt_tokens, 8)


@pytest.mark.contract("D12")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_tools(client: openai.AsyncOpenAI, is_stream: bool) -> None:
    tool: Any = openai.pydantic_function_tool(Weather, name="get_weather")
    messages: Any = []
    for city in ("Rome", "London"):  # so small a model calls a tool only after examples
        said = json.dumps({"city": city, "unit": "celsius"})
        call = {"id": city, "type": "function", "function": {"name": "get_weather", "arguments": said}}
        messages += [
            {"role": "user", "content": f"What is the weather in {city} in celsius?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ]
    messages.append({"role": "user", "content": "What is the weather in Paris in celsius?"})
    asked = {**SHORT, "messages": messages, "max_tokens": 100, "tools": [tool], "tool_choice": "required"}
    if is_stream:
        async with client.chat.completions.stream(**asked) as stream:
            choice: Any = (await stream.get_final_completion()).choices[0]
    else:
        choice = (await client.chat.completions.parse(**asked)).choices[0]
    assert choice.finish_reason == "tool_calls"
    called = choice.message.tool_calls[0]
    assert called.id
    assert called.function.name == "get_weather"
    assert called.function.parsed_arguments == Weather(city="Paris", unit="celsius")
    messages += [
        {"role": "assistant", "tool_calls": [called.model_dump(include={"id", "type", "function"})]},
        {"role": "tool", "tool_call_id": called.id, "content": "rainy"},
    ]
    assert (await client.chat.completions.create(**{**SHORT, "messages": messages, "tools": [tool]})).choices


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_json_schema_holds(client: openai.AsyncOpenAI, is_stream: bool) -> None:
    asked: Any = {**SHORT, "max_tokens": 60, "response_format": Weather}
    if is_stream:
        async with client.chat.completions.stream(**asked) as stream:
            answer: Any = await stream.get_final_completion()
    else:
        answer = await client.chat.completions.parse(**asked)
    message = answer.choices[0].message
    jsonschema.validate(json.loads(message.content), Weather.model_json_schema())
    assert isinstance(message.parsed, Weather)


async def test_json_mode(client: openai.AsyncOpenAI) -> None:
    asked = {**SHORT, "max_tokens": 200, "response_format": {"type": "json_object"}}
    choice = (await client.chat.completions.create(**asked)).choices[0]
    assert choice.finish_reason == "length" or isinstance(json.loads(choice.message.content or ""), dict)
    assert (choice.message.content or "").lstrip().startswith("{")


async def test_log_probabilities_whole_and_streamed(client: openai.AsyncOpenAI) -> None:
    asked = {**SHORT, "logprobs": True, "top_logprobs": 3}
    logprobs = (await client.chat.completions.create(**asked)).choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [len(token.top_logprobs) for token in logprobs.content] == [3] * 8
    assert all(token.logprob <= 0 for token in logprobs.content)
    parts = [part async for part in await client.chat.completions.create(**asked, stream=True)]
    streamed = [
        token.token
        for part in parts
        if part.choices[0].logprobs is not None
        for token in part.choices[0].logprobs.content or ()
    ]
    assert streamed == [token.token for token in logprobs.content]


async def test_several_choices(client: openai.AsyncOpenAI, fleet: Fleet) -> None:
    answer = await client.chat.completions.create(**{**SHORT, "n": 2, "temperature": 1})
    assert sorted(choice.index for choice in answer.choices) == [0, 1]
    assert all(choice.message.content for choice in answer.choices)
    assert answer.usage is not None
    assert (await fleet.one_record()).output_tokens == answer.usage.completion_tokens == 8, "it counts the first only"


async def test_what_stops_it_is_not_said(client: openai.AsyncOpenAI) -> None:
    prompt = "1, 2, 3, 4, 5,"
    free = await client.completions.create(model="tiny", prompt=prompt, max_tokens=16, temperature=0)
    held = await client.completions.create(model="tiny", prompt=prompt, max_tokens=16, temperature=0, stop=[" 8"])
    assert " 8" in free.choices[0].text
    assert held.choices[0].text == free.choices[0].text.split(" 8")[0]
    assert held.choices[0].finish_reason == "stop"


async def test_completions_whole_and_streamed(client: openai.AsyncOpenAI, fleet: Fleet) -> None:
    asked: Any = {"model": "tiny", "prompt": "The capital of France is", "max_tokens": 6, "temperature": 0}
    whole = await client.completions.create(**asked)
    assert "Paris" in whole.choices[0].text
    parts = [part async for part in await client.completions.create(**asked, stream=True)]
    assert "".join(part.choices[0].text for part in parts if part.choices) == whole.choices[0].text
    await eventually(lambda: len(fleet.records) == 2)
    assert [record.output_tokens for record in fleet.records] == [6, 6]


async def test_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["tiny"]
    assert (await client.models.retrieve("tiny")).object == "model"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("nope")


async def test_embeddings_of_an_engine_that_has_none_are_refused(client: openai.AsyncOpenAI, fleet: Fleet) -> None:
    with pytest.raises(openai.NotFoundError, match="/v1/embeddings") as refused:
        await client.embeddings.create(model="tiny", input="x")
    assert refused.value.code == "endpoint_not_served"
    assert fleet.records == []


async def test_the_callers_mistakes_are_the_exceptions_that_callers_expect(
    client: openai.AsyncOpenAI, running: tuple[RunningRouter, Fleet]
) -> None:
    with pytest.raises(openai.NotFoundError) as absent:
        await client.chat.completions.create(**{**SHORT, "model": "nope"})
    assert (absent.value.code, absent.value.param) == ("model_not_found", "model")
    assert absent.value.request_id
    async with of(running[0], "rh-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.chat.completions.create(**SHORT)
    assert refused.value.code == "invalid_api_key"
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(**{**SHORT, "messages": "hello"})
    with pytest.raises(openai.NotFoundError) as nowhere:
        await client.moderations.create(input="x")
    assert nowhere.value.code == "unknown_url"
    assert len(running[1].records) <= 1, "only what the engine itself refused was admitted"


@pytest.mark.contract("D13")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_prompt_beyond_the_context_is_the_callers_fault(
    client: openai.AsyncOpenAI, fleet: Fleet, is_stream: bool
) -> None:
    long: Any = [{"role": "user", "content": "word " * 5000}]
    with pytest.raises(openai.BadRequestError, match="context") as refused:
        await client.chat.completions.create(**{**SHORT, "messages": long, "stream": is_stream})
    assert refused.value.code == "context_length_exceeded"
    assert (await fleet.one_record()).outcome is Outcome.FAILED


async def test_a_body_beyond_the_bound(tmp_path: Path, engine_url: str) -> None:
    async with served(tmp_path, engine_url, max_body_bytes=2000) as (router, fleet), of(router) as asks:
        long: Any = [{"role": "user", "content": "word " * 1000}]
        with pytest.raises(openai.APIStatusError) as refused:
            await asks.chat.completions.create(**{**SHORT, "messages": long})
        assert (refused.value.status_code, refused.value.code) == (413, "request_too_large")
        assert (await asks.chat.completions.create(**SHORT)).choices
        assert len(fleet.records) <= 1


@pytest.mark.contract("D03", "E04")
async def test_a_limit(tmp_path: Path, engine_url: str) -> None:
    two = limit("each_key", LimitDimension.KEY, requests_per_minute=2)
    async with served(tmp_path, engine_url, limits=[two]) as (router, _), of(router) as asks:
        first = await asks.chat.completions.with_raw_response.create(**SHORT)
        assert (first.headers["x-ratelimit-limit-requests"], first.headers["x-ratelimit-remaining-requests"]) == (
            "2",
            "1",
        )
        assert first.parse().choices
        async for _part in await asks.chat.completions.create(**SHORT, stream=True):
            pass
        with pytest.raises(openai.RateLimitError) as refused:
            await asks.chat.completions.create(**SHORT)
        assert refused.value.code == "rate_limit_exceeded"
        headers = refused.value.response.headers
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert int(headers["retry-after"]) > 0
