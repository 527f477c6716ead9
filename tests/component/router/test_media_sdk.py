"""OpenAI's Python SDK for images and sound, against a whole router."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from tests.support.media import wav
from tests.support.running_router import SECRET, RunningRouter
from tests.support.scripted_engine import Engine, Exchange, answers, sse

pytestmark = pytest.mark.contract("D11")

USAGE = {"type": "tokens", "input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


@pytest_asyncio.fixture
async def client(router: RunningRouter) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{router.url}/v1", api_key=SECRET, max_retries=0) as client:
        yield client


def says(body: bytes, kind: str) -> Any:
    async def script(exchange: Exchange) -> None:
        await exchange.whole(200, body, kind)

    return script


async def test_transcriptions_in_every_format(client: AsyncOpenAI, engine: Engine) -> None:
    engine.script = answers(body={"text": "hello", "usage": USAGE})
    simple = await client.audio.transcriptions.create(model="tiny", file=("a.wav", wav(100)))
    assert simple.text == "hello"

    engine.script = answers(body={"task": "transcribe", "language": "en", "duration": 1.5, "text": "hello"})
    verbose = await client.audio.transcriptions.create(
        model="tiny", file=("a.wav", wav(100)), response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert verbose.duration == 1.5
    assert b"timestamp_granularities" in engine.exchanges[-1].body

    for response_format, kind in (("text", "text/plain"), ("srt", "application/x-subrip"), ("vtt", "text/vtt")):
        engine.script = says(b"hello\n", kind)
        text = await client.audio.transcriptions.create(
            model="tiny",
            file=("a.wav", wav(100)),
            response_format=response_format,  # type: ignore[call-overload]  # a loop over literals
        )
        assert text == "hello\n"


async def test_transcripts_as_a_stream(client: AsyncOpenAI, engine: Engine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(sse({"type": "transcript.text.delta", "delta": "hel"}))
        await exchange.send(sse({"type": "transcript.text.delta", "delta": "lo"}))
        await exchange.send(sse({"type": "transcript.text.done", "text": "hello", "usage": USAGE}))
        await exchange.end()

    engine.script = script
    stream = await client.audio.transcriptions.create(model="tiny", file=("a.wav", wav(100)), stream=True)
    assert [event.type async for event in stream] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]


async def test_translations(client: AsyncOpenAI, engine: Engine) -> None:
    engine.script = answers(body={"text": "hello"})
    assert (await client.audio.translations.create(model="tiny", file=("a.wav", wav(100)))).text == "hello"


async def test_speech_whole_and_as_it_is_made(client: AsyncOpenAI, engine: Engine) -> None:
    engine.script = says(b"\xff\xfb" * 1000, "audio/mpeg")
    whole = await client.audio.speech.create(model="tiny", voice="alloy", input="hello")
    assert whole.content == b"\xff\xfb" * 1000
    async with client.audio.speech.with_streaming_response.create(model="tiny", voice="alloy", input="x") as response:
        assert b"".join([piece async for piece in response.iter_bytes()]) == b"\xff\xfb" * 1000
    assert json.loads(engine.exchanges[0].body)["input"] == "hello"


async def test_images_made_edited_and_varied(client: AsyncOpenAI, engine: Engine) -> None:
    engine.script = answers(body={"created": 1, "data": [{"b64_json": "eA=="}]})
    made = await client.images.generate(model="tiny", prompt="a cat", n=1)
    picture = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    picture.name = "a.png"
    edited = await client.images.edit(model="tiny", image=picture, prompt="with a hat")
    picture.seek(0)
    varied = await client.images.create_variation(model="tiny", image=picture)
    for images in (made, edited, varied):
        assert images.data is not None
        assert images.data[0].b64_json == "eA=="
    assert [asked.path for asked in engine.exchanges] == [
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/images/variations",
    ]


async def test_images_as_a_stream(client: AsyncOpenAI, engine: Engine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(
            sse({"type": "image_generation.partial_image", "b64_json": "eA==", "partial_image_index": 0})
        )
        await exchange.send(sse({"type": "image_generation.completed", "b64_json": "eA==", "usage": USAGE}))
        await exchange.end()

    engine.script = script
    stream = await client.images.generate(model="tiny", prompt="a cat", stream=True, partial_images=1)
    assert [event.type async for event in stream] == ["image_generation.partial_image", "image_generation.completed"]


async def test_errors_are_the_sdks_own(client: AsyncOpenAI, engine: Engine) -> None:
    engine.script = answers(400, {"error": {"message": "no sound", "type": "invalid_request_error", "code": "x"}})
    with pytest.raises(BadRequestError, match="no sound"):
        await client.audio.transcriptions.create(model="tiny", file=("a.wav", b"x"))
    with pytest.raises(NotFoundError) as missing:
        await client.audio.transcriptions.create(model="unknown", file=("a.wav", b"x"))
    assert missing.value.code == "model_not_found"
