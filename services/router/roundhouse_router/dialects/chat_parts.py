"""OpenAI's chat answers as a row of parts: texts, thoughts, refusals and tool calls, one after the other.

APIs that have content blocks or output items are translated from this, whole answers and streams alike.
"""

import enum
import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

import msgspec

from roundhouse_router.domain.chat_wire import Answer, Choice, FunctionCall, Said
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.tokens import NO_TOKENS, TokenCounts

__all__ = ["NO_LOGPROBS", "Ending", "Part", "PartKind", "Reason", "identifier", "reason_of", "whole_parts"]

NO_LOGPROBS: Final = msgspec.Raw(b"null")
_PREFIX: Final = re.compile(r"^(?:chatcmpl|cmpl|chat)-")
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_-]")


class PartKind(enum.Enum):
    TEXT = "text"
    THOUGHT = "thought"
    REFUSAL = "refusal"
    CALL = "call"


class Reason(enum.Enum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    CALLS = "tool_calls"
    FILTER = "content_filter"


@dataclass(slots=True)
class Part:
    """One piece of an answer."""

    kind: PartKind
    index: int
    """Its place among the parts: 0, 1, ..."""
    id: str = ""
    """Of a tool call."""
    name: str = ""
    """Of the tool."""
    pieces: list[str] = field(default_factory=list)
    """Its text, or the JSON of the arguments."""
    logprobs: list[msgspec.Raw] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Ending:
    reason: Reason
    stop: str | None
    """The stop sequence that ended it, where the engine says so."""
    counts: TokenCounts


def identifier(answer: Answer, seen: bytes) -> str:
    """Return what the ids of the translated answer are made of: the engine's own id, or a digest of its bytes."""
    bare = _FOREIGN.sub("", _PREFIX.sub("", answer.id))
    return bare or hashlib.blake2b(seen, digest_size=12).hexdigest()


def reason_of(choice: Choice, *, has_calls: bool) -> Reason:
    """Return why an answer ended. Raises UpstreamFailed if the engine broke it off.

    Some engines say `stop` after tool calls.
    """
    told = choice.finish_reason
    if told in ("abort", "error"):
        raise UpstreamFailed(f"The engine broke the answer off (finish reason {told}).")
    if told == "length":
        return Reason.LENGTH
    if told == "content_filter":
        return Reason.FILTER
    return Reason.CALLS if has_calls else Reason.STOP


def whole_parts(answer: Answer, ident: str) -> tuple[list[Part], Ending]:
    """Return the parts of an answer that came whole. Raises UpstreamFailed for one without a choice."""
    choice = next((choice for choice in answer.choices if choice.index == 0), None)
    if choice is None or choice.message is None:
        raise UpstreamFailed("The engine's answer has no choice.")
    said = choice.message
    parts: list[Part] = []
    for kind, text in (
        (PartKind.THOUGHT, said.thought),
        (PartKind.TEXT, said.content),
        (PartKind.REFUSAL, said.refusal),
    ):
        if text:
            parts.append(Part(kind, len(parts), pieces=[text]))
            if kind is PartKind.TEXT and choice.logprobs != NO_LOGPROBS:
                parts[-1].logprobs.append(choice.logprobs)
    _add_calls(said, parts, ident)
    has_calls = bool(parts) and parts[-1].kind is PartKind.CALL
    return parts, Ending(reason_of(choice, has_calls=has_calls), choice.stop_text, answer.counts or NO_TOKENS)


def _add_calls(said: Said, parts: list[Part], ident: str) -> None:
    for number, call in enumerate(said.tool_calls or ()):
        function = call.function or FunctionCall()
        if not function.name:
            raise UpstreamFailed("The engine's answer has a tool call without a name.")
        part = Part(PartKind.CALL, len(parts), id=call.id or f"call_{ident}_{number}", name=function.name)
        part.pieces.append(function.arguments or "")
        parts.append(part)
