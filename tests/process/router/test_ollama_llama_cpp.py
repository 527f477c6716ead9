"""The `ollama` client through the router to the real llama.cpp, which knows nothing of Ollama's API."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import ollama
import pytest
import pytest_asyncio

from roundhouse_common.contracts.usage import Outcome, UsageSource
from tests.support.eventually import eventually
from tests.support.real_llama_cpp import served as serving
from tests.support.running_router import SECRET, Fleet

pytestmark = [pytest.mark.process, pytest.mark.contract("D11"), pytest.mark.contract("G17")]

HI: Any = [{"role": "user", "content": "Say hi."}]
SHORT = {"num_predict": 8, "temperature": 0, "seed": 1, "num_ctx": 512}


def question(city: str) -> str:
    return f"What is the weather in {city} in celsius?"


@pytest_asyncio.fixture
async def served(tmp_path: Path, engine_url: str) -> AsyncIterator[tuple[ollama.AsyncClient, Fleet]]:
    async with serving(tmp_path, engine_url) as (router, fleet):
        yield ollama.AsyncClient(host=router.url, headers={"Authorization": f"Bearer {SECRET}"}), fleet


async def test_a_chat_whole_and_streamed_says_the_same(served: tuple[ollama.AsyncClient, Fleet]) -> None:
    client, fleet = served
    whole = await client.chat(model="tiny", messages=HI, options=SHORT)
    assert whole.message.content
    assert whole.done
    parts = [part async for part in await client.chat(model="tiny:latest", messages=HI, options=SHORT, stream=True)]
    last = parts[-1]
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert (last.prompt_eval_count, last.eval_count, last.done_reason) == (
        whole.prompt_eval_count,
        whole.eval_count,
        whole.done_reason,
    )
    assert (last.total_duration or 0) >= (last.eval_duration or 0) > 0
    await eventually(lambda: len(fleet.records) == 2)
    for record in fleet.records:
        counted = record.input_tokens + record.cached_input_tokens
        assert (counted, record.output_tokens) == (last.prompt_eval_count, last.eval_count)
        assert (record.api, record.outcome, record.source) == (
            "ollama.chat",
            Outcome.COMPLETED,
            UsageSource.ENGINE_FINAL,
        )


async def test_a_schema_holds(served: tuple[ollama.AsyncClient, Fleet]) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
    client, _ = served
    answer = await client.chat(model="tiny", messages=HI, format=schema, options={"num_predict": 40, "seed": 1})
    jsonschema.validate(json.loads(answer.message.content or ""), schema)


@pytest.mark.contract("D12")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_tools(served: tuple[ollama.AsyncClient, Fleet], is_stream: bool) -> None:
    def get_weather(city: str) -> str:
        """Tell the weather of a city.

        Args:
            city: the name of the city
        """
        return city

    client, _ = served
    messages: Any = []
    for city in ("Rome", "London"):  # so small a model calls a tool only after examples
        call = {"function": {"name": "get_weather", "arguments": {"city": city}}}
        messages += [{"role": "user", "content": question(city)}, {"role": "assistant", "tool_calls": [call]}]
    messages.append({"role": "user", "content": question("Paris")})
    asked: Any = {
        "model": "tiny",
        "messages": messages,
        "tools": [get_weather],
        "options": {**SHORT, "num_predict": 60},
    }
    if is_stream:
        parts = [part async for part in await client.chat(**asked, stream=True)]
        (message,) = [part.message for part in parts if part.message.tool_calls]
        assert parts[-1].done_reason == "stop"
    else:
        message = (await client.chat(**asked)).message
    assert message.tool_calls is not None
    called = message.tool_calls[0].function
    assert (called.name, called.arguments) == ("get_weather", {"city": "Paris"})
    messages += [message, {"role": "tool", "tool_name": "get_weather", "content": "sunny"}]
    assert (await client.chat(**{**asked, "options": SHORT})).message.role == "assistant"


async def test_prompts_go_into_the_template_unless_they_are_raw(served: tuple[ollama.AsyncClient, Fleet]) -> None:
    client, _ = served
    prompt = "The capital of France is"
    templated = await client.generate(model="tiny", prompt=prompt, options=SHORT)
    raw = await client.generate(model="tiny", prompt=prompt, raw=True, options=SHORT)
    assert templated.response
    assert "Paris" in (raw.response or "")
    assert (templated.prompt_eval_count or 0) > (raw.prompt_eval_count or 0)
    parts = [
        part async for part in await client.generate(model="tiny", prompt=prompt, raw=True, stream=True, options=SHORT)
    ]
    assert "".join(part.response or "" for part in parts) == raw.response


async def test_log_probabilities(served: tuple[ollama.AsyncClient, Fleet]) -> None:
    client, _ = served
    answer = await client.chat(model="tiny", messages=HI, options=SHORT, logprobs=True, top_logprobs=2)
    assert answer.logprobs
    assert len(answer.logprobs[0].top_logprobs or ()) == 2


async def test_models(served: tuple[ollama.AsyncClient, Fleet]) -> None:
    client, _ = served
    assert [model.model for model in (await client.list()).models] == ["tiny"]
    (running,) = (await client.ps()).models
    assert (running.name, running.context_length) == ("tiny", 2048)
    shown = await client.show("tiny")
    assert shown.modelinfo is not None
    assert shown.modelinfo["model.context_length"] == 2048


async def test_embeddings_of_an_engine_that_has_none_are_refused(served: tuple[ollama.AsyncClient, Fleet]) -> None:
    client, fleet = served
    with pytest.raises(ollama.ResponseError) as refused:
        await client.embed(model="tiny", input="x")
    assert refused.value.status_code == 404
    assert "/api/embed" in refused.value.error
    assert fleet.records == []


async def test_a_prompt_that_is_too_long_is_the_callers_fault(served: tuple[ollama.AsyncClient, Fleet]) -> None:
    client, _ = served
    with pytest.raises(ollama.ResponseError, match="context") as refused:
        await client.generate(model="tiny", prompt="word " * 5000)
    assert refused.value.status_code == 400
    parts = await client.generate(model="tiny", prompt="word " * 5000, stream=True)
    with pytest.raises(ollama.ResponseError, match="context") as refused:
        await anext(parts)
    assert refused.value.status_code == 400
