"""LangChain's `ChatOpenAI`, unchanged, through the router to the real llama.cpp."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal

import langchain_openai
import openai
import pydantic
import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage

from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually
from tests.support.real_llama_cpp import served
from tests.support.running_router import SECRET, Fleet, RunningRouter

pytestmark = [pytest.mark.process, pytest.mark.contract("D11", "G17")]


class GetWeather(pydantic.BaseModel):
    """Weather of a city."""

    city: Literal["Rome", "London", "Paris"]
    unit: Literal["celsius", "fahrenheit"]


@pytest_asyncio.fixture
async def running(tmp_path: Path, engine_url: str) -> AsyncIterator[tuple[RunningRouter, Fleet]]:
    async with served(tmp_path, engine_url) as both:
        yield both


def chat(router: RunningRouter, **changed: Any) -> langchain_openai.ChatOpenAI:  # Any: its many options
    options = {"model": "tiny", "base_url": f"{router.url}/v1", "api_key": SECRET, "max_retries": 0}
    return langchain_openai.ChatOpenAI(**{**options, "temperature": 0, "max_tokens": 8, **changed})


@pytest.fixture
def model(running: tuple[RunningRouter, Fleet]) -> langchain_openai.ChatOpenAI:
    return chat(running[0])


async def test_it_answers_and_counts(model: langchain_openai.ChatOpenAI, running: tuple[RunningRouter, Fleet]) -> None:
    answer = await model.ainvoke([("system", "Be brief."), ("user", "Say hi.")])
    assert answer.content
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 8
    record = await running[1].one_record()
    assert record.input_tokens + record.cached_input_tokens == answer.usage_metadata["input_tokens"]


async def test_a_stream_is_the_same_answer(
    model: langchain_openai.ChatOpenAI, running: tuple[RunningRouter, Fleet]
) -> None:
    whole = await model.ainvoke("Say hi.")
    parts = [part async for part in model.astream("Say hi.", stream_usage=True)]
    assert len(parts) > 2
    told = sum_of(parts)
    assert told.content == whole.content
    assert told.usage_metadata is not None
    assert told.usage_metadata["output_tokens"] == 8
    await eventually(lambda: len(running[1].records) == 2)
    assert {record.outcome for record in running[1].records} == {Outcome.COMPLETED}


@pytest.mark.contract("D12")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_bound_tools_are_called_and_their_results_taken(
    model: langchain_openai.ChatOpenAI, is_stream: bool
) -> None:
    messages: list[BaseMessage] = []
    for city in ("Rome", "London"):  # so small a model calls a tool only after examples
        call = {"name": "GetWeather", "args": {"city": city, "unit": "celsius"}, "id": city, "type": "tool_call"}
        messages += [asking(city), AIMessage(content="", tool_calls=[call])]
    messages.append(asking("Paris"))
    bound = model.bind_tools([GetWeather], tool_choice="required").bind(max_tokens=100)
    if is_stream:
        told: AIMessage = sum_of([part async for part in bound.astream(messages)])
    else:
        told = await bound.ainvoke(messages)
    (called,) = told.tool_calls
    assert (called["name"], called["args"]) == ("GetWeather", {"city": "Paris", "unit": "celsius"})
    assert called["id"]
    result = ToolMessage(content="rainy", tool_call_id=called["id"])
    assert await model.bind_tools([GetWeather]).ainvoke([*messages, told, result])


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
async def test_structured_output(
    running: tuple[RunningRouter, Fleet], method: Literal["json_schema", "json_mode"]
) -> None:
    model = chat(running[0], max_tokens=60)
    asked = [asking("Rome")] if method == "json_schema" else 'Repeat: {"city": "Rome", "unit": "celsius"}'
    told: Any = await model.with_structured_output(GetWeather, method=method, include_raw=True).ainvoke(asked)
    assert told["raw"].content.lstrip().startswith("{")
    if method == "json_schema":  # what else is in an object is the model's to say
        assert isinstance(told["parsed"], GetWeather)


async def test_log_probabilities_and_stops(model: langchain_openai.ChatOpenAI) -> None:
    answer = await model.bind(logprobs=True, top_logprobs=2).ainvoke("Say hi.")
    tokens = answer.response_metadata["logprobs"]["content"]
    assert [len(token["top_logprobs"]) for token in tokens] == [2] * 8
    text = str(answer.content)
    cut = text[3:6]
    stopped = await model.ainvoke("Say hi.", stop=[cut])
    assert stopped.content == text.split(cut)[0]


async def test_its_errors_are_those_of_openai(
    model: langchain_openai.ChatOpenAI, running: tuple[RunningRouter, Fleet]
) -> None:
    with pytest.raises(openai.NotFoundError):
        await chat(running[0], model="nope").ainvoke("hi")
    with pytest.raises(openai.AuthenticationError):
        await chat(running[0], api_key="rh-wrong").ainvoke("hi")
    with pytest.raises(openai.BadRequestError) as refused:
        await model.ainvoke("word " * 5000)
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["code"] == "context_length_exceeded"


def asking(city: str) -> HumanMessage:
    return HumanMessage(content=f"What is the weather in {city} in celsius?")


def sum_of(parts: Sequence[AIMessage]) -> AIMessageChunk:
    whole: Any = parts[0]
    for part in parts[1:]:
        whole += part
    assert isinstance(whole, AIMessageChunk)
    return whole
