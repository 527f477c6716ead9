"""OpenAI's chat stream as Anthropic's events.

Usage is complete in `message_delta`, where clients take it from. `message_start` has what is known by then: nothing,
of engines that count at the end.
"""

from typing import Final

import msgspec

from roundhouse_router.dialects.anthropic_answer import SIGNATURE, STOP_REASONS, start_of, usage_of
from roundhouse_router.dialects.anthropic_errors import error_event
from roundhouse_router.dialects.chat_messages import Document
from roundhouse_router.dialects.chat_part_stream import PartStream
from roundhouse_router.dialects.chat_parts import Ending, Part, PartKind, Reason
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.tokens import NO_TOKENS

__all__ = ["AnthropicStream"]

_encode: Final = msgspec.json.encode
_PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
_DELTAS: Final = {
    PartKind.TEXT: b'"text_delta","text":',
    PartKind.REFUSAL: b'"text_delta","text":',
    PartKind.THOUGHT: b'"thinking_delta","thinking":',
    PartKind.CALL: b'"input_json_delta","partial_json":',
}


class AnthropicStream(PartStream):
    """One stream."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self._model = model

    def _begin(self) -> None:
        started = start_of(self._ident, self._model, self._counts or NO_TOKENS)
        self._say("message_start", {"message": started})
        self._out.append(_PING)

    def _started(self, part: Part) -> None:
        self._say("content_block_start", {"index": part.index, "content_block": _empty(part)})

    def _grew(self, part: Part, text: str, logprobs: msgspec.Raw) -> None:
        part.pieces.clear()  # nothing asks for the whole of it
        self._delta(part.index, _DELTAS[part.kind] + _encode(text))

    def _stopped(self, part: Part) -> None:
        if part.kind is PartKind.THOUGHT:
            self._delta(part.index, b'"signature_delta","signature":' + _encode(SIGNATURE))
        self._say("content_block_stop", {"index": part.index})

    def _ended(self, ending: Ending) -> None:
        stopped = ending.stop is not None and ending.reason is Reason.STOP
        delta = {
            "stop_reason": "stop_sequence" if stopped else STOP_REASONS[ending.reason],
            "stop_sequence": ending.stop if stopped else None,
        }
        self._say("message_delta", {"delta": delta, "usage": usage_of(ending.counts)})
        self._say("message_stop", {})

    def _failed(self, error: ApiError) -> None:
        self._out.append(error_event(error))

    def _delta(self, index: int, delta: bytes) -> None:
        head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
        self._out.append(head % index + delta + b"}}\n\n")

    def _say(self, name: str, members: Document) -> None:
        self._out.append(b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **members})))


def _empty(part: Part) -> Document:
    if part.kind is PartKind.CALL:
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
    if part.kind is PartKind.THOUGHT:
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}
