"""Anthropic's Messages API, `POST /v1/messages`.

Its clients send their key as `x-api-key`; some as `Authorization: Bearer`. Whoever authenticates a request on this path
takes either. They look for the request's id in the header `request-id`.
"""

from typing import Final

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.dialects.anthropic_answer import message
from roundhouse_router.dialects.anthropic_errors import error_body, error_event, refusal
from roundhouse_router.dialects.anthropic_native import AnthropicScanner, read_message
from roundhouse_router.dialects.anthropic_request import chat_request, prefill_of, read_request
from roundhouse_router.dialects.anthropic_stream import AnthropicStream
from roundhouse_router.dialects.reading import Asked
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.formats import EVENT_STREAM
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.tokens import TokenCounts

__all__ = ["ANTHROPIC", "AnthropicMessages"]


class AnthropicMessages:
    """A `Dialect`."""

    api = "anthropic.messages"
    operation = Operation.CHAT
    native: Feature | None = Feature.MESSAGES
    stream_type = EVENT_STREAM

    def read(self, body: bytes, path: str) -> ParsedRequest:
        return read_request(body)

    def to_openai(self, request: ParsedRequest) -> bytes:
        return request.translated(chat_request) if isinstance(request, Asked) else chat_request(request)

    def whole(self, request: ParsedRequest, body: bytes) -> bytes:
        return message(request.model, body, prefill_of(request))

    def stream(self, request: ParsedRequest) -> AnthropicStream:
        return AnthropicStream(request.model)

    def scanner(self, request: ParsedRequest) -> AnthropicScanner:
        """Return what reads the stream of an engine that speaks this API."""
        return AnthropicScanner(request.model)

    def read_native(self, request: ParsedRequest, body: bytes) -> tuple[bytes, TokenCounts | None]:
        """Return the whole answer of such an engine under the name that the client asked for, and its figures."""
        return read_message(body, request.model)

    def error(self, error: ApiError, request_id: str = "") -> bytes:
        return error_body(error.status, error.message, request_id)

    def refusal(self, status: int, body: bytes) -> bytes:
        """Return an engine's own error, which is in OpenAI's shape, in this API's."""
        return refusal(status, body)

    def stream_error(self, error: ApiError) -> bytes:
        return b"\n\n" + error_event(error)  # an engine's own event may have been cut


ANTHROPIC: Final = AnthropicMessages()
