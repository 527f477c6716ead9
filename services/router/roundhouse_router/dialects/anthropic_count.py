"""`POST /v1/messages/count_tokens`: how many input tokens a request would have.

An engine that has the API's own endpoint gets the client's bytes. Others are asked to tokenize: vLLM the chat itself,
llama.cpp the chat's template and then its text. Where neither is there it is an estimate from the number of bytes.

    call = first_call(kind, count_request(body))       # None: estimated(...)
    while not isinstance(step := next_step(kind, answer of call), int): call = step
    counted(step)
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_router.dialects.anthropic_request import count_request
from roundhouse_router.domain.errors import UpstreamFailed

__all__ = [
    "COUNT_PATH",
    "TokenizeCall",
    "count_request",
    "counted",
    "estimated",
    "first_call",
    "native_count",
    "next_step",
]

COUNT_PATH: Final = "/v1/messages/count_tokens"
_LLAMA: Final = frozenset({EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER})
_COUNTS_NATIVELY: Final = frozenset({EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER, EngineKind.VLLM})
"""Those that have the endpoint itself beside `/v1/messages`."""
_BYTES_PER_TOKEN: Final = 4
"""Of English text; other languages have fewer, so an estimate of theirs is low."""
_TOKENS_PER_MESSAGE: Final = 4
_TOKENS_PER_IMAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class TokenizeCall:
    """A request to the engine itself."""

    path: str
    body: bytes


class _Tokens(msgspec.Struct):
    count: int | None = None
    input_tokens: int | None = None
    tokens: list[Any] | None = None  # Any: a number, or an object where pieces were asked for


class _Applied(msgspec.Struct):
    prompt: str | None = None


class _Chat(msgspec.Struct):
    messages: list[dict[str, Any]]  # Any: JSON
    tools: msgspec.Raw = msgspec.Raw(b"")


_tokens: Final = msgspec.json.Decoder(_Tokens)
_applied: Final = msgspec.json.Decoder(_Applied)
_chat: Final = msgspec.json.Decoder(_Chat)


def native_count(kind: EngineKind) -> bool:
    """Whether an engine that speaks Anthropic's API counts tokens by itself."""
    return kind in _COUNTS_NATIVELY


def first_call(kind: EngineKind, chat: bytes) -> TokenizeCall | None:
    """Return what to ask an engine that has Feature.TOKENIZE; None: it cannot tokenize a chat."""
    if kind in _LLAMA:
        return TokenizeCall("/apply-template", chat)
    if kind is EngineKind.VLLM:
        return TokenizeCall("/tokenize", chat)
    return None


def next_step(kind: EngineKind, answer: bytes) -> TokenizeCall | int:
    """Return the count, or what to ask next. Raises UpstreamFailed for an answer that is neither."""
    try:
        if kind in _LLAMA:
            prompt = _applied.decode(answer).prompt
            if prompt is not None:
                asked = {"content": prompt, "add_special": True, "parse_special": True}
                return TokenizeCall("/tokenize", msgspec.json.encode(asked))
        told = _tokens.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed(f"The engine's count of tokens could not be read: {error}.") from None
    count = told.input_tokens if told.count is None else told.count
    if count is not None:
        return count
    if told.tokens is not None:
        return len(told.tokens)
    raise UpstreamFailed("The engine was asked for tokens and told none.")


def estimated(chat: bytes) -> int:
    """Return about how many tokens a chat is, without a tokenizer."""
    asked = _chat.decode(chat)
    tokens = len(asked.tools) // _BYTES_PER_TOKEN
    for message in asked.messages:
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        texts = [content] if isinstance(content, str) else [part["text"] for part in parts if part["type"] == "text"]
        calls = [call["function"]["name"] + call["function"]["arguments"] for call in message.get("tool_calls", ())]
        size = sum(len(text.encode()) for text in (*texts, *calls, message.get("reasoning_content", "")))
        images = sum(part["type"] == "image_url" for part in parts)
        tokens += _TOKENS_PER_MESSAGE + -(-size // _BYTES_PER_TOKEN) + images * _TOKENS_PER_IMAGE
    return tokens


def counted(tokens: int) -> bytes:
    """Return the answer to the client."""
    return msgspec.json.encode({"input_tokens": tokens})
