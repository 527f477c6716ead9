"""What stops an answer, its schema, and every refusal, in Anthropic's and Ollama's clients at the real llama.cpp."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import jsonschema
import ollama
import pytest
import pytest_asyncio

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import LimitDimension
from roundhouse_common.contracts.usage import Outcome
from tests.support.limit_records import limit
from tests.support.real_llama_cpp import served
from tests.support.running_router import SECRET, Fleet, RunningRouter

pytestmark = [pytest.mark.process, pytest.mark.contract("D11")]

HI: Any = [{"role": "user", "content": "Say hi."}]
LONG: Any = [{"role": "user", "content": "word " * 5000}]
MESSAGE: Any = {"model": "tiny", "messages": HI, "max_tokens": 8, "extra_body": {"temperature": 0}}
CHAT: Any = {"model": "tiny", "messages": HI, "options": {"num_predict": 8, "temperature": 0, "seed": 1}}
CITY: Any = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome", "Paris"]}},
    "required": ["city"],
    "additionalProperties": False,
}
SPOKEN = (Feature.CHAT, Feature.MESSAGES, Feature.TOKENIZE)
CHAT_ONLY = (Feature.CHAT, Feature.COMPLETIONS)
spoken_or_not = pytest.mark.parametrize("features", [SPOKEN, CHAT_ONLY], ids=["spoken", "translated"])


@pytest.fixture
def features() -> tuple[Feature, ...]:
    return CHAT_ONLY


@pytest_asyncio.fixture
async def running(
    tmp_path: Path, engine_url: str, features: tuple[Feature, ...]
) -> AsyncIterator[tuple[RunningRouter, Fleet]]:
    two = limit("each_key", LimitDimension.KEY, requests_per_minute=2)
    async with served(tmp_path, engine_url, features=features, limits=[two]) as both:
        yield both


def claude(router: RunningRouter, secret: str = SECRET) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=router.url, api_key=secret, max_retries=0)


def llama(router: RunningRouter, secret: str = SECRET) -> ollama.AsyncClient:
    return ollama.AsyncClient(host=router.url, headers={"Authorization": f"Bearer {secret}"})


@spoken_or_not
async def test_what_stops_a_message_is_not_said(running: tuple[RunningRouter, Fleet]) -> None:
    async with claude(running[0]) as asks:
        free = (await asks.messages.create(**MESSAGE)).content[0]
        assert free.type == "text"
        word = free.text.split()[1]
        held = await asks.messages.create(**MESSAGE, stop_sequences=[word])
    assert held.content[0].type == "text"
    assert held.content[0].text == free.text.split(word)[0]
    assert held.stop_reason in ("stop_sequence", "end_turn"), "OpenAI's chat does not tell the two apart"


async def test_what_stops_a_chat_is_not_said(running: tuple[RunningRouter, Fleet]) -> None:
    client = llama(running[0])
    free = (await client.chat(**CHAT)).message.content or ""
    word = free.split()[1]
    held = await client.chat(**{**CHAT, "options": {**CHAT["options"], "stop": [word]}})
    assert (held.message.content, held.done_reason) == (free.split(word)[0], "stop")


async def test_a_message_in_a_schema(running: tuple[RunningRouter, Fleet]) -> None:
    form: Any = {"format": {"type": "json_schema", "schema": CITY}}
    async with claude(running[0]) as asks:
        told = await asks.messages.create(**{**MESSAGE, "max_tokens": 40}, output_config=form)
        assert told.content[0].type == "text"
        jsonschema.validate(json.loads(told.content[0].text), CITY)
        async with asks.messages.stream(**{**MESSAGE, "max_tokens": 40}, output_config=form) as stream:
            streamed = await stream.get_final_message()
    assert streamed.content[0].type == "text"
    jsonschema.validate(json.loads(streamed.content[0].text), CITY)


async def test_a_streamed_chat_in_a_schema(running: tuple[RunningRouter, Fleet]) -> None:
    asked = {**CHAT, "options": {"num_predict": 40, "seed": 1}, "format": CITY, "stream": True}
    parts = [part async for part in await llama(running[0]).chat(**asked)]
    jsonschema.validate(json.loads("".join(part.message.content or "" for part in parts)), CITY)


@spoken_or_not
async def test_refusals_of_messages(running: tuple[RunningRouter, Fleet]) -> None:
    router, fleet = running
    async with claude(router, "rh-wrong") as stranger:
        with pytest.raises(anthropic.AuthenticationError):
            await stranger.messages.create(**MESSAGE)
    async with claude(router) as asks:
        with pytest.raises(anthropic.NotFoundError):
            await asks.messages.create(**{**MESSAGE, "model": "nope"})
        assert fleet.records == []
        for is_stream in (False, True):
            with pytest.raises(anthropic.BadRequestError, match="context") as long:
                await asks.messages.create(**{**MESSAGE, "messages": LONG, "stream": is_stream})
            assert isinstance(long.value.body, dict)
            assert long.value.body["error"]["type"] == "invalid_request_error"
        with pytest.raises(anthropic.RateLimitError) as limited:
            await asks.messages.create(**MESSAGE)
    assert int(limited.value.response.headers["retry-after"]) > 0
    assert (await fleet.one_record()).outcome is Outcome.FAILED


@pytest.mark.contract("G17")
async def test_refusals_of_chats(running: tuple[RunningRouter, Fleet]) -> None:
    router, fleet = running
    client = llama(router)
    with pytest.raises(ollama.ResponseError) as stranger:
        await llama(router, "rh-wrong").chat(**CHAT)
    with pytest.raises(ollama.ResponseError) as absent:
        await client.chat(**{**CHAT, "model": "nope"})
    assert (stranger.value.status_code, absent.value.status_code) == (401, 404)
    assert fleet.records == []
    for _ in range(2):
        await client.chat(**CHAT)
    with pytest.raises(ollama.ResponseError) as limited:
        await client.chat(**CHAT)
    assert limited.value.status_code == 429
    assert limited.value.error
