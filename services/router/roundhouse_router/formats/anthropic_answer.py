"""Anthropic's answers, errors and streams as OpenAI's."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.event_lines import Event
from roundhouse_router.formats.told import ChunkWriter, decoded, error_body, usage, whole_answer

__all__ = ["AnthropicStream", "as_openai_error", "as_openai_message"]

_FINISHES: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_KINDS: Final = {
    "rate_limit_error": ("rate_limit_error", "rate_limit_exceeded"),
    "billing_error": ("insufficient_quota", "insufficient_quota"),
    "authentication_error": ("invalid_request_error", "invalid_api_key"),
    "permission_error": ("invalid_request_error", "permission_denied"),
    "not_found_error": ("invalid_request_error", "model_not_found"),
    "overloaded_error": ("server_error", "overloaded"),
    "api_error": ("server_error", "upstream_error"),
    "timeout_error": ("server_error", "upstream_timeout"),
}
"""OpenAI's type and code for Anthropic's type of an error."""
_TOO_LONG: Final = ("prompt is too long", "exceed context limit", "context window")
_POLICY: Final = ("content filtering policy",)


class _Block(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    partial_json: str = ""


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Message(msgspec.Struct):
    id: str = ""
    content: list[_Block] = []
    stop_reason: str | None = None
    usage: _Usage = msgspec.field(default_factory=_Usage)


class _Whole(_Message):
    type: str = ""


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Failure(msgspec.Struct):
    error: _Error


class _Delta(_Block):
    stop_reason: str | None = None


class _StreamEvent(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: _Error | None = None


_whole: Final = msgspec.json.Decoder(_Whole)
_failure: Final = msgspec.json.Decoder(_Failure)
_event: Final = msgspec.json.Decoder(_StreamEvent)


def as_openai_message(body: bytes, model: str, clock: Clock) -> bytes:
    """Return an answer as OpenAI has it. Raises UpstreamFailed for what is none."""
    answer: _Whole = decoded(body, _whole, "answer")
    if answer.type != "message":
        raise UpstreamFailed(f"The provider answered with a {answer.type or 'thing without a type'}, not a message.")
    return whole_answer(
        answer_id=answer.id,
        created=int(clock.now()),
        model=model,
        operation=Operation.CHAT,
        message=_message(answer.content),
        finish=_finish(answer.stop_reason),
        usage=_openai_usage(answer.usage),
    )


def as_openai_error(status: int, body: bytes) -> bytes:
    """Return an error as OpenAI has it, in the provider's words."""
    try:
        told = _failure.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return error_body(f"The provider answered with status {status} and did not say why.", kind=kind)
    kind, code = _KINDS.get(told.type, ("invalid_request_error" if status < 500 else "server_error", None))
    return error_body(told.message, kind=kind, code=_code_of(told.message) or code)


class AnthropicStream:
    """Takes the events of one stream, and gives OpenAI's chunks."""

    def __init__(self, model: str, clock: Clock) -> None:
        self._writer = ChunkWriter(model, Operation.CHAT, clock)
        self._usage = _Usage()
        self._tools: dict[int, int] = {}
        """By the place of a block: the number of its call."""
        self._silent_tools: set[int] = set()
        """Blocks that have said nothing of their input yet."""
        self._stop_reason: str | None = None
        self._is_over = False

    def take(self, event: Event) -> bytes:
        """Return the chunks for one event. Raises UpstreamFailed for an error, and for what is no event."""
        if self._is_over:
            return b""
        told: _StreamEvent = decoded(event.data, _event, "stream")
        match told.type:
            case "message_start":
                return self._begun(told.message or _Message())
            case "content_block_start":
                return self._block_begun(told.index, told.content_block or _Block())
            case "content_block_delta":
                return self._added(told.index, told.delta or _Delta())
            case "content_block_stop":
                return self._block_ended(told.index)
            case "message_delta":
                self._stop_reason = (told.delta.stop_reason if told.delta else None) or self._stop_reason
                self._learn(told.usage)
                return b""
            case "message_stop":
                return self.end()
            case "error":
                error = told.error or _Error(message="The provider's stream ended with an error.")
                raise UpstreamFailed(error.message, code=_KINDS.get(error.type, ("", ""))[1])
        return b""  # a ping, or what came into the API later

    def end(self) -> bytes:
        """Return the end. Raises UpstreamFailed if the provider did not say why it ended."""
        if self._is_over:
            return b""
        if self._stop_reason is None:
            raise UpstreamFailed("The provider's stream ended before its answer did.")
        self._is_over = True
        return self._writer.ended(_finish(self._stop_reason), _openai_usage(self._usage))

    def _begun(self, message: _Message) -> bytes:
        self._writer.id = message.id
        self._learn(message.usage)
        return self._writer.said(content="")

    def _block_begun(self, index: int, block: _Block) -> bytes:
        if block.type == "text":
            return self._writer.said(content=block.text) if block.text else b""
        if block.type == "thinking":
            return self._writer.said(reasoning_content=block.thinking) if block.thinking else b""
        if block.type != "tool_use":
            return b""
        number = self._tools[index] = len(self._tools)
        self._silent_tools.add(index)
        call = {"index": number, "id": block.id, "type": "function", "function": {"name": block.name, "arguments": ""}}
        begun = self._writer.said(tool_calls=[call])
        given = bytes(block.input)
        return begun if given in (b"{}", b"null") else begun + self._argued(index, given.decode())

    def _added(self, index: int, delta: _Delta) -> bytes:
        if delta.type == "text_delta" and delta.text:
            return self._writer.said(content=delta.text)
        if delta.type == "thinking_delta" and delta.thinking:
            return self._writer.said(reasoning_content=delta.thinking)
        if delta.type == "input_json_delta" and delta.partial_json and index in self._tools:
            return self._argued(index, delta.partial_json)
        return b""

    def _block_ended(self, index: int) -> bytes:
        return self._argued(index, "{}") if index in self._silent_tools else b""

    def _argued(self, index: int, arguments: str) -> bytes:
        self._silent_tools.discard(index)
        return self._writer.said(tool_calls=[{"index": self._tools[index], "function": {"arguments": arguments}}])

    def _learn(self, told: _Usage | None) -> None:
        """Figures grow: of each the last one that was told counts."""
        if told is None:
            return
        for name in _Usage.__struct_fields__:
            value = getattr(told, name)
            if value is not None:
                setattr(self._usage, name, value)


# Any: JSON documents that are only put together here.
def _message(content: Iterable[_Block]) -> dict[str, Any]:
    blocks = list(content)
    text = "".join(block.text for block in blocks if block.type == "text")
    thought = "".join(block.thinking for block in blocks if block.type == "thinking")
    calls = [
        {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": bytes(block.input).decode()}}
        for block in blocks
        if block.type == "tool_use"
    ]
    made: dict[str, Any] = {"content": text or (None if calls else "")}
    if thought:
        made["reasoning_content"] = thought
    if calls:
        made["tool_calls"] = calls
    return made


def _openai_usage(told: _Usage) -> dict[str, Any]:
    """Return the figures: Anthropic's input is what was neither read from the cache nor written to it."""
    read, written = told.cache_read_input_tokens or 0, told.cache_creation_input_tokens or 0
    details = told.output_tokens_details
    return usage(
        (told.input_tokens or 0) + read + written,
        told.output_tokens or 0,
        cached=read,
        cache_write=written,
        reasoning=details.thinking_tokens if details else None,
    )


def _finish(stop_reason: str | None) -> str:
    return _FINISHES.get(stop_reason or "", "stop")


def _code_of(message: str) -> str | None:
    """Return OpenAI's code for what Anthropic has words for only: fallbacks go by it."""
    words = message.lower()
    if any(mark in words for mark in _TOO_LONG):
        return "context_length_exceeded"
    return "content_policy_violation" if any(mark in words for mark in _POLICY) else None
