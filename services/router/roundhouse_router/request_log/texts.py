"""What is shown of a request's body and of its answer: documents and streams as text that can be redacted.

A secret must be found also where JSON escapes it or a stream has it in pieces. So nothing is shown as the bytes that
went over the wire: documents are decoded, and the pieces of a stream are put together.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from roundhouse_router.domain.redaction import Redactor

__all__ = ["READ_MOST", "shown_answer", "shown_request"]

READ_MOST: Final = 256 * 1024
"""Bytes of a body or an answer that are read; of larger documents only the size is shown, of streams the beginning."""
_CHOICE: Final = ("content", "reasoning_content", "reasoning", "refusal")
_BLOCK: Final = ("text", "thinking", "partial_json")
_OLLAMA: Final = ("content", "thinking")
Document = dict[str, Any]  # Any: JSON


def shown_request(body: bytes, redactor: Redactor, most: int) -> Any:  # Any: JSON
    """Return the redacted document; the size of what is none."""
    return _document(body, redactor, most)


def shown_answer(chunks: list[bytes], size: int, kind: bytes, redactor: Redactor, most: int) -> Any:  # Any: JSON
    """Return the redacted answer: a document, or the texts of a stream by their names. `size` is that of all of it."""
    whole = b"".join(chunks)
    if kind.startswith((b"text/event-stream", b"application/x-ndjson")):
        return _streamed(whole, redactor, most, is_cut=size > len(whole))
    if size > len(whole):
        return {"bytes": size}
    return _document(whole, redactor, most)


def _document(body: bytes, redactor: Redactor, most: int) -> Any:  # Any: JSON
    if len(body) > READ_MOST:
        return {"bytes": len(body)}
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"bytes": len(body)}
    return redactor.document(document, most)


def _streamed(whole: bytes, redactor: Redactor, most: int, *, is_cut: bool) -> dict[str, str]:
    texts: dict[str, list[str]] = {}
    for event in _events(whole):
        for name, text in _pieces(event):
            texts.setdefault(name, []).append(text)
    shown, left = {}, most
    for name, pieces in texts.items():
        shown[name] = redactor.bounded("".join(pieces), max(left, 0), is_cut=is_cut)
        left -= len(shown[name])
    return shown


def _events(whole: bytes) -> Iterator[Document]:
    for line in whole.splitlines():
        line = line.removeprefix(b"data:").strip()
        if not line.startswith(b"{"):
            continue
        try:
            event = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # what the bound has cut
        yield event


def _pieces(event: Document) -> Iterator[tuple[str, str]]:
    """Yield the texts of one event with the names that they are shown by."""
    for choice in _list(event.get("choices")):
        number, delta = choice.get("index") or 0, _object(choice.get("delta"))
        for name in _CHOICE:
            yield from _piece(name, number, delta.get(name))
        yield from _piece("text", number, choice.get("text"))
        for call in _list(delta.get("tool_calls")):
            function = _object(call.get("function"))
            yield from _piece("tool", call.get("index") or 0, function.get("name"))
            yield from _piece("tool", call.get("index") or 0, function.get("arguments"))
    own = event.get("delta")
    if isinstance(own, str):  # Responses
        yield from _piece(str(event.get("type", "delta")), event.get("output_index") or 0, own)
    for name in _BLOCK:  # Anthropic
        yield from _piece(name, event.get("index") or 0, _object(own).get(name))
    for name in _OLLAMA:
        yield from _piece(name, 0, _object(event.get("message")).get(name))
    yield from _piece("response", 0, event.get("response"))
    error = event.get("error")
    yield from _piece("error", 0, error if isinstance(error, str) else _object(error).get("message"))


def _piece(name: str, number: object, text: object) -> Iterator[tuple[str, str]]:
    if isinstance(text, str) and text:
        yield (f"{name}_{number}" if number else name), text


def _object(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Iterator[Document]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
