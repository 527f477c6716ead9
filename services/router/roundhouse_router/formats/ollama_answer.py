"""Ollama's answers, errors and lines as OpenAI's."""

import hashlib
from typing import Any, Final

import msgspec

from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.formats.told import ChunkWriter, decoded, embeddings, error_body, usage, whole_answer

__all__ = ["OllamaLines", "as_openai_answer", "as_openai_embeddings", "as_openai_error"]

_NULL: Final = msgspec.Raw(b"null")
_FINISHES: Final = {"length": "length"}


class _Function(msgspec.Struct):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(msgspec.Struct):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct):
    content: str = ""
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct):
    """A whole answer, or a line of a stream."""

    created_at: str = ""
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: msgspec.Raw = _NULL
    error: str | None = None


class _Embeddings(msgspec.Struct):
    embeddings: list[msgspec.Raw]
    prompt_eval_count: int | None = None


class _Error(msgspec.Struct):
    error: str


_line: Final = msgspec.json.Decoder(_Line)
_embeddings: Final = msgspec.json.Decoder(_Embeddings)
_error: Final = msgspec.json.Decoder(_Error)


def as_openai_answer(body: bytes, model: str, operation: Operation, clock: Clock) -> bytes:
    """Return a whole answer as OpenAI has it. Raises UpstreamFailed for what is none."""
    line: _Line = decoded(body, _line, "answer")
    if not line.done or (line.message is None and line.response is None):
        raise UpstreamFailed(line.error or "The provider's answer is not whole.")
    answer_id = _answer_id(body)
    said = _said(line)
    message: dict[str, Any] = {"content": said.content}  # Any: JSON
    if said.thinking:
        message["reasoning_content"] = said.thinking
    if said.tool_calls:
        message["tool_calls"] = [_call(call, answer_id, place) for place, call in enumerate(said.tool_calls)]
    return whole_answer(
        answer_id=answer_id,
        created=int(clock.now()),
        model=model,
        operation=operation,
        message=message,
        finish=_finish(line, has_calls=bool(said.tool_calls)),
        usage=_usage(line),
        logprobs=line.logprobs,
    )


def as_openai_embeddings(body: bytes, model: str) -> bytes:
    """Return vectors as OpenAI has them. Raises UpstreamFailed for what are none."""
    told: _Embeddings = decoded(body, _embeddings, "embeddings")
    return embeddings(model, told.embeddings, told.prompt_eval_count or 0)


def as_openai_error(status: int, body: bytes) -> bytes:
    """Return an error as OpenAI has it, in the provider's words."""
    try:
        message = _error.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = f"The provider answered with status {status} and did not say why."
    is_absent = status == 404 and "model" in message
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return error_body(message, kind=kind, code="model_not_found" if is_absent else None)


class OllamaLines:
    """Takes the lines of one stream, and gives OpenAI's chunks."""

    def __init__(self, model: str, operation: Operation, clock: Clock) -> None:
        self._writer = ChunkWriter(model, operation, clock)
        self._calls = 0
        self._is_over = False

    def take(self, data: bytes) -> bytes:
        """Return the chunks for one line. Raises UpstreamFailed for an error, and for what is no line."""
        if self._is_over or not data.strip():
            return b""
        line: _Line = decoded(data, _line, "stream")
        if line.error is not None:
            raise UpstreamFailed(line.error)
        if not self._writer.id:
            self._writer.id = _answer_id(data)
        made = self._added(line)
        if not line.done:
            return made
        self._is_over = True
        return made + self._writer.ended(_finish(line, has_calls=self._calls > 0), _usage(line))

    def end(self) -> bytes:
        """Return nothing more. Raises UpstreamFailed if no line was the last."""
        if not self._is_over:
            raise UpstreamFailed("The provider's stream ended before its answer did.")
        return b""

    def _added(self, line: _Line) -> bytes:
        said = _said(line)
        delta: dict[str, Any] = {}  # Any: JSON
        if said.thinking:
            delta["reasoning_content"] = said.thinking
        if said.content:
            delta["content"] = said.content
        if said.tool_calls:
            first = self._calls
            self._calls += len(said.tool_calls)
            delta["tool_calls"] = [
                {"index": place, **_call(call, self._writer.id, place)}
                for place, call in enumerate(said.tool_calls, start=first)
            ]
        return self._writer.said(logprobs=line.logprobs, **delta) if delta else b""


def _said(line: _Line) -> _Message:
    return line.message or _Message(content=line.response or "", thinking=line.thinking)


# Any: JSON documents that are only put together here.
def _call(call: _Call, answer_id: str, place: int) -> dict[str, Any]:
    """Return a call. Ollama's need no ids, OpenAI's do, and none may occur twice in a conversation."""
    call_id = call.id or f"call_{answer_id.removeprefix('chatcmpl-')}_{place}"
    function = {"name": call.function.name, "arguments": bytes(call.function.arguments).decode()}
    return {"id": call_id, "type": "function", "function": function}


def _answer_id(data: bytes) -> str:
    """Return an id for the answer that begins so: its time is in there to the nanosecond."""
    return f"chatcmpl-{hashlib.sha256(data).hexdigest()[:24]}"


def _finish(line: _Line, *, has_calls: bool) -> str:
    return "tool_calls" if has_calls else _FINISHES.get(line.done_reason or "", "stop")


def _usage(line: _Line) -> dict[str, Any] | None:
    if line.prompt_eval_count is None and line.eval_count is None:
        return None
    return usage(line.prompt_eval_count or 0, line.eval_count or 0)
