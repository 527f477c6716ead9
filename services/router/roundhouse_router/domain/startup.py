"""The beginning of a stream, before the first content: until then another endpoint may still be asked."""

import re
from typing import Any, Final

import msgspec

from roundhouse_router.domain.chunk_frame import CONTENT

__all__ = ["error_told", "has_content"]

_CONTENT: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning|thinking|text|arguments|partial_json|refusal|delta|response|output)"'
    rb'\s*:\s*"[^"]|"tool_calls"|"(?:finish|stop|done)_reason"\s*:\s*"|\[DONE\]|"audio"\s*:\s*\{|"done"\s*:\s*true'
)
"""What no stream says before there is something to show, in the APIs that are relayed."""
_ERROR: Final = re.compile(rb'^data: ?(\{\s*"(?:error|type"\s*:\s*"error)".*)$|^error: ?(\{.*)$', re.MULTILINE)
_MOST_CHARACTERS: Final = 2000


def has_content(piece: bytes) -> bool:
    """Whether a piece of a stream holds something to show, or its end."""
    at = piece.find(CONTENT) + len(CONTENT)
    if at >= len(CONTENT) and piece[at : at + 1] not in (b"", b'"'):
        return True  # what nearly all of them begin with, found without the expression
    return _CONTENT.search(piece) is not None


def error_told(beginning: bytes) -> str | None:
    """Return an engine's words, if its stream consists of an error; None: it does not."""
    if has_content(beginning):
        return None
    found = _ERROR.search(beginning)
    if found is None:
        return None
    try:
        document = msgspec.json.decode(found[1] or found[2])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "The engine reported an error that cannot be read."
    words = _words(document)
    return words[:_MOST_CHARACTERS] if words else None


# Any: a JSON document of an engine.
def _words(document: Any) -> str:
    error = document.get("error", document) if isinstance(document, dict) else document
    if isinstance(error, str):
        return error
    if isinstance(error, dict):
        return str(error.get("message") or "The engine reported an error and did not say why.")
    return ""
