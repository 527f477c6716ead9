"""What is counted of images, speech and transcriptions."""

import io
import json
import struct
import wave
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.dialects.media_usage import MediaCounts, MediaEvents, counts_of_answer, wav_ms
from roundhouse_router.domain.tokens import TokenCounts

pytestmark = pytest.mark.contract("D11")

TOKENS = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}
COUNTS = TokenCounts(input_tokens=14, output_tokens=45)
IMAGE_COUNTS = TokenCounts(input_tokens=14, output_image_tokens=45)


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ({"text": "a", "usage": TOKENS}, MediaCounts(COUNTS)),
        ({"text": "a", "usage": {"type": "duration", "seconds": 9}}, MediaCounts(audio_ms=9000)),
        ({"task": "transcribe", "duration": 8.47, "text": "a"}, MediaCounts(audio_ms=8470)),
        ({"duration": "8.47"}, MediaCounts(audio_ms=8470)),
        ({"duration": "x"}, MediaCounts()),
        ({"duration": -1}, MediaCounts()),
        ({"data": [{"b64_json": "x"}, {"url": "y"}], "usage": TOKENS}, MediaCounts(IMAGE_COUNTS, images=2)),
        ({"data": [{"url": "y"}]}, MediaCounts(images=1)),
        (
            {"usage": {"prompt_tokens": 3, "completion_tokens": 1}},
            MediaCounts(TokenCounts(input_tokens=3, output_tokens=1)),
        ),
        ({"usage": None}, MediaCounts()),
        ([], MediaCounts()),
    ],
)
def test_figures_of_whole_answers(answer: Any, counts: MediaCounts) -> None:
    assert counts_of_answer(json.dumps(answer).encode()) == counts


def test_text_and_subtitles_have_no_figures() -> None:
    assert counts_of_answer(b"Hello there.\n") == MediaCounts()
    assert counts_of_answer(b"1\n00:00:00,000 --> 00:00:01,000\nHello\n") == MediaCounts()


def events(*documents: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)


@given(st.lists(st.integers(1, 30), max_size=30))
def test_figures_of_streams_whatever_the_pieces(sizes: list[int]) -> None:
    body = events(
        {"type": "transcript.text.delta", "delta": "usage"},
        {"type": "transcript.text.done", "text": "a", "usage": TOKENS},
    )
    reader, at = MediaEvents(), 0
    for size in sizes:
        reader.feed(body[at : at + size])
        at += size
    reader.feed(body[at:])
    reader.finish()
    assert reader.counts == MediaCounts(COUNTS)
    assert not reader.has_error


def test_images_of_streams_are_counted() -> None:
    reader = MediaEvents()
    reader.feed(
        events(
            {"type": "image_generation.partial_image", "b64_json": "x"},
            {"type": "image_generation.completed", "b64_json": "x", "usage": TOKENS},
        )
    )
    assert reader.counts == MediaCounts(IMAGE_COUNTS, images=1)


def test_an_error_in_a_stream_is_seen() -> None:
    reader = MediaEvents()
    reader.feed(events({"error": {"message": "out of memory"}}))
    assert reader.has_error


def made(seconds: float, rate: int = 16_000, channels: int = 2) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(b"\0" * int(seconds * rate) * 2 * channels)
    return buffer.getvalue()


@pytest.mark.parametrize("seconds", [0.0, 0.25, 3.0])
def test_the_length_of_a_wav_file(seconds: float) -> None:
    data = made(seconds)
    assert wav_ms(data[:4096], len(data)) == seconds * 1000


def test_a_recorder_that_did_not_know_the_size_left_it_open() -> None:
    data = made(1.0)
    at = data.index(b"data") + 4
    for size in (0, 0xFFFFFFFF):
        assert wav_ms(data[:at] + struct.pack("<I", size), len(data)) == 1000


def test_other_chunks_before_the_sound_are_skipped() -> None:
    data = made(1.0)
    at = data.index(b"data")
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    changed = data[:at] + odd + data[at:]
    assert wav_ms(changed[:4096], len(changed)) == 1000


@given(st.binary(max_size=200), st.integers(0, 2**40))
def test_what_is_no_wav_file_has_no_known_length(data: bytes, size: int) -> None:
    assert wav_ms(data, size) == 0
    assert wav_ms(b"RIFF\0\0\0\0WAVE" + data, size) >= 0
