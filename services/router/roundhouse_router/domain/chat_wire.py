"""OpenAI's answers to chat and completions, whole and as chunks: what translators read of them."""

from typing import Any, Final

import msgspec

from roundhouse_router.domain.engines import LlamaTimings
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.tokens import TokenCounts, Usage, from_usage

__all__ = [
    "Answer",
    "Choice",
    "FunctionCall",
    "Said",
    "Timings",
    "ToolCall",
    "error_message",
    "error_words",
    "read_chunk",
    "read_whole",
]

_NULL: Final = msgspec.Raw(b"null")


class FunctionCall(msgspec.Struct):
    name: str | None = None
    arguments: Any = None  # Any: some engines send the object itself; it is text once it is here
    """JSON text or None; in a stream a piece of it."""

    def __post_init__(self) -> None:
        if self.arguments is not None and not isinstance(self.arguments, str):
            self.arguments = msgspec.json.encode(self.arguments).decode()


class ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: FunctionCall | None = None


class Said(msgspec.Struct):
    """A message, or what a chunk adds to it."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    """Another name for the same; engines have one of the two."""
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None

    @property
    def thought(self) -> str:
        return self.reasoning_content or self.reasoning or ""


class Choice(msgspec.Struct):
    index: int = 0
    message: Said | None = None
    delta: Said | None = None
    text: str | None = None
    """Of completions, instead of a message."""
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _NULL
    stop_reason: Any = None  # Any: vLLM has a text, the number of a token, or null
    """What ended the answer, if it was not the model's own end."""
    matched_stop: Any = None  # Any: SGLang's name for it, with a list of numbers too

    @property
    def stop_text(self) -> str | None:
        """The stop sequence that was met, where the engine tells."""
        told = (self.stop_reason, self.matched_stop)
        return next((one for one in told if isinstance(one, str) and one), None)


class Timings(LlamaTimings):
    """llama.cpp's own measurement, in milliseconds."""

    prompt_ms: float = 0.0
    predicted_ms: float = 0.0


class Answer(msgspec.Struct):
    """A whole answer or a chunk."""

    id: str = ""
    created: float = 0
    model: str = ""
    choices: list[Choice] = []
    usage: Usage | None = None
    timings: Timings | None = None
    error: msgspec.Raw = _NULL

    @property
    def fault(self) -> bytes:
        """The error in place of an answer, as JSON; empty: there is none."""
        told = bytes(self.error)
        return b"" if told == b"null" else told

    @property
    def counts(self) -> TokenCounts | None:
        return from_usage(self.usage) if self.usage is not None else None


class _Error(msgspec.Struct):
    message: str | None = None


class _Wrapped(msgspec.Struct):
    error: msgspec.Raw


_wrapped: Final = msgspec.json.Decoder(_Wrapped)
_answer: Final = msgspec.json.Decoder(Answer)
_error: Final = msgspec.json.Decoder(_Error)
_text: Final = msgspec.json.Decoder(str)
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_whole(body: bytes) -> Answer:
    """Return the answer in a body. Raises UpstreamFailed if it is none."""
    try:
        return _answer.decode(body)
    except _FAULTS as error:
        raise UpstreamFailed(f"The engine's answer could not be read: {error}.") from None


def read_chunk(data: bytes) -> Answer:
    """Return the chunk in an event's data. Raises UpstreamFailed if it is none."""
    try:
        return _answer.decode(data)
    except _FAULTS as error:
        raise UpstreamFailed(f"A chunk of the engine's stream could not be read: {error}.") from None


def error_words(body: bytes) -> str:
    """Return the words of an upstream's error, which is in OpenAI's shape or in none."""
    try:
        return error_message(bytes(_wrapped.decode(body).error))
    except _FAULTS:
        return error_message(body)


def error_message(told: bytes) -> str:
    """Return the words of an error: of `{"message": ...}`, of a JSON string, or of anything else as it is."""
    try:
        message = _error.decode(told).message
        if message:
            return message
    except _FAULTS:
        pass
    try:
        return _text.decode(told)
    except _FAULTS:
        return told.decode("utf-8", "replace")[:2000]
