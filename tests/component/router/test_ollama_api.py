"""The real `ollama` client against the router: inference translated, models shown, everything else refused clearly."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import ollama
import pytest
import pytest_asyncio

from roundhouse_common.contracts.usage import Operation, Outcome
from tests.support.eventually import eventually, never
from tests.support.running_router import SECRET, Fleet, RunningRouter, endpoint
from tests.support.scripted_engine import DONE, Engine, answers, chunk, sse, streams, usage_chunk

pytestmark = [pytest.mark.contract("D11"), pytest.mark.contract("G17")]

HI = [{"role": "user", "content": "hi"}]
BEARER = {"Authorization": f"Bearer {SECRET}"}


@pytest_asyncio.fixture
async def client(router: RunningRouter) -> AsyncIterator[ollama.AsyncClient]:
    yield ollama.AsyncClient(host=router.url, headers=BEARER)


def end(reason: str = "stop") -> bytes:
    return sse({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


async def test_a_chat_by_the_name_that_clients_make_of_it(client: ollama.AsyncClient, fleet: Fleet) -> None:
    answer = await client.chat(model="tiny:latest", messages=HI)
    assert (answer.message.content, answer.prompt_eval_count, answer.eval_count) == ("hello", 7, 3)
    record = await fleet.one_record()
    assert (record.api, record.operation, record.model_requested) == ("ollama.chat", Operation.CHAT, "tiny:latest")
    assert (record.input_tokens, record.output_tokens, record.outcome) == (7, 3, Outcome.COMPLETED)


async def test_a_stream(client: ollama.AsyncClient, engine: Engine, fleet: Fleet) -> None:
    engine.script = streams(chunk("hel"), chunk("lo"), end(), usage_chunk(11, 2), DONE)
    parts = [part async for part in await client.chat(model="tiny", messages=HI, stream=True)]
    assert [part.message.content for part in parts] == ["hel", "lo", ""]
    assert (parts[-1].done_reason, parts[-1].prompt_eval_count, parts[-1].eval_count) == ("stop", 11, 2)
    record = await fleet.one_record()
    assert (record.input_tokens, record.output_tokens, record.is_stream) == (11, 2, True)


async def test_streams_are_the_default_and_lines_of_json(router: RunningRouter, engine: Engine) -> None:
    engine.script = streams(chunk("a"), end(), DONE)
    body = {"model": "tiny", "messages": HI}
    async with (
        aiohttp.ClientSession(headers=BEARER) as session,
        session.post(f"{router.url}/api/chat", json=body) as reply,
    ):
        assert reply.content_type == "application/x-ndjson"
        assert [json.loads(line)["done"] async for line in reply.content] == [False, True]
    assert engine.exchanges[0].path == "/v1/chat/completions"


async def test_prompts_are_chats_and_raw_ones_completions(client: ollama.AsyncClient, engine: Engine) -> None:
    answer = await client.generate(model="tiny", prompt="hi", system="be kind")
    assert answer.response == "hello"
    engine.script = answers(200, {"choices": [{"index": 0, "text": "raw", "finish_reason": "length"}]})
    raw = await client.generate(model="tiny", prompt="<s>hi", raw=True)
    assert (raw.response, raw.done_reason) == ("raw", "length")
    assert [exchange.path for exchange in engine.exchanges] == ["/v1/chat/completions", "/v1/completions"]


async def test_embeddings(client: ollama.AsyncClient, engine: Engine) -> None:
    data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    engine.script = answers(200, {"object": "list", "model": "x", "data": data, "usage": {"prompt_tokens": 2}})
    assert (await client.embed(model="tiny", input="x")).embeddings == [[0.5, 0.25]]
    assert (await client.embeddings(model="tiny", prompt="x")).embedding == [0.5, 0.25]


async def test_a_request_for_nothing_asks_no_engine_and_has_no_record(
    client: ollama.AsyncClient, engine: Engine, fleet: Fleet
) -> None:
    answer = await client.generate(model="tiny", keep_alive="10m")
    assert (answer.done, answer.done_reason) == (True, "load")
    assert engine.exchanges == []
    with pytest.raises(ollama.ResponseError) as absent:
        await client.generate(model="nope")
    assert absent.value.status_code == 404
    assert fleet.records == []


async def test_models(client: ollama.AsyncClient) -> None:
    assert [model.model for model in (await client.list()).models] == ["tiny"]
    assert [model.model for model in (await client.ps()).models] == ["tiny"]
    shown = await client.show("tiny:latest")
    assert shown.capabilities == ["completion", "tools"]
    with pytest.raises(ollama.ResponseError) as absent:
        await client.show("nope")
    assert absent.value.status_code == 404


async def test_what_looks_for_a_server_finds_one(router: RunningRouter) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(router.url) as reply:
            assert await reply.text() == "Ollama is running"
        async with session.head(router.url) as reply:
            assert reply.status == 200
        async with session.get(f"{router.url}/api/version") as reply:
            assert (await reply.json())["version"]
        async with session.get(f"{router.url}/api/tags") as reply:
            assert (reply.status, list(await reply.json())) == (401, ["error"])


async def test_models_are_changed_elsewhere(client: ollama.AsyncClient) -> None:
    for refused in (
        client.pull("llama3"),
        client.push("llama3"),
        client.create(model="x", from_="y"),
        client.delete("tiny"),
        client.copy("tiny", "x"),
    ):
        with pytest.raises(ollama.ResponseError) as told:
            await refused
        assert told.value.status_code == 403
        assert "managed by the platform" in told.value.error


@pytest.mark.parametrize("path", ["/api/nothing", "/api/chat/x", "/api/tags/x"])
async def test_unknown_paths_are_refused_in_ollamas_words(router: RunningRouter, path: str) -> None:
    async with aiohttp.ClientSession(headers=BEARER) as session, session.post(router.url + path) as reply:
        assert (reply.status, list(await reply.json())) == (404, ["error"])


async def test_refusals_are_texts(client: ollama.AsyncClient, engine: Engine) -> None:
    with pytest.raises(ollama.ResponseError) as wrong:
        await client.chat(model="tiny", messages=HI, think="very")
    assert (wrong.value.status_code, "'think'" in wrong.value.error) == (400, True)
    engine.script = answers(400, {"error": {"message": "too long", "type": "x", "param": None, "code": None}})
    for is_stream in (False, True):
        with pytest.raises(ollama.ResponseError, match="too long") as refused:
            await _all(await client.chat(model="tiny", messages=HI, stream=is_stream))
        assert refused.value.status_code == 400


@pytest.mark.parametrize("is_said", [True, False])
async def test_a_stream_that_breaks_raises(
    client: ollama.AsyncClient, engine: Engine, fleet: Fleet, is_said: bool
) -> None:
    fault = sse({"error": {"message": "no memory"}}) if is_said else b"data: {\n\n"
    engine.script = streams(chunk("a"), fault)
    parts = await client.chat(model="tiny", messages=HI, stream=True)
    assert (await anext(parts)).message.content == "a"
    with pytest.raises(ollama.ResponseError):
        await anext(parts)
    assert (await fleet.one_record()).outcome is Outcome.FAILED


async def test_a_stream_waits_for_a_model_that_sleeps_without_a_line_that_is_no_json(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    engine.script = streams(chunk("a"), end(), DONE)
    quick = {"wake_comment_after_s": 0.05, "wake_comment_every_s": 0.05}
    async with RunningRouter(tmp_path, fleet, **quick) as router:
        await fleet.sleeps()
        await router.ready()
        client = ollama.AsyncClient(host=router.url, headers=BEARER)
        parts = await client.chat(model="tiny", messages=HI, stream=True)
        first = asyncio.ensure_future(anext(parts))
        await eventually(lambda: router.metric("roundhouse_router_held") == 1)
        await never(first.done, for_s=0.3)
        await fleet.put_endpoints(endpoint(engine.base_url))
        assert (await first).message.content == "a"
        assert [part.done async for part in parts] == [True]


async def test_a_stream_that_waited_in_vain_says_so_in_its_only_line(tmp_path: Path, fleet: Fleet) -> None:
    quick = {"wake_comment_after_s": 0.05, "wake_comment_every_s": 0.05}
    async with RunningRouter(tmp_path, fleet, **quick) as router:
        await fleet.sleeps(wake_timeout_s=0.3)
        await router.ready()
        client = ollama.AsyncClient(host=router.url, headers=BEARER)
        parts = await client.chat(model="tiny", messages=HI, stream=True)
        with pytest.raises(ollama.ResponseError, match="tiny") as told:
            await anext(parts)
        assert told.value.status_code == -1, "it came inside the stream"


async def _all(parts: Any) -> None:  # Any: an answer, or many
    if isinstance(parts, AsyncIterator):
        async for _ in parts:
            pass
