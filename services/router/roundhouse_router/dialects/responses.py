"""OpenAI's Responses API, `POST /v1/responses`, without its memory: nothing is stored, whatever `store` says."""

from typing import Final

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.dialects.reading import Asked
from roundhouse_router.dialects.responses_answer import response
from roundhouse_router.dialects.responses_native import ResponsesScanner, read_response
from roundhouse_router.dialects.responses_request import chat_request, read_request
from roundhouse_router.dialects.responses_stream import ResponsesStream, error_event
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.formats import EVENT_STREAM
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.tokens import TokenCounts

__all__ = ["RESPONSES", "Responses"]


class Responses:
    """A `Dialect`. Its errors are OpenAI's."""

    api = "openai.responses"
    operation = Operation.CHAT
    native: Feature | None = Feature.RESPONSES
    stream_type = EVENT_STREAM

    def read(self, body: bytes, path: str) -> ParsedRequest:
        return read_request(body)

    def to_openai(self, request: ParsedRequest) -> bytes:
        return request.translated(chat_request) if isinstance(request, Asked) else chat_request(request)

    def whole(self, request: ParsedRequest, body: bytes) -> bytes:
        return response(request, body)

    def stream(self, request: ParsedRequest) -> ResponsesStream:
        return ResponsesStream(request)

    def scanner(self, request: ParsedRequest) -> ResponsesScanner:
        """Return what reads the stream of an engine that speaks this API."""
        return ResponsesScanner(request.model)

    def read_native(self, request: ParsedRequest, body: bytes) -> tuple[bytes, TokenCounts | None]:
        """Return the whole answer of such an engine under the name that the client asked for, and its figures."""
        return read_response(body, request.model)

    def error(self, error: ApiError, request_id: str = "") -> bytes:
        return error.body()

    def refusal(self, status: int, body: bytes) -> bytes:
        """Return an engine's own error, which is in OpenAI's shape."""
        return body

    def stream_error(self, error: ApiError) -> bytes:
        return b"\n\n" + error_event(error)  # an engine's own event may have been cut


RESPONSES: Final = Responses()
