"""Ollama's API: `/api/chat`, `/api/generate`, `/api/embed` and `/api/embeddings` as OpenAI's, and the answers back.

Streams are lines of JSON, and the default. Durations are nanoseconds. A request for nothing loads a model in Ollama;
here it is answered at once, because replicas have theirs loaded.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import Clock
from roundhouse_router.dialects.ollama_answers import (
    Spans,
    as_time,
    done_reason,
    embedded,
    figures,
    log_probabilities,
    tool_calls,
)
from roundhouse_router.dialects.ollama_requests import (
    OllamaRequest,
    Reading,
    is_raw,
    read_chat,
    read_embed,
    read_embeddings,
    read_generate,
    read_raw,
)
from roundhouse_router.dialects.ollama_stream import OllamaStream, Said, chat_said, generate_said
from roundhouse_router.domain.chat_wire import error_words, read_whole
from roundhouse_router.domain.errors import ApiError, UpstreamFailed
from roundhouse_router.domain.event_lines import EventSplitter
from roundhouse_router.domain.formats import NDJSON, StreamTranslator
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.tables import RoutingTable
from roundhouse_router.domain.translating import Translation

__all__ = ["OllamaDialects", "OllamaTexts", "OllamaVectors", "error_body", "known_name"]

_LATEST: Final = ":latest"


def known_name(table: RoutingTable, key: ApiKeyRecord, model: str) -> str:
    """Return the name that a model is known by: Ollama's clients may add `:latest` to any."""
    if not model.endswith(_LATEST) or table.routes.named(key, model) is not None:
        return model
    short = model.removesuffix(_LATEST)
    is_known = table.routes.named(key, short) is not None
    return short if is_known or table.routes.find(key, model) is None else model


def error_body(message: str) -> bytes:
    """Return an error as Ollama has it."""
    return msgspec.json.encode({"error": message})


class OllamaDialects:
    """Which translation a request needs, by its path and, for prompts, its body."""

    def __init__(self, clock: Clock) -> None:
        self.raw: Final = OllamaTexts(clock, "ollama.generate", Operation.COMPLETION, read_raw, generate_said)
        self._by_path: Final[Mapping[str, OllamaTexts | OllamaVectors]] = {
            "/api/chat": OllamaTexts(clock, "ollama.chat", Operation.CHAT, read_chat, chat_said),
            "/api/generate": OllamaTexts(clock, "ollama.generate", Operation.CHAT, read_generate, generate_said),
            "/api/embed": OllamaVectors(clock, "ollama.embed", read_embed, has_many=True),
            "/api/embeddings": OllamaVectors(clock, "ollama.embeddings", read_embeddings, has_many=False),
        }
        self.paths: Final = frozenset(self._by_path)

    def find(self, path: str, body: bytes) -> "OllamaTexts | OllamaVectors":
        """Return the dialect of one of `paths`. Raises BadBody.

        A prompt that is `raw`, or is to be filled in before a `suffix`, is a completion; any other is a chat.
        """
        return self.raw if path == "/api/generate" and is_raw(body) else self._by_path[path]


class OllamaTexts:
    """Chats and prompts."""

    native: Final[Feature | None] = None
    stream_type: Final = NDJSON

    def __init__(
        self, clock: Clock, api: str, operation: Operation, reading: Callable[[bytes], Reading], said: Said
    ) -> None:
        self.api: Final = api
        self.operation: Final = operation
        self._clock = clock
        self._reading = reading
        self._said = said

    def read(self, body: bytes, path: str) -> OllamaRequest:
        return _request(self._reading(body), body, self._clock)

    def answer_to_nothing(self, request: ParsedRequest) -> bytes | None:
        """Return the answer to a request that asks for nothing, and needs no engine; None: it asks for something."""
        if _own(request).translated is not None:
            return None
        last = {**_head(request, self._clock), **self._said("", "", []), "done": True, "done_reason": "load"}
        return msgspec.json.encode(last) + (b"\n" if request.is_stream else b"")

    def to_openai(self, request: ParsedRequest) -> bytes:
        return _translated(request)

    def whole(self, request: ParsedRequest, body: bytes) -> bytes:
        answer = read_whole(body)
        if not answer.choices:
            raise UpstreamFailed("The engine's answer has no choices.")
        choice = answer.choices[0]
        message = choice.message
        text = (message.content or message.refusal or "") if message else choice.text or ""
        calls = tool_calls((message.tool_calls or ()) if message else (), is_cut=choice.finish_reason == "length")
        spans = Spans(total_s=self._clock.monotonic() - _own(request).received, first_s=0.0)
        return msgspec.json.encode(
            {
                **_head(request, self._clock),
                **self._said(text, message.thought if message else "", calls),
                "done": True,
                "done_reason": done_reason(choice.finish_reason),
                **figures(answer.counts, answer.timings, spans),
                **log_probabilities(choice.logprobs),
            }
        )

    def stream(self, request: ParsedRequest) -> StreamTranslator:
        stream = OllamaStream(self._said, request.model, _own(request).received, self._clock)
        return Translation(EventSplitter(), stream.take, stream.end)

    def error(self, error: ApiError, request_id: str = "") -> bytes:
        return error_body(error.message)

    def refusal(self, status: int, body: bytes) -> bytes:
        return error_body(error_words(body))

    def stream_error(self, error: ApiError) -> bytes:
        return error_body(error.message) + b"\n"


class OllamaVectors:
    """Embeddings: of many texts, or, in the older form, of one."""

    operation: Final = Operation.EMBEDDING
    native: Final[Feature | None] = None
    stream_type: Final = NDJSON

    def __init__(self, clock: Clock, api: str, reading: Callable[[bytes], Reading], *, has_many: bool) -> None:
        self.api: Final = api
        self._clock = clock
        self._reading = reading
        self._has_many = has_many

    def read(self, body: bytes, path: str) -> OllamaRequest:
        return _request(self._reading(body), body, self._clock)

    def answer_to_nothing(self, request: ParsedRequest) -> bytes | None:
        """Return the answer to a request without a text; None: it has one."""
        return self._shown(_own(request), [], 0) if _own(request).translated is None else None

    def to_openai(self, request: ParsedRequest) -> bytes:
        return _translated(request)

    def whole(self, request: ParsedRequest, body: bytes) -> bytes:
        vectors, tokens = embedded(body)
        return self._shown(_own(request), vectors, tokens)

    def stream(self, request: ParsedRequest) -> StreamTranslator:
        raise AssertionError("embeddings are never streamed")

    def error(self, error: ApiError, request_id: str = "") -> bytes:
        return error_body(error.message)

    def refusal(self, status: int, body: bytes) -> bytes:
        return error_body(error_words(body))

    def stream_error(self, error: ApiError) -> bytes:
        return error_body(error.message) + b"\n"

    def _shown(self, request: OllamaRequest, vectors: list[msgspec.Raw], tokens: int) -> bytes:
        if not self._has_many:
            return msgspec.json.encode({"embedding": vectors[0] if vectors else []})
        return msgspec.json.encode(
            {
                "model": request.model,
                "embeddings": vectors,
                "total_duration": int((self._clock.monotonic() - request.received) * 1e9),
                "load_duration": 0,
                "prompt_eval_count": tokens,
            }
        )


def _request(reading: Reading, body: bytes, clock: Clock) -> OllamaRequest:
    return OllamaRequest(
        model=reading.model,
        is_stream=reading.is_stream,
        max_tokens=reading.max_tokens,
        body=body,
        translated=reading.translated,
        received=clock.monotonic(),
    )


def _own(request: ParsedRequest) -> OllamaRequest:
    assert isinstance(request, OllamaRequest), "a dialect is given what it read"
    return request


def _translated(request: ParsedRequest) -> bytes:
    translated = _own(request).translated
    assert translated is not None, "a request for nothing is answered here"
    return translated


# Any: members of a JSON document that is only put together here.
def _head(request: ParsedRequest, clock: Clock) -> dict[str, Any]:
    return {"model": request.model, "created_at": as_time(clock.now())}
