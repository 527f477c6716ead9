"""The official OpenAI client against the router."""

from collections.abc import AsyncIterator

import openai
import pytest
import pytest_asyncio

from tests.support.running_router import SECRET, Fleet, RunningRouter
from tests.support.scripted_engine import DONE, Engine, answers, chunk, streams, usage_chunk

pytestmark = pytest.mark.contract("D11")


@pytest_asyncio.fixture
async def client(router: RunningRouter) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key=SECRET, max_retries=0) as made:
        yield made


async def test_a_chat(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content == "hello"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 10


async def test_a_stream_with_usage(client: openai.AsyncOpenAI, engine: Engine) -> None:
    engine.script = streams(chunk("hel"), chunk("lo"), usage_chunk(11, 2), DONE)
    stream = await client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [part async for part in stream]
    assert "".join(part.choices[0].delta.content or "" for part in chunks if part.choices) == "hello"
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (11, 2)


async def test_embeddings(client: openai.AsyncOpenAI, engine: Engine) -> None:
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    engine.script = answers(200, {"object": "list", "model": "tiny", "data": data, "usage": usage})
    answer = await client.embeddings.create(model="tiny", input="x", encoding_format="float")
    assert answer.data[0].embedding == [0.5, 0.25]


async def test_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["tiny"]
    assert (await client.models.retrieve("tiny")).owned_by == "roundhouse"


async def test_refusals_are_the_exceptions_that_callers_expect(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as absent:
        await client.chat.completions.create(model="nope", messages=[])
    assert (absent.value.code, absent.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.AuthenticationError) as refused:
        await client.with_options(api_key="rh-wrong").models.list()
    assert refused.value.code == "invalid_api_key"


async def test_a_stream_that_breaks_raises(client: openai.AsyncOpenAI, engine: Engine) -> None:
    engine.script = streams(chunk("one"), b'data: {"error":{"message":"slot lost","code":500}}\n\n')
    stream = await client.chat.completions.create(model="tiny", messages=[], stream=True)
    with pytest.raises(openai.APIError, match="slot lost"):
        _ = [part async for part in stream]


@pytest.mark.contract("D19")
async def test_a_client_that_retries_gets_through_once_a_replica_is_ready(
    client: openai.AsyncOpenAI, fleet: Fleet, engine: Engine
) -> None:
    engine.script = answers(503, {"error": {"message": "Loading model"}})
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model="tiny", messages=[])
    engine.script = answers()
    assert await client.chat.completions.create(model="tiny", messages=[])
