"""Errors in Anthropic's shape."""

from types import MappingProxyType
from typing import Final

import msgspec

from roundhouse_router.domain.chat_wire import error_words
from roundhouse_router.domain.errors import ApiError

__all__ = ["error_body", "error_event", "error_type", "refusal"]

_TYPES: Final = MappingProxyType(
    {
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)


def error_type(status: int) -> str:
    """Return Anthropic's name for the kind of error that a status stands for."""
    return _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")


def error_body(status: int, message: str, request_id: str = "") -> bytes:
    """Return the body of an error; Anthropic says the request's id here and in the header `request-id`."""
    told: dict[str, object] = {"type": "error", "error": {"type": error_type(status), "message": message}}
    if request_id:
        told["request_id"] = request_id
    return msgspec.json.encode(told)


def error_event(error: ApiError) -> bytes:
    """Return the event that a stream ends with when it fails. Nothing comes after it."""
    told = {"type": "error", "error": {"type": error_type(error.status), "message": error.message}}
    return b"event: error\ndata: " + msgspec.json.encode(told) + b"\n\n"


def refusal(status: int, body: bytes) -> bytes:
    """Return an engine's own error, which is in OpenAI's shape, in Anthropic's."""
    return error_body(status, error_words(body))
