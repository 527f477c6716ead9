"""Answers of engines that speak OpenAI's Responses API: their figures, and the model's name.

Streams pass line by line; only the events that hold the whole response are read.
"""

from typing import Final

import msgspec

from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.members import Members, joined, split
from roundhouse_router.domain.stream import MAX_LINE_BYTES
from roundhouse_router.domain.tokens import CompletionDetails, PromptDetails, TokenCounts, disjoint

__all__ = ["ResponsesScanner", "read_response"]

_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_WHOLE: Final = b'"response"'
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
_FAILS: Final = frozenset({"response.failed", "error"})


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: PromptDetails | None = None
    output_tokens_details: CompletionDetails | None = None


class _Response(msgspec.Struct):
    model: str | None = None
    usage: _Usage | None = None


class _Event(msgspec.Struct):
    type: str = ""
    response: _Response | None = None


_response: Final = msgspec.json.Decoder(_Response)
_event: Final = msgspec.json.Decoder(_Event)


def read_response(body: bytes, requested: str) -> tuple[bytes, TokenCounts | None]:
    """Return a whole answer with `model` as the client asked for it, and the tokens it reports.

    A body that is no such answer is returned as it is.
    """
    try:
        answer = _response.decode(body)
    except _FAULTS:
        return body, None
    counts = _counts(answer.usage) if answer.usage is not None else None
    if answer.model is None or answer.model == requested:
        return body, counts
    return joined({**split(body), "model": msgspec.json.encode(requested)}), counts


class ResponsesScanner:
    """A `NativeScanner`."""

    def __init__(self, requested: str) -> None:
        self.usage: TokenCounts | None = None
        self.is_done = False
        self.has_error = False
        self._requested = requested
        self._deltas = 0
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        data = self._tail + chunk if self._tail else chunk
        cut = data.rfind(b"\n") + 1
        lines, self._tail = data[:cut], data[cut:]
        if len(self._tail) > MAX_LINE_BYTES:
            raise UpstreamFailed(f"The engine sent a line of more than {MAX_LINE_BYTES} bytes.")
        return self._observed(lines)

    def finish(self) -> bytes:
        tail, self._tail = self._tail, b""
        seen = self._observed(tail)
        if not (self.is_done or self.has_error):
            raise UpstreamFailed("The engine's stream stopped before the answer was at its end.")
        return seen

    def so_far(self) -> TokenCounts | None:
        if self.usage is not None:
            return self.usage
        return TokenCounts(output_tokens=self._deltas) if self._deltas else None

    def _observed(self, lines: bytes) -> bytes:
        self._deltas += lines.count(b'.delta"')
        if _WHOLE not in lines and b'"error"' not in lines:
            return lines
        return b"".join(self._line(line) for line in lines.splitlines(keepends=True))

    def _line(self, line: bytes) -> bytes:
        if not line.startswith(b"data:") or (_WHOLE not in line and b'"error"' not in line):
            return line
        try:
            event = _event.decode(line[5:])
        except _FAULTS:
            return line
        self.is_done = self.is_done or event.type in _ENDS
        self.has_error = self.has_error or event.type in _FAILS
        response = event.response
        if response is None:
            return line
        if response.usage is not None:
            self.usage = _counts(response.usage)
        if response.model is None or response.model == self._requested:
            return line
        members: Members = split(line[5:])
        inner = joined({**split(bytes(members["response"])), "model": msgspec.json.encode(self._requested)})
        return b"data: " + joined({**members, "response": inner}) + line[len(line.rstrip()) :]


def _counts(usage: _Usage) -> TokenCounts:
    return disjoint(usage.input_tokens, usage.output_tokens, usage.input_tokens_details, usage.output_tokens_details)
