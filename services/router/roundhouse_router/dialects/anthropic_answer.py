"""OpenAI's whole chat answers as Anthropic's messages."""

from typing import Any, Final

import msgspec

from roundhouse_router.dialects.chat_messages import Document
from roundhouse_router.dialects.chat_parts import Part, PartKind, Reason, identifier, whole_parts
from roundhouse_router.domain.chat_wire import read_whole
from roundhouse_router.domain.tokens import TokenCounts

__all__ = ["SIGNATURE", "STOP_REASONS", "message", "start_of", "usage_of"]

STOP_REASONS: Final = {
    Reason.STOP: "end_turn",
    Reason.LENGTH: "max_tokens",
    Reason.CALLS: "tool_use",
    Reason.FILTER: "refusal",
}
SIGNATURE: Final = "unsigned"
"""Anthropic signs thoughts; engines do not. Not empty: some clients drop thoughts without a signature, which models
need again when tools have run."""
_INVALID: Final = "INVALID_JSON"
"""Where Anthropic's own documentation puts arguments that are no JSON object."""
_object: Final = msgspec.json.Decoder(dict[str, Any])  # Any: JSON


def message(model: str, body: bytes, prefill: str = "") -> bytes:
    """Return a whole answer. Raises UpstreamFailed for one that cannot be read.

    `prefill` is a beginning of the answer that the request had: llama.cpp says it again, Anthropic does not.
    """
    answer = read_whole(body)
    ident = identifier(answer, body)
    parts, ending = whole_parts(answer, ident)
    content = [_block(part, prefill if part.kind is PartKind.TEXT else "") for part in parts]
    stopped = ending.stop is not None and ending.reason is Reason.STOP
    made = start_of(ident, model, ending.counts)
    made["content"] = [block for block in content if block]
    made["stop_reason"] = "stop_sequence" if stopped else STOP_REASONS[ending.reason]
    made["stop_sequence"] = ending.stop if stopped else None
    return msgspec.json.encode(made)


def start_of(ident: str, model: str, counts: TokenCounts) -> Document:
    """Return a message without content."""
    return {
        "id": f"msg_{ident}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_of(counts),
    }


def usage_of(counts: TokenCounts) -> Document:
    """Return Anthropic's usage: its input tokens are without the cached ones, its output tokens with the thoughts."""
    return {
        "input_tokens": counts.input_tokens + counts.input_audio_tokens + counts.input_image_tokens,
        "cache_creation_input_tokens": counts.cache_write_tokens,
        "cache_read_input_tokens": counts.cached_input_tokens,
        "output_tokens": counts.all_output,
    }


def _block(part: Part, prefill: str) -> Document | None:
    if part.kind is PartKind.CALL:
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": _input(part.text)}
    if part.kind is PartKind.THOUGHT:
        return {"type": "thinking", "thinking": part.text, "signature": SIGNATURE}
    text = part.text.removeprefix(prefill)
    return {"type": "text", "text": text} if text else None


def _input(arguments: str) -> Document:
    if not arguments.strip():
        return {}
    try:
        return _object.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return {_INVALID: arguments}
