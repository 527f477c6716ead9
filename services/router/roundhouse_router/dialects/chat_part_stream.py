"""OpenAI's chat stream as parts that begin, grow and end: the frame of the translators into other streams.

Whatever the upstream sends, nothing is raised: what cannot be read ends the stream with an error. Calls of several
tools come one after the other; a stream that mixes them cannot be told in blocks, and is an error too.
"""

import abc
from typing import Final

import msgspec

from roundhouse_router.dialects.chat_parts import Ending, Part, PartKind, Reason, identifier, reason_of
from roundhouse_router.domain.chat_wire import Answer, Said, ToolCall, error_message, read_chunk
from roundhouse_router.domain.errors import ApiError, UpstreamFailed
from roundhouse_router.domain.event_lines import Event, EventSplitter
from roundhouse_router.domain.tokens import NO_TOKENS, TokenCounts

__all__ = ["PartStream"]

_DONE: Final = b"[DONE]"
_NULL: Final = b"null"


class PartStream(abc.ABC):
    """One stream. Subclasses say what each step looks like in their API, by appending bytes to `_out`."""

    def __init__(self) -> None:
        self.has_error = False
        """The stream ended with an error event."""
        self._out: list[bytes] = []
        self._ident = ""
        self._created = 0
        self._counts: TokenCounts | None = None
        self._events = EventSplitter()
        self._has_begun = False
        self._is_over = False
        self._reason: Reason | None = None
        self._stop: str | None = None
        self._parts = 0
        self._part: Part | None = None
        """The part that is open."""
        self._call: Part | None = None
        """The last tool call, open or not; without a place while its name has not come."""
        self._call_index = 0
        self._calls: dict[int, str] = {}
        """Ids of tool calls by the upstream's index of them."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what may go out now."""
        if not self._is_over:
            try:
                for event in self._events.feed(chunk):
                    self._take(event)
            except UpstreamFailed as error:
                self._fail(error)
        return self._flushed()

    def finish(self) -> bytes:
        """Return the end. A stream that stops before it said why it ended, ends with an error."""
        if not self._is_over:
            try:
                for event in self._events.finish():
                    self._take(event)
                if not self._is_over and self._reason is None:
                    raise UpstreamFailed("The engine's stream stopped before the answer was at its end.")
                self._end()
            except UpstreamFailed as error:
                self._fail(error)
        return self._flushed()

    def fail(self, error: ApiError) -> bytes:
        """Return the end of a stream that fails for reasons of the router or the connection."""
        self._fail(error)
        return self._flushed()

    @abc.abstractmethod
    def _begin(self) -> None:
        """Before the first part, or the end. `_ident` is known, `_counts` perhaps."""

    @abc.abstractmethod
    def _started(self, part: Part) -> None: ...

    @abc.abstractmethod
    def _grew(self, part: Part, text: str, logprobs: msgspec.Raw) -> None:
        """More of the part; never an empty text."""

    @abc.abstractmethod
    def _stopped(self, part: Part) -> None: ...

    @abc.abstractmethod
    def _ended(self, ending: Ending) -> None: ...

    @abc.abstractmethod
    def _failed(self, error: ApiError) -> None: ...

    def _flushed(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _fail(self, error: ApiError) -> None:
        if not self._is_over:
            self._is_over = self.has_error = True
            self._failed(error)

    def _take(self, event: Event) -> None:
        if self._is_over:
            return
        if event.data == _DONE:
            self._end()
            return
        if event.name == b"error":
            raise UpstreamFailed(error_message(event.data))
        answer = read_chunk(event.data)
        if answer.error is not None and bytes(answer.error) != _NULL:
            raise UpstreamFailed(error_message(bytes(answer.error)))
        if not self._ident:
            self._ident = identifier(answer, event.data)
            self._created = int(answer.created)
        self._take_chunk(answer)

    def _take_chunk(self, answer: Answer) -> None:
        self._counts = answer.counts or _timed(answer) or self._counts
        for choice in answer.choices:
            if choice.index != 0:
                continue
            if choice.delta is not None:
                self._take_delta(choice.delta, choice.logprobs)
            if choice.finish_reason is not None:
                self._reason = reason_of(choice, has_calls=bool(self._calls))
                self._stop = choice.stop_text

    def _take_delta(self, said: Said, logprobs: msgspec.Raw) -> None:
        if said.thought:
            self._add(PartKind.THOUGHT, said.thought, logprobs)
        if said.content:
            self._add(PartKind.TEXT, said.content, logprobs)
        if said.refusal:
            self._add(PartKind.REFUSAL, said.refusal, logprobs)
        for call in said.tool_calls or ():
            self._take_call(call, logprobs)

    def _add(self, kind: PartKind, text: str, logprobs: msgspec.Raw) -> None:
        if self._part is None or self._part.kind is not kind:
            self._open(Part(kind, self._parts))
        self._grow(text, logprobs)

    def _take_call(self, call: ToolCall, logprobs: msgspec.Raw) -> None:
        index = self._call_index if call.index is None else call.index
        name = (call.function.name if call.function else None) or ""
        arguments = (call.function.arguments if call.function else None) or ""
        current = self._call
        if current is None or self._is_new(index, call.id, name, current):
            self._close()
            number = len(self._calls)
            self._calls[index], self._call_index = call.id or self._calls.get(index, ""), index
            current = self._call = Part(PartKind.CALL, -1, id=call.id or f"call_{self._ident}_{number}")
        elif index != self._call_index or (current.index >= 0 and current is not self._part):
            if arguments:
                raise UpstreamFailed("The engine's stream mixes the arguments of several tool calls.")
            return
        if current.index >= 0:
            if arguments:
                self._grow(arguments, logprobs)
            return
        current.pieces.append(arguments)
        if name:
            self._open_call(current, name, logprobs)

    def _is_new(self, index: int, told_id: str | None, name: str, current: Part) -> bool:
        """Whether a piece begins another call: by its index, by its id (some give every call index 0), or by its name
        where there are no ids."""
        if index not in self._calls:
            return True
        if told_id:
            return told_id not in self._calls.values()
        return index == self._call_index and bool(name) and bool(current.name) and name != current.name

    def _open_call(self, call: Part, name: str, logprobs: msgspec.Raw) -> None:
        held = call.text
        call.name, call.index = name, self._parts
        call.pieces.clear()
        self._open(call)
        if held:
            self._grow(held, logprobs)

    def _open(self, part: Part) -> None:
        self._close()
        self._begin_once()
        self._part = part
        self._parts += 1
        self._started(part)

    def _grow(self, text: str, logprobs: msgspec.Raw) -> None:
        if self._part is not None:
            self._part.pieces.append(text)
            self._grew(self._part, text, logprobs)

    def _close(self) -> None:
        if self._call is not None and self._call.index < 0:
            raise UpstreamFailed("The engine's stream has a tool call without a name.")
        if self._part is not None:
            part, self._part = self._part, None
            self._stopped(part)

    def _begin_once(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._begin()

    def _end(self) -> None:
        if self._is_over:
            return
        if not self._ident:
            raise UpstreamFailed("The engine's stream ended without an answer.")
        self._close()
        self._begin_once()
        self._is_over = True
        reason = self._reason or (Reason.CALLS if self._calls else Reason.STOP)
        self._ended(Ending(reason, self._stop, self._counts or NO_TOKENS))


def _timed(answer: Answer) -> TokenCounts | None:
    """Return what llama.cpp tells with each chunk, if it was asked to."""
    timings = answer.timings
    if timings is None:
        return None
    return TokenCounts(
        input_tokens=timings.prompt_n, cached_input_tokens=timings.cache_n, output_tokens=timings.predicted_n
    )
