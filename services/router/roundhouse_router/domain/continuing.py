"""Going on with a chat's stream at another engine after the first one died: what was said so far becomes the beginning
of the assistant's message there.

Only for plain text: what a grammar, a tool call or a probability refers to cannot be picked up in the middle, and a
model that was still thinking would think again.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_router.domain.members import Members, joined
from roundhouse_router.domain.tokens import PromptDetails, TokenCounts, disjoint
from roundhouse_router.domain.usage_lines import read_usage, with_usage

__all__ = ["CONTINUES", "Continued", "Story", "continued_body", "may_continue"]

CONTINUES: Final[Mapping[EngineKind, Mapping[str, bytes]]] = {
    EngineKind.LLAMA_CPP: {},
    EngineKind.LLAMA_SERVER: {},
    EngineKind.VLLM: {"continue_final_message": b"true", "add_generation_prompt": b"false"},
    EngineKind.SGLANG: {"continue_final_message": b"true"},
}
"""Engines that go on with a last message of the assistant, and what asks them to: llama.cpp does it unasked."""

_REFUSED: Final = ("tools", "functions", "response_format", "grammar", "json_schema", "logprobs", "top_logprobs")
_REFUSED_GUIDES: Final = ("guided_", "structured_outputs", "regex", "ebnf")
_NOTHING: Final = frozenset((b"null", b"false", b"0", b"[]", b'{"type":"text"}', b'{"type": "text"}'))
_LIMITS: Final = ("max_completion_tokens", "max_tokens")
_PREFIX: Final = b"data:"
_MOST_CHARACTERS: Final = 4 * 1024 * 1024


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw(b"null")


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    id: str = ""
    choices: list[_Choice] | None = None


class _LastRole(msgspec.Struct):
    role: str | None = None


_chunk: Final = msgspec.json.Decoder(_Chunk)
_roles: Final = msgspec.json.Decoder(list[_LastRole])
_raws: Final = msgspec.json.Decoder(list[msgspec.Raw])
_count: Final = msgspec.json.Decoder(int | None)


def may_continue(members: Members, choices: int) -> bool:
    """Whether a request is one whose answer can be picked up in the middle."""
    if choices != 1 or "messages" not in members:
        return False
    for name, value in members.items():
        is_guide = name in _REFUSED or name.startswith(_REFUSED_GUIDES)
        if is_guide and bytes(value) not in _NOTHING:
            return False
    try:
        messages = _roles.decode(members["messages"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return bool(messages) and messages[-1].role != "assistant"


class Story:
    """What a stream has said so far. Feed it everything that an engine sends, in OpenAI's form."""

    def __init__(self) -> None:
        self._tail = b""
        self._texts: list[str] = []
        self._size = 0
        self._is_plain = True
        self.chunk_id = ""
        """The `id` of the first chunk."""
        self.is_finished = False
        """The engine has said why it ended: nothing is missing but the end of the stream."""

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def can_go_on(self) -> bool:
        """Whether there is text, and nothing but text."""
        return self._is_plain and not self.is_finished and bool(self._texts)

    def feed(self, data: bytes) -> None:
        """Take in bytes, cut anywhere."""
        data = self._tail + data
        lines, _, self._tail = data.rpartition(b"\n")
        for line in lines.split(b"\n"):
            if line.startswith(_PREFIX):
                self._take(line[len(_PREFIX) :].strip())

    def _take(self, event: bytes) -> None:
        if event == b"[DONE]":
            self.is_finished = True
            return
        try:
            chunk = _chunk.decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._is_plain = False
            return
        self.chunk_id = self.chunk_id or chunk.id
        for choice in chunk.choices or ():
            self.is_finished = self.is_finished or choice.finish_reason is not None
            if choice.delta is not None:
                self._hear(choice.index, choice.delta)

    def _hear(self, index: int, delta: _Delta) -> None:
        if index or delta.reasoning_content or delta.reasoning or bytes(delta.tool_calls) not in _NOTHING:
            self._is_plain = False
        if delta.content:
            self._texts.append(delta.content)
            self._size += len(delta.content)
            if self._size > _MOST_CHARACTERS:
                self._is_plain = False
                self._texts.clear()


def continued_body(members: Members, text: str, engine: EngineKind, spent: int) -> bytes | None:
    """Return the body that asks an engine to go on after this text; None: it cannot, or nothing is left to say.

    `spent` tokens are taken off what the request allows.
    """
    asks = CONTINUES.get(engine)
    if asks is None:
        return None
    changed: dict[str, msgspec.Raw | bytes] = {**members, **asks}
    said = b'{"role":"assistant","content":' + msgspec.json.encode(text) + b"}"
    messages = [*map(bytes, _raws.decode(members["messages"])), said]
    changed["messages"] = b"[" + b",".join(messages) + b"]"
    for name in _LIMITS:
        allowed = _count.decode(members[name]) if name in members else None
        if allowed is None:
            continue
        if allowed <= spent:
            return None
        changed[name] = b"%d" % (allowed - spent)
    return joined(changed)


class Continued:
    """Fits the stream of the second engine behind that of the first: one `id`, no second beginning, one usage."""

    _ID: Final = re.compile(rb'"id"\s*:\s*"(?:[^"\\]|\\.)*"')
    _ROLE: Final = re.compile(rb'"role"\s*:\s*"assistant"\s*,|,?\s*"role"\s*:\s*"assistant"')

    def __init__(self, chunk_id: str, before: TokenCounts) -> None:
        self._id = b'"id":' + msgspec.json.encode(chunk_id)
        self._before = before
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        """Return whole lines, fitted."""
        data = self._tail + data
        lines, newline, self._tail = data.rpartition(b"\n")
        return b"\n".join(self._fitted(line) for line in (lines + newline).split(b"\n")) if newline else b""

    def finish(self) -> bytes:
        tail, self._tail = self._tail, b""
        return self._fitted(tail)

    def total(self, after: TokenCounts | None) -> TokenCounts:
        """Return the tokens of the whole answer: the prompt counts once, as the first engine counted it."""
        before, later = self._before, after or TokenCounts()
        first = before if before.all_input else self._prompt(later, before.all_output)
        return TokenCounts(
            input_tokens=first.input_tokens,
            cached_input_tokens=first.cached_input_tokens,
            output_tokens=before.output_tokens + later.output_tokens,
            reasoning_tokens=before.reasoning_tokens + later.reasoning_tokens,
            cache_write_tokens=first.cache_write_tokens,
            input_audio_tokens=first.input_audio_tokens,
            output_audio_tokens=before.output_audio_tokens + later.output_audio_tokens,
            input_image_tokens=first.input_image_tokens,
            output_image_tokens=before.output_image_tokens + later.output_image_tokens,
        )

    @staticmethod
    def _prompt(later: TokenCounts, said: int) -> TokenCounts:
        """Return the prompt's tokens by what the second engine read: that, less what the first one had said."""
        details = PromptDetails(
            cached_tokens=later.cached_input_tokens,
            cache_write_tokens=later.cache_write_tokens,
            audio_tokens=later.input_audio_tokens,
            image_tokens=later.input_image_tokens,
        )
        return disjoint(later.all_input - said, 0, details, None)

    def _fitted(self, line: bytes) -> bytes:
        if not line.startswith(_PREFIX):
            return line
        line = self._ROLE.sub(b"", self._ID.sub(self._escaped, line, count=1), count=1)
        found = read_usage(line)
        return line if found is None else with_usage(line, self.total(found.counts))

    def _escaped(self, _found: re.Match[bytes]) -> bytes:
        return self._id
