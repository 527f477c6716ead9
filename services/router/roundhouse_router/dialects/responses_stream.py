"""OpenAI's chat stream as the events of its Responses API, each with its number."""

from typing import Final

import msgspec

from roundhouse_router.dialects.chat_messages import Document
from roundhouse_router.dialects.chat_part_stream import PartStream
from roundhouse_router.dialects.chat_parts import NO_LOGPROBS, Ending, Part, PartKind
from roundhouse_router.dialects.responses_answer import (
    IN_PROGRESS,
    content_of,
    frame,
    item,
    item_status,
    logprobs_of,
    settled,
)
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.request import ParsedRequest

__all__ = ["ResponsesStream", "error_event"]

_encode: Final = msgspec.json.encode
_GROWS: Final = {
    PartKind.TEXT: "response.output_text",
    PartKind.THOUGHT: "response.reasoning_text",
    PartKind.REFUSAL: "response.refusal",
    PartKind.CALL: "response.function_call_arguments",
}
_WHOLE: Final = {
    PartKind.TEXT: "text",
    PartKind.THOUGHT: "text",
    PartKind.REFUSAL: "refusal",
    PartKind.CALL: "arguments",
}


class ResponsesStream(PartStream):
    """One stream."""

    def __init__(self, request: ParsedRequest) -> None:
        super().__init__()
        self._request = request
        self._number = 0
        self._frame: Document = {}
        self._output: list[Document] = []
        self._place: Document = {}
        """What every event of the open part says of where it belongs."""
        self._delta = b""
        """The beginning of an event that makes the open part grow, up to its number."""

    def _begin(self) -> None:
        self._frame = frame(self._request, self._ident, self._created)
        self._say("response.created", {"response": self._frame})
        self._say("response.in_progress", {"response": self._frame})

    def _started(self, part: Part) -> None:
        made = item(part, self._ident, IN_PROGRESS)
        self._say("response.output_item.added", {"output_index": part.index, "item": made})
        self._place = {"item_id": made["id"], "output_index": part.index}
        if part.kind is not PartKind.CALL:
            self._place["content_index"] = 0
            self._say("response.content_part.added", {**self._place, "part": content_of(part, "")})
        name = _GROWS[part.kind].encode() + b".delta"
        place = _encode(self._place)[1:-1]
        self._delta = b'event: %b\ndata: {"type":"%b",%b,"sequence_number":' % (name, name, place)

    def _grew(self, part: Part, text: str, logprobs: msgspec.Raw) -> None:
        told = b""
        if part.kind is PartKind.TEXT:
            told = b',"logprobs":[]'
            if logprobs != NO_LOGPROBS:
                part.logprobs.append(logprobs)
                told = b',"logprobs":' + _encode(logprobs_of(logprobs))
        self._out.append(self._delta + b'%d,"delta":%b%b}\n\n' % (self._number, _encode(text), told))
        self._number += 1

    def _stopped(self, part: Part) -> None:
        text = part.text
        told: Document = {_WHOLE[part.kind]: text}
        if part.kind is PartKind.CALL:
            told["name"] = part.name
        else:
            content = content_of(part, text)
            if part.kind is PartKind.TEXT:
                told["logprobs"] = content["logprobs"]
        self._say(_GROWS[part.kind] + ".done", self._place | told)
        if part.kind is not PartKind.CALL:
            self._say("response.content_part.done", {**self._place, "part": content})
        # The reason is known here only if this part is the last one.
        made = item(part, self._ident, item_status(self._reason, is_last=True))
        self._output.append(made)
        self._say("response.output_item.done", {"output_index": part.index, "item": made})

    def _ended(self, ending: Ending) -> None:
        made = self._frame | settled(ending, self._output)
        self._say(f"response.{made['status']}", {"response": made})

    def _failed(self, error: ApiError) -> None:
        self._begin_once()
        told = {"code": "server_error", "message": error.message}
        self._say(
            "response.failed", {"response": self._frame | {"status": "failed", "error": told, "output": self._output}}
        )

    def _say(self, name: str, members: Document) -> None:
        event = _encode({"type": name, "sequence_number": self._number, **members})
        self._out.append(b"event: %b\ndata: %b\n\n" % (name.encode(), event))
        self._number += 1


def error_event(error: ApiError) -> bytes:
    """Return the end of a stream that fails before anything of it was translated."""
    told = {
        "type": "error",
        "sequence_number": 0,
        "code": error.error_code,
        "message": error.message,
        "param": error.param,
    }
    return b"event: error\ndata: " + _encode(told) + b"\n\n"
