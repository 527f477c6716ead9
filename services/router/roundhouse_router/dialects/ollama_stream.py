"""OpenAI's stream as Ollama's: one JSON object a line, the last with `done` and the figures."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from roundhouse_common.runtime import Clock
from roundhouse_router.dialects.ollama_answers import (
    Spans,
    as_time,
    done_reason,
    figures,
    log_probabilities,
    tool_calls,
)
from roundhouse_router.domain.chat_wire import (
    Answer,
    Choice,
    FunctionCall,
    Timings,
    ToolCall,
    error_message,
    read_chunk,
)
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.event_lines import Event
from roundhouse_router.domain.tokens import TokenCounts

__all__ = ["OllamaStream", "Said", "chat_said", "generate_said"]

# Any: members of a JSON document that is only put together here.
Said = Callable[[str, str, list[dict[str, Any]]], dict[str, Any]]
"""What was said (text, thinking, calls of tools) as the members of a line."""

_DONE: Final = b"[DONE]"


def chat_said(text: str, thinking: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a message, as `/api/chat` has it."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


def generate_said(text: str, thinking: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a response, as `/api/generate` has it; there are no tools."""
    return {"response": text, **({"thinking": thinking} if thinking else {})}


class OllamaStream:
    """Takes the events of OpenAI's stream one by one. Not told: that a stream began, comments, other choices."""

    def __init__(self, said: Said, model: str, received: float, clock: Clock) -> None:
        self._said = said
        self._model = model
        self._received = received
        self._clock = clock
        self._first: float | None = None
        self._calls: dict[int, ToolCall] = {}
        self._finish_reason: str | None = None
        self._counts: TokenCounts | None = None
        self._timings: Timings | None = None
        self._is_over = False

    def take(self, event: Event) -> bytes:
        """Return the lines for one event. Raises UpstreamFailed for an error, and for what is no chunk."""
        if self._is_over:
            return b""
        if event.data.strip() == _DONE:
            return self.end()
        if event.name == b"error":
            raise UpstreamFailed(error_message(event.data))
        chunk = read_chunk(event.data)
        if chunk.fault:
            raise UpstreamFailed(error_message(chunk.fault))
        return self._taken(chunk)

    def end(self) -> bytes:
        """Return the last line. Raises UpstreamFailed if the model had not ended."""
        if self._is_over:
            return b""
        if self._finish_reason is None:
            raise UpstreamFailed("The engine's stream ended before its answer did.")
        self._is_over = True
        now = self._clock.monotonic()
        first_s = self._first - self._received if self._first is not None else 0.0
        spans = Spans(total_s=now - self._received, first_s=first_s)
        last = {"done": True, "done_reason": done_reason(self._finish_reason)}
        return self._line("", "", [], {**last, **figures(self._counts, self._timings, spans)})

    def _taken(self, chunk: Answer) -> bytes:
        self._counts = chunk.counts or self._counts
        self._timings = chunk.timings or self._timings
        choice = next((choice for choice in chunk.choices if choice.index == 0), None)
        if choice is None:
            return b""
        delta = choice.delta
        text = (delta.content or delta.refusal or "") if delta else choice.text or ""
        thinking = delta.thought if delta else ""
        for call in (delta.tool_calls or ()) if delta else ():
            self._collect(call)
        self._finish_reason = choice.finish_reason or self._finish_reason
        calls = self._finished_calls() if choice.finish_reason else []
        if not (text or thinking or calls):
            return b""
        if self._first is None:
            self._first = self._clock.monotonic()
        return self._line(text, thinking, calls, {"done": False, **_told(choice)})

    def _collect(self, call: ToolCall) -> None:
        """Put the pieces of a call together: Ollama's clients get it whole."""
        if self._first is None:
            self._first = self._clock.monotonic()
        place = len(self._calls) if call.index is None else call.index
        known = self._calls.setdefault(place, ToolCall(function=FunctionCall(arguments="")))
        known.id = call.id or known.id
        if call.function is None or known.function is None:
            return
        known.function.name = call.function.name or known.function.name
        known.function.arguments = (known.function.arguments or "") + (call.function.arguments or "")

    def _finished_calls(self) -> list[dict[str, Any]]:
        calls = [self._calls[place] for place in sorted(self._calls)]
        self._calls = {}
        return tool_calls(calls, is_cut=self._finish_reason == "length")

    def _line(self, text: str, thinking: str, calls: list[dict[str, Any]], rest: dict[str, Any]) -> bytes:
        head = {"model": self._model, "created_at": as_time(self._clock.now())}
        return msgspec.json.encode({**head, **self._said(text, thinking, calls), **rest}) + b"\n"


def _told(choice: Choice) -> dict[str, Any]:
    return log_probabilities(choice.logprobs)
