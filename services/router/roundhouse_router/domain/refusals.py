"""An engine's own refusal in OpenAI's shape, whatever shape the engine gave it."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from roundhouse_common.contracts.routing import FallbackReason
from roundhouse_router.domain.errors import UpstreamFailed

__all__ = ["as_openai_error", "fallback_reason", "rest_of"]

_MOST_CHARACTERS: Final = 2000
_CONTEXT_CODE: Final = "context_length_exceeded"
_MOST_REST_S: Final = 60.0
_TOO_LONG: Final = re.compile(
    rb"context_length_exceeded|exceed_context_size|maximum context length|context window|context size|"
    rb"prompt is too long|input is too long|longer than the model|exceeds the model's maximum",
    re.IGNORECASE,
)
"""OpenAI's code, llama.cpp's, and the words of vLLM, SGLang, Anthropic, LMDeploy and others."""
_POLICY: Final = re.compile(rb"content_policy_violation|content_filter|content management policy|content policy", re.I)


def as_openai_error(status: int, body: bytes) -> bytes | None:
    """Return the body to send in the place of an engine's error; None: it has OpenAI's shape already.

    The engine's words are kept: FastAPI has them in `detail`, SGLang and LMDeploy in `message`, others in `error`.
    That a prompt is too long has OpenAI's code, which clients look for, whatever the engine calls it.
    """
    is_too_long = fallback_reason(status, body) is FallbackReason.CONTEXT_LENGTH
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _shaped(status, _plain(body), is_too_long=is_too_long)
    if not isinstance(document, dict):
        return _shaped(status, "")
    error = document.get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        if not is_too_long or isinstance(error.get("code"), str):
            return None
        return msgspec.json.encode({**document, "error": {**error, "code": _CONTEXT_CODE}})
    told = document if not isinstance(error, dict) else error
    kind, param = told.get("type"), told.get("param")
    return _shaped(
        status,
        _words(error) or _words(document.get("message")) or _words(document.get("detail")),
        kind=kind if isinstance(kind, str) else "",
        param=param if isinstance(param, str) else None,
        is_too_long=is_too_long,
    )


def _shaped(status: int, message: str, *, kind: str = "", param: str | None = None, is_too_long: bool = False) -> bytes:
    is_ours = status >= 500
    error = {
        "message": message[:_MOST_CHARACTERS] or f"The engine answered with status {status} and did not say why.",
        "type": kind or ("server_error" if is_ours else "invalid_request_error"),
        "param": param,
        "code": UpstreamFailed.code if is_ours else _CONTEXT_CODE if is_too_long else None,
    }
    return msgspec.json.encode({"error": error})


# Any: a JSON document of an engine.
def _words(told: Any) -> str:
    """Return the words in a text, or in what FastAPI says of each wrong field."""
    if isinstance(told, str):
        return told
    if isinstance(told, list):
        return "; ".join(filter(None, map(_field, told)))
    return ""


def _field(fault: Any) -> str:
    if not isinstance(fault, dict) or not isinstance(fault.get("msg"), str):
        return ""
    place = fault.get("loc")
    where = ".".join(str(step) for step in place if step != "body") if isinstance(place, list) else ""
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])


def _plain(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text


def fallback_reason(status: int, body: bytes) -> FallbackReason | None:
    """Return what another model may do better with, of a request that was refused; None: nothing."""
    if status not in (400, 413, 422):
        return None
    if _TOO_LONG.search(body):
        return FallbackReason.CONTEXT_LENGTH
    return FallbackReason.CONTENT_POLICY if _POLICY.search(body) else None


def rest_of(headers: Mapping[bytes, bytes]) -> float:
    """Return for how many seconds an answer asks to be left alone; 0: it does not say."""
    for name, unit in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        try:
            return min(max(float(headers[name]) * unit, 0.0), _MOST_REST_S)
        except (KeyError, ValueError):
            continue
    return 0.0
