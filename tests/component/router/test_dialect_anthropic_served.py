"""Anthropic's client against the router, whose engine speaks OpenAI's chat, or Anthropic's API itself."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
import pytest_asyncio

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Outcome, UsageSource
from tests.support.chat_streams import calls, captured, finished, part
from tests.support.running_router import SECRET, Fleet, RunningRouter
from tests.support.scripted_engine import Engine, Exchange, answers, chunk, streams

pytestmark = pytest.mark.contract("D11")

HI: Any = [{"role": "user", "content": "hi"}]
ASKED: Any = {"model": "tiny", "max_tokens": 9, "messages": HI}


@pytest_asyncio.fixture
async def client(router: RunningRouter) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=router.url, api_key=SECRET, max_retries=0) as made:
        yield made


@pytest_asyncio.fixture
async def native(tmp_path: Path, fleet: Fleet, engine: Engine) -> AsyncIterator[RunningRouter]:
    """A router whose engine has Anthropic's endpoint, and another name for the model."""
    features = (Feature.CHAT, Feature.MESSAGES)
    async with RunningRouter(tmp_path, fleet) as running:
        await fleet.serve(engine, engine=EngineKind.VLLM, features=features, served_model="inner")
        await running.ready()
        yield running


async def test_a_message(client: anthropic.AsyncAnthropic, engine: Engine, fleet: Fleet) -> None:
    told = await client.messages.create(**ASKED, system="be kind")
    assert told.content[0].type == "text"
    assert (told.content[0].text, told.model, told.stop_reason) == ("hello", "tiny", "end_turn")
    (exchange,) = engine.exchanges
    assert exchange.path == "/v1/chat/completions"
    assert exchange.json["messages"] == [{"role": "system", "content": "be kind"}, *HI]
    record = await fleet.one_record()
    assert (record.api, record.outcome, record.source) == (
        "anthropic.messages",
        Outcome.COMPLETED,
        UsageSource.ENGINE_FINAL,
    )
    assert (record.input_tokens, record.output_tokens) == (7, 3)


@pytest.mark.contract("D12", "D13")
async def test_a_stream_with_thoughts_and_a_tool(
    client: anthropic.AsyncAnthropic, engine: Engine, fleet: Fleet
) -> None:
    engine.script = streams(
        part(role="assistant", content=None),
        part(reasoning_content="hm"),
        calls((0, "a", "f", "{}")),
        finished("tool_calls", 11, 5),
    )
    async with client.messages.stream(**ASKED) as stream:
        told = await stream.get_final_message()
    assert [block.type for block in told.content] == ["thinking", "tool_use"]
    assert (told.usage.input_tokens, told.usage.output_tokens, told.stop_reason) == (11, 5, "tool_use")
    record = await fleet.one_record()
    assert (record.outcome, record.input_tokens, record.output_tokens) == (Outcome.COMPLETED, 11, 5)
    assert record.is_stream


async def test_a_key_as_bearer(router: RunningRouter) -> None:
    async with anthropic.AsyncAnthropic(base_url=router.url, auth_token=SECRET, max_retries=0) as asked:
        assert (await asked.messages.create(**ASKED)).content


async def test_refusals_are_the_exceptions_that_callers_expect(
    client: anthropic.AsyncAnthropic, router: RunningRouter
) -> None:
    with pytest.raises(anthropic.NotFoundError) as absent:
        await client.messages.create(**{**ASKED, "model": "nope"})
    assert absent.value.request_id
    with pytest.raises(anthropic.BadRequestError, match=r"messages\.0\.content\.0\.type"):
        await client.messages.create(**{**ASKED, "messages": [{"role": "user", "content": [{"type": "what"}]}]})
    async with anthropic.AsyncAnthropic(base_url=router.url, api_key="rh-wrong", max_retries=0) as wrong:
        with pytest.raises(anthropic.AuthenticationError) as refused:
            await wrong.messages.create(**ASKED)
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["error"]["type"] == "authentication_error"


async def test_an_engines_own_refusal_is_in_anthropics_shape(client: anthropic.AsyncAnthropic, engine: Engine) -> None:
    engine.script = answers(400, {"detail": "the context is too long"})
    with pytest.raises(anthropic.BadRequestError) as refused:
        await client.messages.create(**ASKED)
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["error"] == {"type": "invalid_request_error", "message": "the context is too long"}


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (b'data: {"error":{"message":"slot lost"}}\n\n', "slot lost"),
        (b"data: {nope\n\n", "could not be read"),
        (b"", "stopped before"),
    ],
)
async def test_a_stream_that_fails_raises_and_is_recorded(
    client: anthropic.AsyncAnthropic, engine: Engine, fleet: Fleet, last: bytes, words: str
) -> None:
    engine.script = streams(chunk("one"), *([last] if last else []))
    with pytest.raises(anthropic.APIStatusError, match=words):
        async with client.messages.stream(**ASKED) as stream:
            await stream.get_final_message()
    record = await fleet.one_record()
    assert (record.outcome, record.error_code) == (Outcome.FAILED, "upstream_error")


async def test_an_engine_that_dies_in_the_middle(
    client: anthropic.AsyncAnthropic, engine: Engine, fleet: Fleet
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        exchange.hang_up()

    engine.script = script
    with pytest.raises(anthropic.APIStatusError, match="broke off"):
        async with client.messages.stream(**ASKED) as stream:
            await stream.get_final_message()
    assert (await fleet.one_record()).outcome is Outcome.FAILED


async def test_an_engine_that_speaks_it_gets_the_clients_bytes(
    native: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    engine.script = answers(200, {**json.loads(captured("messages_whole.json")), "model": "inner"})
    async with anthropic.AsyncAnthropic(base_url=native.url, api_key=SECRET, max_retries=0) as client:
        told = await client.messages.create(**ASKED, thinking={"type": "disabled"})
    (exchange,) = engine.exchanges
    assert exchange.path == "/v1/messages"
    assert exchange.json == {**ASKED, "model": "inner", "thinking": {"type": "disabled"}}
    assert told.model == "tiny"
    record = await fleet.one_record()
    assert (record.input_tokens + record.cached_input_tokens, record.output_tokens) == (12, 8)


async def test_its_stream_passes_with_nothing_but_the_models_name_changed(
    native: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    stream = captured("messages_stream.sse").replace(b'"model":"tiny"', b'"model":"inner"')
    engine.script = streams(stream[:70], stream[70:500], stream[500:])
    async with native.post({**ASKED, "stream": True}, path="/v1/messages") as answer:
        passed = await answer.read()
    assert engine.exchanges[0].json == {**ASKED, "model": "inner", "stream": True}
    assert passed.split(b"\n\n", 1)[1] == stream.split(b"\n\n", 1)[1]
    assert b'"model":"tiny"' in passed
    record = await fleet.one_record()
    assert (record.outcome, record.source, record.output_tokens) == (Outcome.COMPLETED, UsageSource.ENGINE_FINAL, 8)


async def test_its_error_in_openais_shape_is_put_into_anthropics(native: RunningRouter, engine: Engine) -> None:
    engine.script = answers(400, {"error": {"message": "no such thing", "type": "x"}})
    async with native.post(ASKED, path="/v1/messages") as answer:
        assert answer.status == 400
        told = await answer.json()
    assert told == {"type": "error", "error": {"type": "invalid_request_error", "message": "no such thing"}}


@pytest.mark.parametrize("is_cut", [False, True])
async def test_its_stream_that_breaks_ends_with_an_error(
    native: RunningRouter, engine: Engine, fleet: Fleet, is_cut: bool
) -> None:
    stream = captured("messages_stream.sse")
    begun = stream[: stream.rindex(b"event: content_block_stop") - (9 if is_cut else 0)]

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(begun)
        if is_cut:
            exchange.hang_up()
        else:
            await exchange.end()

    engine.script = script
    async with native.post({**ASKED, "stream": True}, path="/v1/messages") as answer:
        passed = await answer.read()
    assert passed.startswith(begun)
    assert passed.rsplit(b"\n\n", 2)[1].startswith(b"event: error\ndata: {")
    record = await fleet.one_record()
    assert (record.outcome, record.source) == (Outcome.FAILED, UsageSource.ENGINE_RUNNING)
    assert record.output_tokens > 1
