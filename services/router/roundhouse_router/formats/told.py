"""OpenAI's answers as translators for providers write them: whole, as chunks, and errors."""

from typing import Any, Final

import msgspec

from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.errors import UpstreamFailed

__all__ = ["DONE", "ChunkWriter", "decoded", "embeddings", "error_body", "usage", "whole_answer"]

_NULL: Final = msgspec.Raw(b"null")
DONE: Final = b"data: [DONE]\n\n"
_MOST_CHARACTERS: Final = 2000

# Any: JSON documents that are only put together here.
Document = dict[str, Any]


def decoded(data: bytes | str, decoder: "msgspec.json.Decoder[Any]", what: str) -> Any:
    """Return a provider's document. Raises UpstreamFailed for what is none."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed(f"The provider's {what} could not be read: {error}.") from None


def usage(
    prompt: int,
    completion: int,
    *,
    cached: int | None = None,
    cache_write: int = 0,
    reasoning: int | None = None,
) -> Document:
    """Return OpenAI's `usage`. `prompt` includes what was read from a cache and what was written to it."""
    made: Document = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    if cached is not None:
        made["prompt_tokens_details"] = {"cached_tokens": cached, "cache_write_tokens": cache_write}
    if reasoning is not None:
        made["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return made


def whole_answer(
    *,
    answer_id: str,
    created: int,
    model: str,
    operation: Operation,
    message: Document,
    finish: str,
    usage: Document | None,
    logprobs: msgspec.Raw = _NULL,
) -> bytes:
    """Return a chat or a completion; of a completion only the message's content is told."""
    is_chat = operation is Operation.CHAT
    said: Document = (
        {"message": {"role": "assistant", **message}} if is_chat else {"text": message.get("content") or ""}
    )
    answer: Document = {
        "id": answer_id,
        "object": "chat.completion" if is_chat else "text_completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, **said, "logprobs": _shown(logprobs), "finish_reason": finish}],
    }
    if usage is not None:
        answer["usage"] = usage
    return msgspec.json.encode(answer)


def embeddings(model: str, vectors: list[msgspec.Raw], tokens: int) -> bytes:
    data = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]
    told = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "model": model, "data": data, "usage": told})


def error_body(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> bytes:
    """Return an error in OpenAI's shape."""
    error = {"message": message[:_MOST_CHARACTERS], "type": kind, "param": param, "code": code}
    return msgspec.json.encode({"error": error})


class ChunkWriter:
    """The chunks of one stream of OpenAI's."""

    def __init__(self, model: str, operation: Operation, clock: Clock) -> None:
        self._model = model
        self._is_chat = operation is Operation.CHAT
        self._created = int(clock.now())
        self._is_begun = False
        self.id = ""
        """The provider's, as soon as it is known."""

    def said(self, logprobs: msgspec.Raw = _NULL, **delta: Any) -> bytes:
        """Return a chunk that adds to the message; of a completion, `content` to the text."""
        if not self._is_chat:
            text = delta.get("content")
            return self._chunk({"text": text, "finish_reason": None}) if text else b""
        head = {} if self._is_begun else {"role": "assistant"}
        self._is_begun = True
        return self._chunk({"delta": {**head, **delta}, "finish_reason": None, "logprobs": _shown(logprobs)})

    def ended(self, finish: str, usage: Document | None) -> bytes:
        """Return the reason of the end, usage, and `[DONE]`."""
        begun = b"" if self._is_begun or not self._is_chat else self.said(content="")
        last: Document = {"delta": {}} if self._is_chat else {"text": ""}
        end = begun + self._chunk({**last, "finish_reason": finish})
        if usage is not None:
            end += self._event([], {"usage": usage})
        return end + DONE

    def _chunk(self, choice: Document) -> bytes:
        return self._event([{"index": 0, "logprobs": None, **choice}], {})

    def _event(self, choices: list[Document], rest: Document) -> bytes:
        event = {
            "id": self.id or "chatcmpl-0",
            "object": "chat.completion.chunk" if self._is_chat else "text_completion",
            "created": self._created,
            "model": self._model,
            "choices": choices,
            **rest,
        }
        return b"data: " + msgspec.json.encode(event) + b"\n\n"


def _shown(logprobs: msgspec.Raw) -> Document | None:
    """Return probabilities of tokens as OpenAI has them."""
    return None if bytes(logprobs) == b"null" else {"content": logprobs, "refusal": None}
