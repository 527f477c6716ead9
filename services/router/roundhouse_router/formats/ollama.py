"""Providers that speak Ollama's API."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.event_lines import LineSplitter
from roundhouse_router.domain.formats import ProviderRequest, StreamTranslator
from roundhouse_router.domain.translating import Translation
from roundhouse_router.formats.ollama_answer import (
    OllamaLines,
    as_openai_answer,
    as_openai_embeddings,
    as_openai_error,
)
from roundhouse_router.formats.ollama_request import chat_body, completion_body, embed_body

__all__ = ["OllamaFormat"]

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class OllamaFormat:
    """Chats, completions and embeddings."""

    stream_type: Final = b"application/x-ndjson"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {secret}"}

    def request(self, body: bytes, model: str, operation: Operation, *, is_stream: bool) -> ProviderRequest:
        match operation:
            case Operation.CHAT:
                return ProviderRequest("/api/chat", _NO_HEADERS, chat_body(body, model, is_stream=is_stream))
            case Operation.COMPLETION:
                return ProviderRequest("/api/generate", _NO_HEADERS, completion_body(body, model, is_stream=is_stream))
            case Operation.EMBEDDING:
                return ProviderRequest("/api/embed", _NO_HEADERS, embed_body(body, model))
            case _:
                raise BadBody(f"Ollama's API has no endpoint for {operation.value}.", code="endpoint_not_served")

    def status(self, status: int) -> int:
        return status

    def whole(self, status: int, body: bytes, model: str, operation: Operation) -> bytes:
        if status >= 400:
            return as_openai_error(status, body)
        if operation is Operation.EMBEDDING:
            return as_openai_embeddings(body, model)
        return as_openai_answer(body, model, operation, self._clock)

    def stream(self, model: str, operation: Operation) -> StreamTranslator:
        lines = OllamaLines(model, operation, self._clock)
        return Translation(LineSplitter(), lines.take, lines.end)
