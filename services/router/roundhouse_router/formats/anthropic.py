"""Providers that speak Anthropic's Messages."""

from collections.abc import Mapping
from typing import Final

from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.event_lines import EventSplitter
from roundhouse_router.domain.formats import ProviderRequest, StreamTranslator
from roundhouse_router.domain.translating import Translation
from roundhouse_router.formats.anthropic_answer import AnthropicStream, as_openai_error, as_openai_message
from roundhouse_router.formats.anthropic_request import messages_body

__all__ = ["AnthropicFormat"]

_PATH: Final = "/messages"
_HEADERS: Final = {"anthropic-version": "2023-06-01"}
_OVERLOADED: Final = 529


class AnthropicFormat:
    """Chats only: Anthropic has no completions and no embeddings."""

    stream_type: Final = b"text/event-stream"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"x-api-key": secret}

    def request(self, body: bytes, model: str, operation: Operation, *, is_stream: bool) -> ProviderRequest:
        if operation is not Operation.CHAT:
            raise BadBody(f"Anthropic's API has no endpoint for {operation.value}.", code="endpoint_not_served")
        return ProviderRequest(_PATH, _HEADERS, messages_body(body, model, is_stream=is_stream))

    def status(self, status: int) -> int:
        return 503 if status == _OVERLOADED else status

    def whole(self, status: int, body: bytes, model: str, operation: Operation) -> bytes:
        if status >= 400:
            return as_openai_error(status, body)
        return as_openai_message(body, model, self._clock)

    def stream(self, model: str, operation: Operation) -> StreamTranslator:
        stream = AnthropicStream(model, self._clock)
        return Translation(EventSplitter(), stream.take, stream.end)
