"""Engines that do not keep to OpenAI's wire, and clients that see none of it."""

import json
from pathlib import Path

import openai
import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.usage import Outcome, UsageSource
from tests.support.limit_records import limit
from tests.support.running_router import SECRET, Fleet, RunningRouter
from tests.support.scripted_engine import (
    DONE,
    Engine,
    Exchange,
    Script,
    answers,
    chunk,
    completion,
    streams,
    usage_chunk,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transformers_serve"
CHAT = (FIXTURES / "chat.sse").read_bytes()
PIECES = [CHAT[:100], CHAT[100:333], CHAT[333:]]


def plain(status: int, text: bytes) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.whole(status, text, kind="text/plain; charset=utf-8")

    return script


@pytest.mark.contract("A11", "D11")
@pytest.mark.parametrize("wants_usage", [True, False])
async def test_the_official_client_reads_a_stream_of_transformers_serve(
    router: RunningRouter, fleet: Fleet, engine: Engine, wants_usage: bool
) -> None:
    await fleet.serve(engine, engine=EngineKind.TRANSFORMERS)
    engine.script = streams(*PIECES)
    asked = {"stream_options": {"include_usage": True}} if wants_usage else {}
    async with openai.AsyncOpenAI(api_key=SECRET, base_url=f"{router.url}/v1", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "?"}], stream=True, extra_body=asked
        )
        chunks = [chunk async for chunk in stream]
    assert {chunk.model for chunk in chunks} == {"tiny"}
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == 'The capital is "Paris".\n'
    figures = [chunk.usage.total_tokens for chunk in chunks if chunk.usage is not None]
    assert figures == ([38] if wants_usage else [])
    assert (chunks[-1].choices == []) is wants_usage
    record = await fleet.one_record()
    assert (record.outcome, record.source) == (Outcome.COMPLETED, UsageSource.ENGINE_FINAL)
    assert (record.input_tokens, record.output_tokens) == (31, 7)


@pytest.mark.contract("A11")
async def test_a_stream_that_the_engine_ends_without_the_closing_line_gets_one(
    router: RunningRouter, engine: Engine
) -> None:
    engine.script = streams(*PIECES)
    async with router.stream() as answer:
        body = await answer.read()
    assert body.endswith(b"}\n\ndata: [DONE]\n\n")
    assert body.count(b"[DONE]") == 1
    engine.script = streams(CHAT.rstrip(b"\n"))
    async with router.stream() as answer:
        body = await answer.read()
    assert body.endswith(b"}\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
async def test_usage_that_is_owed_is_an_event_of_its_own_however_the_engine_ends(
    router: RunningRouter, engine: Engine, ending: bytes
) -> None:
    engine.script = streams(CHAT.rstrip(b"\n") + ending)
    async with router.stream(stream_options={"include_usage": True}) as answer:
        body = await answer.read()
    *_, finish, usage, done, nothing = body.split(b"\n\n")
    assert (done, nothing) == (b"data: [DONE]", b"")
    assert b'"finish_reason":"stop"' in finish
    assert json.loads(usage.strip().removeprefix(b"data: "))["usage"]["total_tokens"] == 38


async def test_a_whole_answer_with_a_path_for_a_name_is_put_right(router: RunningRouter, engine: Engine) -> None:
    engine.script = answers(200, json.loads((FIXTURES / "chat.json").read_bytes()))
    async with router.post() as answer:
        assert (await answer.json())["model"] == "tiny"


@pytest.mark.contract("D11")
async def test_an_engines_failure_reaches_the_client_in_openais_shape(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    engine.script = plain(500, b"Internal Server Error")
    body = {"messages": [{"role": None, "content": "x"}]}
    async with router.post(body) as answer:
        assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
        error = (await answer.json())["error"]
    assert error == {
        "message": "Internal Server Error",
        "type": "server_error",
        "param": None,
        "code": "upstream_error",
    }
    assert (await fleet.one_record()).outcome is Outcome.FAILED


async def test_the_official_client_raises_with_the_words_of_an_engine_that_has_its_own_shape(
    router: RunningRouter, engine: Engine
) -> None:
    engine.script = plain(422, b'{"detail":"Unexpected fields in the request: {\'x\'}"}')
    async with openai.AsyncOpenAI(api_key=SECRET, base_url=f"{router.url}/v1", max_retries=0) as client:
        with pytest.raises(openai.UnprocessableEntityError, match="Unexpected fields"):
            await client.chat.completions.create(model="tiny", messages=[], stream=True)


@pytest.mark.contract("D02", "F01")
@pytest.mark.parametrize("told", [2**53, 2**63 - 1, 2**64, 10**30])
@pytest.mark.parametrize("is_stream", [True, False])
async def test_figures_that_no_request_can_have_are_bounded_and_the_usage_is_kept(
    tmp_path: Path, fleet: Fleet, engine: Engine, told: int, is_stream: bool
) -> None:
    """They would fit neither the ledger's columns nor a limit's counter."""
    await fleet.put_limit(limit("tokens", tokens_per_minute=10_000))
    await fleet.serve(engine)
    engine.script = (
        streams(chunk("a"), usage_chunk(told, told), DONE)
        if is_stream
        else answers(body=completion(prompt=told, output=told))
    )
    async with RunningRouter(tmp_path, fleet) as router:
        await router.ready()
        async with router.stream() if is_stream else router.post() as answer:
            assert answer.status == 200
            assert answer.headers["x-ratelimit-limit-tokens"] == "10000"
            await answer.read()
    record = await fleet.one_record()
    assert (record.outcome, record.input_tokens, record.output_tokens) == (Outcome.COMPLETED, 10**12, 10**12)
