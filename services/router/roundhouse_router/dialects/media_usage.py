"""What is counted of images, speech and transcriptions: tokens where an answer tells them, milliseconds, images."""

import enum
import struct
from dataclasses import dataclass
from typing import Final

import msgspec

from roundhouse_router.domain.tokens import CompletionDetails, PromptDetails, TokenCounts, disjoint

__all__ = ["MediaCounts", "MediaEvents", "counts_of_answer", "wav_ms"]

_MAX_EVENT_BYTES: Final = 64 * 1024 * 1024
"""An event may hold a whole image."""
_RIFF: Final = struct.Struct("<4sI4s")
_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHII")
_UNKNOWN_SIZES: Final = (0, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class MediaCounts:
    """What an answer told; 0 and None: nothing."""

    tokens: TokenCounts | None = None
    audio_ms: int = 0
    images: int = 0


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens_details: PromptDetails | None = None
    input_token_details: PromptDetails | None = None
    """As transcriptions spell it."""
    output_tokens_details: CompletionDetails | None = None
    output_token_details: CompletionDetails | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    seconds: float | None = None


class _Made(enum.Enum):
    """What an answer was, where its usage does not tell what its output tokens are of: all of one kind, then."""

    TEXT = enum.auto()
    SOUND = enum.auto()
    IMAGES = enum.auto()


_MADE_BY: Final = {
    "image_generation.completed": _Made.IMAGES,
    "image_edit.completed": _Made.IMAGES,
    "speech.audio.done": _Made.SOUND,
}


class _Answer(msgspec.Struct):
    usage: _Usage | None = None
    duration: float | str | None = None
    data: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str = ""
    usage: _Usage | None = None


_answer: Final = msgspec.json.Decoder(_Answer)
_event: Final = msgspec.json.Decoder(_Event)


def counts_of_answer(body: bytes) -> MediaCounts:
    """Return what a whole JSON answer tells. Anything else tells nothing: text and subtitles have no figures."""
    try:
        answer = _answer.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return MediaCounts()
    seconds = answer.usage.seconds if answer.usage is not None else None
    if seconds is None:
        seconds = _seconds(answer.duration)
    made = _Made.IMAGES if answer.data else _Made.TEXT
    return MediaCounts(_tokens(answer.usage, made), _ms(seconds), len(answer.data or ()))


class MediaEvents:
    """Watches a stream of server-sent events pass, for the figures in its last one (`transcript.text.done`,
    `speech.audio.done`, `image_generation.completed`). Chunk boundaries mean nothing."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        """Of the line that has no end yet; an image is many of them."""
        self._held_bytes = 0
        self.counts = MediaCounts()
        self.has_error = False

    def feed(self, chunk: bytes) -> None:
        """Look at the lines that are whole now."""
        self._parts.append(chunk)
        self._held_bytes += len(chunk)
        if b"\n" not in chunk:
            if self._held_bytes > _MAX_EVENT_BYTES:
                self._parts, self._held_bytes = [], 0
            return
        *lines, tail = b"".join(self._parts).split(b"\n")
        self._parts, self._held_bytes = [tail], len(tail)
        for line in lines:
            self._look(line)

    def finish(self) -> None:
        """Look at a last line without an end."""
        self._look(b"".join(self._parts))
        self._parts, self._held_bytes = [], 0

    def _look(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        if b'"error"' in line[:200]:
            self.has_error = self.has_error or line[5:].lstrip().startswith((b'{"error"', b'{"type":"error"'))
        is_image = b".completed" in line[:200] and b"image" in line[:200]
        if b'"usage"' not in line and not is_image:
            return
        try:
            event = _event.decode(line[5:])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        before = self.counts
        seconds = event.usage.seconds if event.usage is not None else None
        made = _MADE_BY.get(event.type, _Made.TEXT)
        self.counts = MediaCounts(
            _tokens(event.usage, made) or before.tokens,
            _ms(seconds) or before.audio_ms,
            before.images + (made is _Made.IMAGES),
        )


def wav_ms(head: bytes, size: int) -> int:
    """Return how long the sound of a WAV file of `size` bytes is, from its first bytes; 0 if that cannot be told."""
    if len(head) < _RIFF.size:
        return 0
    riff, _, wave = _RIFF.unpack_from(head)
    if riff != b"RIFF" or wave != b"WAVE":
        return 0
    at, bytes_per_second = _RIFF.size, 0
    while at + _CHUNK.size <= len(head):
        kind, length = _CHUNK.unpack_from(head, at)
        at += _CHUNK.size
        if kind == b"fmt " and at + _FORMAT.size <= len(head):
            bytes_per_second = _FORMAT.unpack_from(head, at)[3]
        elif kind == b"data":
            there = max(size - at, 0)
            sound = there if length in _UNKNOWN_SIZES else min(length, there)
            return sound * 1000 // bytes_per_second if bytes_per_second else 0
        at += length + length % 2
    return 0


def _tokens(usage: _Usage | None, kind: _Made) -> TokenCounts | None:
    if usage is None:
        return None
    given = usage.input_tokens if usage.input_tokens is not None else usage.prompt_tokens
    made = usage.output_tokens if usage.output_tokens is not None else usage.completion_tokens
    if given is None and made is None:
        return None
    inside = usage.input_tokens_details or usage.input_token_details or usage.prompt_tokens_details
    made_of = usage.output_tokens_details or usage.output_token_details or usage.completion_tokens_details
    if made_of is None and kind is not _Made.TEXT:
        made_of = CompletionDetails(audio_tokens=made) if kind is _Made.SOUND else CompletionDetails(image_tokens=made)
    return disjoint(given, made, inside, made_of)


def _seconds(duration: float | str | None) -> float | None:
    """`verbose_json` has the length of the sound, some engines as a string."""
    if not isinstance(duration, str):
        return duration
    try:
        return float(duration)
    except ValueError:
        return None


def _ms(seconds: float | None) -> int:
    return round(seconds * 1000) if seconds is not None and 0 < seconds < 1e7 else 0
