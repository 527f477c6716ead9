"""OpenAI's whole chat answers as responses of its Responses API."""

import hashlib
from typing import Any, Final

import msgspec

from roundhouse_router.dialects.chat_messages import Document
from roundhouse_router.dialects.chat_parts import Ending, Part, PartKind, Reason, identifier, whole_parts
from roundhouse_router.domain.chat_wire import read_whole
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.tokens import TokenCounts, completion_details, prompt_details

__all__ = ["IN_PROGRESS", "content_of", "frame", "item", "item_status", "logprobs_of", "response", "settled"]

IN_PROGRESS: Final = "in_progress"
_INCOMPLETE: Final = {Reason.LENGTH: "max_output_tokens", Reason.FILTER: "content_filter"}
_ECHOED: Final[Document] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "user": None,
}
"""What a response tells of its request, and what is told where the request said nothing."""


class _Shown(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Token(_Shown):
    top_logprobs: list[_Shown] = []


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None


_logprobs: Final = msgspec.json.Decoder(_Logprobs | None)


def response(request: ParsedRequest, body: bytes) -> bytes:
    """Return a whole answer. Raises UpstreamFailed for one that cannot be read."""
    answer = read_whole(body)
    ident = identifier(answer, body)
    parts, ending = whole_parts(answer, ident)
    output = [item(part, ident, item_status(ending.reason, is_last=part is parts[-1])) for part in parts]
    made = frame(request, ident, int(answer.created))
    return msgspec.json.encode(made | settled(ending, output))


def frame(request: ParsedRequest, ident: str, created: int) -> Document:
    """Return a response without output that has just begun."""
    echoed = _ECHOED | _said(request)
    return {
        "id": f"resp_{ident or hashlib.blake2b(request.body, digest_size=12).hexdigest()}",
        "object": "response",
        "created_at": created,
        "status": IN_PROGRESS,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": request.model,
        "output": [],
        "previous_response_id": None,
        "store": False,
        "truncation": "disabled",
        "usage": None,
        **echoed,
    }


def _said(request: ParsedRequest) -> Document:
    """Return the members of a request that its response repeats, as they are; none of what is not JSON in UTF-8."""
    try:
        members = request.members
        told = {name: members[name] for name in _ECHOED if name in members and bytes(members[name]) != b"null"}
        b"".join(bytes(value) for value in told.values()).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return told


def settled(ending: Ending, output: list[Document]) -> Document:
    """Return the members that change at the end."""
    why = _INCOMPLETE.get(ending.reason)
    return {
        "status": "completed" if why is None else "incomplete",
        "incomplete_details": None if why is None else {"reason": why},
        "output": output,
        "usage": _usage(ending.counts),
    }


def item_status(reason: Reason | None, *, is_last: bool) -> str:
    """Return the state of an item that is at its end."""
    return "incomplete" if is_last and reason in _INCOMPLETE else "completed"


def item(part: Part, ident: str, status: str) -> Document:
    """Return a part as an item of the output; one in progress is empty."""
    is_empty = status == IN_PROGRESS
    if part.kind is PartKind.CALL:
        return {
            "type": "function_call",
            "id": f"fc_{ident}_{part.index}",
            "call_id": part.id,
            "name": part.name,
            "arguments": "" if is_empty else part.text,
            "status": status,
        }
    content = [] if is_empty else [content_of(part, part.text)]
    if part.kind is PartKind.THOUGHT:
        name = f"rs_{ident}_{part.index}"
        return {"type": "reasoning", "id": name, "summary": [], "content": content, "status": status}
    return {
        "type": "message",
        "id": f"msg_{ident}_{part.index}",
        "role": "assistant",
        "content": content,
        "status": status,
    }


def content_of(part: Part, text: str) -> Document:
    """Return the content of an item that is no call."""
    if part.kind is PartKind.THOUGHT:
        return {"type": "reasoning_text", "text": text}
    if part.kind is PartKind.REFUSAL:
        return {"type": "refusal", "refusal": text}
    told = [token for one in part.logprobs for token in logprobs_of(one)] if text else []
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": told}


def logprobs_of(told: msgspec.Raw) -> list[Any]:  # Any: JSON
    """Return the tokens in a choice's `logprobs`; none for what cannot be read."""
    try:
        found = _logprobs.decode(told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [msgspec.to_builtins(token) for token in (found.content or ())] if found is not None else []


def _usage(counts: TokenCounts) -> Document:
    """Return the usage: as in OpenAI's chat, cached tokens are part of the input and thoughts of the output."""
    read, made = counts.all_input, counts.all_output
    return {
        "input_tokens": read,
        "input_tokens_details": {
            "cached_tokens": counts.cached_input_tokens,
            "cache_write_tokens": counts.cache_write_tokens,
            **prompt_details(counts),
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens, **completion_details(counts)},
        "total_tokens": read + made,
    }
