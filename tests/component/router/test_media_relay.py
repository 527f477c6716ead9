"""Images, speech and transcriptions through a whole router, with a scripted engine."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from roundhouse_common.contracts.usage import Operation, Outcome, UsageSource
from tests.support.eventually import eventually
from tests.support.media import FORM, form, wav
from tests.support.running_router import SECRET, Fleet, RunningRouter, endpoint
from tests.support.scripted_engine import Engine, Exchange, answers, sse, streams

pytestmark = pytest.mark.contract("D11")

TRANSCRIPTIONS = "/v1/audio/transcriptions"
SOUND = wav(1500)
TOKENS = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}


def send(router: RunningRouter, body: Any, path: str = TRANSCRIPTIONS, kind: str = FORM, **headers: str) -> Any:
    return router.post(body, path=path, content_type=kind, **headers)


def upload(*more: tuple[str, bytes], sound: bytes = SOUND, model: bytes = b"tiny") -> bytes:
    return form(("model", model), *more, ("file", sound, "a.wav"))


async def test_a_transcription_goes_through_with_its_figures(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    engine.script = answers(body={"text": "hello", "usage": TOKENS})
    async with send(router, upload(("language", b"en"))) as response:
        assert response.status == 200
        assert await response.json() == {"text": "hello", "usage": TOKENS}
    asked = engine.exchanges[0]
    assert asked.path == TRANSCRIPTIONS
    assert asked.body == upload(("language", b"en"))
    assert asked.headers["content-type"] == FORM
    assert asked.headers["content-length"] == str(len(asked.body))
    assert asked.headers["authorization"] == "Bearer engine-secret-1"
    record = await fleet.one_record()
    assert (record.operation, record.api) == (Operation.TRANSCRIPTION, "openai.audio.transcriptions")
    assert (record.outcome, record.input_tokens, record.output_tokens) == (Outcome.COMPLETED, 14, 45)
    assert (record.audio_ms, record.source) == (1500, UsageSource.ENGINE_FINAL)


@pytest.mark.parametrize(
    ("body", "kind", "audio_ms"),
    [
        (b'{"task":"transcribe","duration":8.47,"text":"hi","segments":[]}', "application/json", 8470),
        (b'{"text":"hi","usage":{"type":"duration","seconds":9}}', "application/json", 9000),
        (b"hi there\n", "text/plain; charset=utf-8", 1500),
        (b"1\n00:00:00,000 --> 00:00:01,000\nhi\n", "application/x-subrip", 1500),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n", "text/vtt", 1500),
    ],
)
async def test_every_form_of_answer_passes_untouched(
    router: RunningRouter, engine: Engine, fleet: Fleet, body: bytes, kind: str, audio_ms: int
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.whole(200, body, kind)

    engine.script = script
    async with send(router, upload(), "/v1/audio/translations") as response:
        assert (response.status, await response.read()) == (200, body)
        assert response.headers["content-type"] == kind
    record = await fleet.one_record()
    assert (record.operation, record.audio_ms) == (Operation.TRANSLATION, audio_ms)


async def test_transcripts_come_as_events(router: RunningRouter, engine: Engine, fleet: Fleet) -> None:
    delta = sse({"type": "transcript.text.delta", "delta": "hello"})
    done = sse({"type": "transcript.text.done", "text": "hello", "usage": TOKENS})
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(delta)
        await go_on.wait()
        await exchange.send(done)
        await exchange.end()

    engine.script = script
    async with send(router, upload(("stream", b"true"))) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert await response.content.readany() == delta
        go_on.set()
        assert await response.content.read() == done
    record = await fleet.one_record()
    assert (record.is_stream, record.output_tokens, record.audio_ms) == (True, 45, 1500)


async def test_speech_is_passed_on_as_it_is_made(router: RunningRouter, engine: Engine, fleet: Fleet) -> None:
    go_on = asyncio.Event()
    pieces = [b":\xff\n\ndata: {}\n\n", b"\0" * 50_000]

    async def script(exchange: Exchange) -> None:
        await exchange.head(kind="audio/mpeg")
        await exchange.send(pieces[0])
        await go_on.wait()
        await exchange.send(pieces[1])
        await exchange.end()

    engine.script = script
    body = json.dumps({"model": "tiny", "input": "grüß dich", "voice": "a"}).encode()
    async with send(router, body, "/v1/audio/speech", "application/json") as response:
        assert response.headers["content-type"] == "audio/mpeg"
        assert await response.content.readany() == pieces[0]
        go_on.set()
        assert await response.content.read() == pieces[1]
    assert engine.exchanges[0].body == body
    record = await fleet.one_record()
    assert (record.operation, record.input_characters, record.audio_ms) == (Operation.SPEECH, 9, 0)
    assert (record.outcome, record.source) == (Outcome.COMPLETED, UsageSource.NONE)


async def test_sound_that_breaks_off_ends_without_a_proper_end(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.head(kind="audio/mpeg")
        await exchange.send(b"begin")
        await asyncio.sleep(0.05)
        exchange.hang_up()

    engine.script = script
    async with send(router, b'{"model":"tiny","input":"x"}', "/v1/audio/speech", "application/json") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    record = await fleet.one_record()
    assert (record.outcome, record.error_code) == (Outcome.FAILED, "upstream_error")


async def test_images_are_counted(router: RunningRouter, engine: Engine, fleet: Fleet) -> None:
    engine.script = answers(body={"created": 1, "data": [{"b64_json": "eA=="}] * 2, "usage": TOKENS})
    body = b'{"model":"tiny","prompt":"a cat","n":2}'
    async with send(router, body, "/v1/images/generations", "application/json") as response:
        assert len((await response.json())["data"]) == 2
    record = await fleet.one_record()
    assert (record.operation, record.images, record.output_image_tokens) == (Operation.IMAGE, 2, 45)


async def test_tokens_of_images_and_of_sound_are_classes_of_their_own(
    router: RunningRouter, engine: Engine, fleet: Fleet
) -> None:
    usage = {"input_tokens": 60, "input_tokens_details": {"text_tokens": 10, "image_tokens": 50}, "output_tokens": 272}
    engine.script = answers(body={"created": 1, "data": [{"b64_json": "eA=="}], "usage": usage})
    body = b'{"model":"tiny","prompt":"a cat"}'
    async with send(router, body, "/v1/images/generations", "application/json") as response:
        assert (await response.json())["usage"] == usage
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}
    heard = {**usage, "input_token_details": {"text_tokens": 4, "audio_tokens": 10}}
    engine.script = answers(body={"text": "hello", "usage": heard})
    async with send(router, upload()) as response:
        assert response.status == 200
    done = {"type": "speech.audio.done", "usage": usage}
    engine.script = streams(sse({"type": "speech.audio.delta", "audio": "eA=="}), sse(done))
    body = b'{"model":"tiny","input":"hello","stream_format":"sse"}'
    async with send(router, body, "/v1/audio/speech", "application/json") as response:
        await response.read()

    async def are_recorded() -> bool:
        return len(fleet.records) == 3

    await eventually(are_recorded)
    image, transcript, speech = sorted(fleet.records, key=lambda record: record.sequence)
    assert (image.input_tokens, image.input_image_tokens) == (10, 50)
    assert (image.output_tokens, image.output_image_tokens) == (0, 272)
    assert (transcript.input_tokens, transcript.input_audio_tokens, transcript.output_tokens) == (4, 10, 45)
    assert (speech.input_tokens, speech.output_tokens, speech.output_audio_tokens) == (14, 0, 45)


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/images/variations"])
async def test_images_are_edited_from_forms(router: RunningRouter, engine: Engine, fleet: Fleet, path: str) -> None:
    engine.script = answers(body={"created": 1, "data": [{"url": "http://example.com/x"}]})
    body = form(("image[]", b"\x89PNG\r\n\x1a\n\r\n--edg", "a.png"), ("image[]", b"", "b.png"), ("model", b"tiny"))
    async with send(router, body, path) as response:
        assert response.status == 200
    assert engine.exchanges[0].body == body
    assert (await fleet.one_record()).images == 1


@pytest.mark.parametrize("is_file_first", [False, True])
async def test_a_large_upload_passes_in_chunks_with_the_engines_name_of_the_model(
    tmp_path: Path, fleet: Fleet, engine: Engine, is_file_first: bool
) -> None:
    sound = wav(30_000, rate=16_000)
    parts = (("model", b"tiny"), ("file", sound, "a.wav"), ("language", b"en"))
    ordered = tuple(reversed(parts)) if is_file_first else parts
    async with RunningRouter(tmp_path, fleet, upload_memory_bytes=65_536) as router:
        await fleet.serve(engine, served_model="the-engines-own-name")
        await router.ready()
        engine.script = answers(body={"text": "x"})
        async with send(router, form(*ordered)) as response:
            assert response.status == 200
    asked = engine.exchanges[0]
    assert asked.headers["transfer-encoding"] == "chunked"
    assert asked.body == form(*(("model", b"the-engines-own-name") if part[0] == "model" else part for part in ordered))
    assert (await fleet.one_record()).audio_ms == 30_000


async def test_an_upload_reaches_the_engine_while_the_client_still_sends(tmp_path: Path, fleet: Fleet) -> None:
    came = asyncio.Queue[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            came.put_nowait(data)
            if b"\r\n0\r\n\r\n" in data:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n")
                writer.write(b'{"text": "x"}')
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, RunningRouter(tmp_path, fleet, upload_memory_bytes=1000) as router:
        port = server.sockets[0].getsockname()[1]
        await fleet.serve()
        await fleet.put_endpoints(endpoint(f"http://127.0.0.1:{port}"))
        await router.ready()
        body, go_on = upload(sound=b"\1" * 50_000), asyncio.Event()

        async def pieces() -> Any:
            yield body[:30_000]
            await go_on.wait()
            yield body[30_000:]

        async def ask() -> Any:
            headers = {"authorization": f"Bearer {SECRET}", "content-type": FORM}
            async with router.session.post(TRANSCRIPTIONS, data=pieces(), headers=headers) as response:
                return response.status

        asking = asyncio.create_task(ask())
        seen = b""
        while seen.count(b"\1") < 25_000:
            seen += await asyncio.wait_for(came.get(), 20)
        assert not asking.done()
        go_on.set()
        assert await asyncio.wait_for(asking, 20) == 200


async def test_an_upload_is_sent_again_to_another_engine(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async def hang_up(exchange: Exchange) -> None:
        exchange.hang_up()

    async with Engine(hang_up) as broken, RunningRouter(tmp_path, fleet, upload_memory_bytes=10_000) as router:
        await fleet.serve(broken, engine)
        await router.ready()
        body = upload(sound=wav(5000))
        for _ in range(4):
            engine.script = answers(body={"text": "x"})
            async with send(router, body) as response:
                assert response.status == 200
        assert broken.exchanges
        assert all(asked.body == body for asked in engine.exchanges)


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (form(("file", b"x", "a.wav")), FORM, 400, "missing_required_parameter"),
        (b"hello", FORM, 400, "invalid_multipart"),
        (upload()[:-20], FORM, 400, "invalid_multipart"),
        (upload(), "multipart/form-data", 400, "invalid_multipart"),
        (b'{"model":"tiny"}', "application/json", 400, "invalid_content_type"),
        (upload(model=b"unknown"), FORM, 404, "model_not_found"),
    ],
)
async def test_a_wrong_upload_is_refused_in_words(
    router: RunningRouter, engine: Engine, body: bytes, kind: str, status: int, code: str
) -> None:
    async with send(router, body, kind=kind) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == code
    assert not engine.exchanges


async def test_a_form_that_turns_out_broken_on_its_way_is_the_clients_fault(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with RunningRouter(tmp_path, fleet, upload_memory_bytes=1000) as router:
        await fleet.serve(engine)
        await router.ready()
        async with send(router, upload(sound=b"x" * 100_000)[:-20]) as response:
            assert response.status == 400
            assert (await response.json())["error"]["code"] == "invalid_multipart"
        engine.script = answers(body={"text": "x"})
        async with send(router, upload()) as response:
            assert response.status == 200, "the engine is not blamed"
    records = await eventually(lambda: fleet.records if len(fleet.records) == 2 else None)
    assert records is not None
    assert [record.http_status for record in records] == [400, 200]


async def test_a_body_beyond_the_limit_is_refused(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async with RunningRouter(tmp_path, fleet, max_body_bytes=100_000, upload_memory_bytes=1000) as router:
        await fleet.serve(engine)
        await router.ready()
        async with send(router, upload(sound=b"x" * 200_000)) as response:
            assert response.status == 413


async def test_nothing_of_an_upload_is_left_behind(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with RunningRouter(tmp_path, fleet, upload_memory_bytes=1000) as router:
        await fleet.serve(engine)
        await router.ready()
        engine.script = answers(body={"text": "x"})
        before = 0
        for number in range(12):
            async with send(router, upload(sound=b"x" * 50_000)) as response:
                assert response.status == 200
            if number == 3:
                before = open_files()
        await eventually(lambda: open_files() <= before)
        assert {path.name for path in tmp_path.iterdir()} <= {"spool", "snapshot.json", "snapshot.json.new"}


async def test_an_engine_without_the_endpoint_is_not_asked(router: RunningRouter, engine: Engine, fleet: Fleet) -> None:
    await fleet.put_endpoints(endpoint(engine.base_url, features=("chat",)))
    await eventually(lambda: _is_refused(router))


async def _is_refused(router: RunningRouter) -> bool:
    async with send(router, upload()) as response:
        return bool(response.status == 404 and (await response.json())["error"]["code"] == "endpoint_not_served")
