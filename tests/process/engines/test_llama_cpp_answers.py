"""What a real llama.cpp answers through the router: structured answers, tool calls, probabilities."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam

from tests.process.engines.deployed import client_of, deployed
from tests.process.platform import Platform
from tests.support.scheduler_stub import SMOLLM2_URI

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

TEMPLATE = Path(__file__).parents[2] / "fixtures" / "chat_templates" / "hermes_tools.jinja"
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "languages": {"type": "array", "items": {"enum": ["en", "de", "fr"]}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "age", "languages"],
    "additionalProperties": False,
}
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
TOOL: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}


def _asked(city: str) -> ChatCompletionMessageParam:
    return {"role": "user", "content": f"What is the weather in {city} in celsius?"}


def _called(city: str) -> ChatCompletionMessageParam:
    function: Any = {"name": "get_weather", "arguments": json.dumps({"city": city, "unit": "celsius"})}
    return {"role": "assistant", "tool_calls": [{"id": city, "type": "function", "function": function}]}


CALLS = [_asked("Rome"), _called("Rome"), _asked("London"), _called("London"), _asked("Paris")]
"""So small a model calls a tool only after examples."""


@pytest.fixture(scope="module")
def model(platform: Platform) -> Iterator[str]:
    """SmolLM2 with a chat template that knows tools; the one in its file has none."""
    with deployed(
        platform,
        "smollm2-tools",
        "--memory",
        "600MiB",
        model=("--python-package", SMOLLM2_URI, "--context-length", "8192"),
        parameters={"chat_template_file": str(TEMPLATE), "parallel": "1", "context": "2048"},
    ) as name:
        yield name


@pytest.fixture
def client(platform: Platform) -> Iterator[openai.OpenAI]:
    with client_of(platform) as client:
        yield client


@pytest.mark.contract("A31", "G10")
def test_an_answer_keeps_to_a_json_schema(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Invent a person and describe it as JSON."}],
        response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}},
        max_tokens=200,
        temperature=0,
    )

    assert answer.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(answer.choices[0].message.content or ""), PERSON)


@pytest.mark.contract("A31", "G10")
def test_a_tool_call_has_arguments_of_the_stated_shape(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model, messages=CALLS, tools=[TOOL], tool_choice="required", max_tokens=100, temperature=0
    )

    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "get_weather"
    arguments = json.loads(call.function.arguments)
    jsonschema.validate(arguments, WEATHER)
    assert arguments["city"] == "Paris"


def test_a_tool_call_is_streamed_in_pieces_that_make_up_its_arguments(client: openai.OpenAI, model: str) -> None:
    chunks = client.chat.completions.create(
        model=model, messages=CALLS, tools=[TOOL], tool_choice="required", max_tokens=100, temperature=0, stream=True
    )

    pieces = [
        piece.function.arguments or ""
        for chunk in chunks
        for choice in chunk.choices
        for piece in choice.delta.tool_calls or []
        if piece.function is not None
    ]
    assert len(pieces) > 1
    jsonschema.validate(json.loads("".join(pieces)), WEATHER)


def test_probabilities_of_tokens_and_their_rivals_are_told(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "What is the capital of France?"}],
        logprobs=True,
        top_logprobs=3,
        max_tokens=8,
        temperature=0,
    )

    assert answer.choices[0].logprobs is not None
    tokens = answer.choices[0].logprobs.content or []
    assert answer.usage is not None
    assert len(tokens) == answer.usage.completion_tokens
    for token in tokens:
        assert len(token.top_logprobs) == 3
        assert token.logprob == max(rival.logprob for rival in token.top_logprobs)
        assert sum(math.exp(rival.logprob) for rival in token.top_logprobs) <= 1.001


def test_probabilities_come_in_a_stream_too(client: openai.OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "Say hello."}],
            logprobs=True,
            max_tokens=6,
            temperature=0,
            stream=True,
        )
    )

    told = [
        token
        for chunk in chunks
        for choice in chunk.choices
        if choice.logprobs
        for token in choice.logprobs.content or []
    ]
    assert 1 <= len(told) <= 6
    assert all(token.logprob <= 0 for token in told)
