"""Answers of engines and providers that speak Anthropic's API: their figures, and the model's name.

Bytes pass untouched but for the name. Anthropic's input tokens are without those read from and written to a cache.
"""

from typing import Final

import msgspec

from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.members import Members, joined, split
from roundhouse_router.domain.stream import MAX_LINE_BYTES
from roundhouse_router.domain.tokens import NO_TOKENS, TokenCounts

__all__ = ["AnthropicScanner", "read_message"]

_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_DELTA: Final = b'"content_block_delta"'


class _Details(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _Details | None = None


class _Message(msgspec.Struct):
    model: str | None = None
    usage: _Usage | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    usage: _Usage | None = None


_message: Final = msgspec.json.Decoder(_Message)
_event: Final = msgspec.json.Decoder(_Event)


def read_message(body: bytes, requested: str) -> tuple[bytes, TokenCounts | None]:
    """Return a whole answer with `model` as the client asked for it, and the tokens it reports.

    A body that is no such answer is returned as it is.
    """
    try:
        answer = _message.decode(body)
    except _FAULTS:
        return body, None
    counts = _counts(answer.usage, NO_TOKENS) if answer.usage is not None else None
    if answer.model is None or answer.model == requested:
        return body, counts
    return joined({**split(body), "model": msgspec.json.encode(requested)}), counts


class AnthropicScanner:
    """A `NativeScanner`. Lines are held until the first event, which has the model's name, has passed."""

    def __init__(self, requested: str) -> None:
        self.usage: TokenCounts | None = None
        self.is_done = False
        self.has_error = False
        self._requested = requested
        self._known = NO_TOKENS
        self._deltas = 0
        self._has_started = False
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        was_held = not self._has_started
        data = self._tail + chunk if self._tail else chunk
        cut = data.rfind(b"\n") + 1
        lines, self._tail = data[:cut], data[cut:]
        if len(self._tail) > MAX_LINE_BYTES:
            raise UpstreamFailed(f"The engine sent a line of more than {MAX_LINE_BYTES} bytes.")
        seen = self._observed(lines) if lines else b""
        if not was_held:
            return chunk
        if not self._has_started:
            return seen
        # From here on bytes pass as they come: what is held of the next line goes out now.
        return seen + self._tail

    def finish(self) -> bytes:
        tail, self._tail = self._tail, b""
        was_held = not self._has_started
        seen = self._observed(tail) if tail else b""
        if not (self.is_done or self.has_error):
            raise UpstreamFailed("The engine's stream stopped before the answer was at its end.")
        return seen if was_held else b""

    def so_far(self) -> TokenCounts | None:
        if self.usage is not None:
            return self.usage
        if not self._deltas:
            return None
        output = max(self._known.output_tokens, self._deltas)
        return msgspec.structs.replace(self._known, output_tokens=output)

    def _observed(self, lines: bytes) -> bytes:
        self._deltas += lines.count(_DELTA)
        if self._has_started and b'"usage"' not in lines and b"message_stop" not in lines and b"error" not in lines:
            return lines
        return b"".join(self._line(line) for line in lines.splitlines(keepends=True))

    def _line(self, line: bytes) -> bytes:
        if not line.startswith(b"data:") or _DELTA in line[:64]:
            return line
        try:
            event = _event.decode(line[5:])
        except _FAULTS:
            return line
        if event.type == "message_start":
            return self._start(line, event.message or _Message())
        if event.type == "message_delta" and event.usage is not None:
            self._known = self.usage = _counts(event.usage, self._known)
        elif event.type == "message_stop":
            self.is_done = True
        elif event.type == "error":
            self.has_error = True
        return line

    def _start(self, line: bytes, message: _Message) -> bytes:
        self._has_started = True
        if message.usage is not None:
            self._known = _counts(message.usage, NO_TOKENS)
        if message.model is None or message.model == self._requested:
            return line
        members: Members = split(line[5:])
        inner = joined({**split(bytes(members["message"])), "model": msgspec.json.encode(self._requested)})
        return b"data: " + joined({**members, "message": inner}) + line[len(line.rstrip()) :]


def _counts(usage: _Usage, before: TokenCounts) -> TokenCounts:
    """Return the figures; what is not told stays. They are totals, not what was added."""

    def told(value: int | None, known: int) -> int:
        return known if value is None else max(value, 0)

    output = told(usage.output_tokens, before.output_tokens + before.reasoning_tokens)
    thoughts = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else None
    reasoning = min(told(thoughts, before.reasoning_tokens), output)
    return TokenCounts(
        input_tokens=told(usage.input_tokens, before.input_tokens),
        cached_input_tokens=told(usage.cache_read_input_tokens, before.cached_input_tokens),
        cache_write_tokens=told(usage.cache_creation_input_tokens, before.cache_write_tokens),
        output_tokens=output - reasoning,
        reasoning_tokens=reasoning,
    )
