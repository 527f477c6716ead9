"""Clients of other APIs at outside providers: untouched where the provider speaks the same, translated elsewhere."""

import json
from pathlib import Path
from typing import Any

import anthropic
import pytest

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import ProviderFormat
from tests.component.router.test_router_providers import GOOD, a_provider, routed
from tests.support.chat_streams import captured
from tests.support.running_router import SECRET, Fleet
from tests.support.scripted_engine import Engine, answers, streams

pytestmark = pytest.mark.contract("D11", "D18")

HI: Any = [{"role": "user", "content": "hi"}]
ASKED: Any = {"model": "tiny", "max_tokens": 9, "messages": HI}


async def test_a_provider_of_anthropics_api_gets_the_clients_bytes(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    usage = {"input_tokens": 5, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 4}
    thought = {"type": "thinking", "thinking": "hm", "signature": "signed by them"}
    told = {"id": "msg_1", "type": "message", "role": "assistant", "model": "gpt-x", "content": [thought]}
    engine.script = answers(200, {**told, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage})
    asked = {**ASKED, "cache_control": {"type": "ephemeral"}, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    async with routed(tmp_path, fleet, a_provider(engine, GOOD, format=ProviderFormat.ANTHROPIC)) as router:
        async with router.post(asked, path="/v1/messages") as answer:
            assert await answer.json() == {**await answer.json(), "model": "tiny", "content": [thought]}
        (exchange,) = engine.exchanges
        assert (exchange.path, exchange.json) == ("/v1/messages", {**asked, "model": "gpt-x"})
        assert (exchange.headers["x-api-key"], exchange.headers["anthropic-version"]) == (GOOD, "2023-06-01")
        record = await fleet.one_record()
    assert (record.input_tokens, record.cache_write_tokens, record.cached_input_tokens) == (5, 3, 2)
    assert (record.output_tokens, record.api, record.provider_id) == (4, "anthropic.messages", "prv_1")


async def test_its_stream_passes_and_its_overload_is_anthropics_error(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    stream = captured("messages_stream.sse")
    engine.script = streams(stream)
    async with (
        routed(tmp_path, fleet, a_provider(engine, GOOD, format=ProviderFormat.ANTHROPIC)) as router,
        anthropic.AsyncAnthropic(base_url=router.url, api_key=SECRET, max_retries=0) as client,
    ):
        async with router.post({**ASKED, "stream": True}, path="/v1/messages") as answer:
            assert await answer.read() == stream
        overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        engine.script = answers(529, overloaded)
        with pytest.raises(anthropic.InternalServerError, match="Overloaded"):
            await client.messages.create(**ASKED)


async def test_a_provider_of_openais_api_gets_a_chat(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    engine.script = answers(200, json.loads(captured("tool_whole.json")))
    async with (
        routed(tmp_path, fleet, a_provider(engine, GOOD)) as router,
        anthropic.AsyncAnthropic(base_url=router.url, api_key=SECRET, max_retries=0) as client,
    ):
        told = await client.messages.create(**ASKED, thinking={"type": "disabled"})
    assert told.content[0].type == "tool_use"
    (exchange,) = engine.exchanges
    assert exchange.path == "/v1/chat/completions"
    assert exchange.json == {"model": "gpt-x", "messages": HI, "max_tokens": 9}, "nothing that OpenAI would refuse"


async def test_one_whose_record_names_responses_gets_them(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    engine.script = answers(200, json.loads(captured("responses_whole.json")))
    provider = a_provider(engine, GOOD, features=(Feature.CHAT, Feature.RESPONSES))
    async with (
        routed(tmp_path, fleet, provider) as router,
        router.session.post(
            "/v1/responses",
            json={"model": "tiny", "input": "hi", "previous_response_id": "resp_1"},
            headers={"authorization": f"Bearer {SECRET}"},
        ) as answer,
    ):
        assert (await answer.json())["output"][0]["content"][0]["text"].startswith("Hello")
    (exchange,) = engine.exchanges
    assert (exchange.path, exchange.json["previous_response_id"]) == ("/v1/responses", "resp_1")
