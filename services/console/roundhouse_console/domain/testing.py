"""From what a person typed into the test tool to one request to the router."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from roundhouse_console.domain.errors import Unfit

__all__ = ["CONTENT_TYPES", "FORM", "MULTIPART", "PATHS", "Call", "File", "call_of", "example", "shown_body"]

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
CONTENT_TYPES: Final = (JSON, FORM, MULTIPART, "text/plain", "application/octet-stream")
PATHS: Final = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/score",
    "/v1/audio/transcriptions",
    "/v1/audio/speech",
    "/v1/images/generations",
    "/v1/models",
    "/api/chat",
    "/api/generate",
    "/api/tags",
)
_NOT_THEIRS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie"})
"""Headers that say how the message travels."""
_PRINTED: Final = ("text/", "application/json", "application/x-ndjson", "application/xml", "application/problem+json")


@dataclass(frozen=True, slots=True)
class File:
    """A part of a multipart body."""

    field: str
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `fields` and `files` are of a multipart body, `form` of a form, else `content` is the body."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Sequence[tuple[str, str]] = ()
    content: bytes = b""
    form: Sequence[tuple[str, str]] = ()
    fields: Sequence[tuple[str, str]] = ()
    files: Sequence[File] = ()


def call_of(
    method: str,
    path: str,
    *,
    query: str = "",
    headers: str = "",
    content_type: str = JSON,
    body: str = "",
    files: Sequence[File] = (),
) -> Call:
    """Return the request of the form's texts. Raises ValueError with a sentence."""
    bare, _, more = path.strip().partition("?")
    if not bare.startswith("/") or bare.startswith("//") or not bare.isprintable() or " " in bare:
        raise Unfit("“{path}” is no path: it begins with one / and has no spaces.", path=path)
    stated = _headers(headers)
    parameters = [*parse_qsl(more, keep_blank_values=True), *_pairs(query, "=")]
    if method == "GET":
        return Call(method=method, path=bare, query=parameters, headers=stated)
    if content_type == MULTIPART:
        fields = _pairs(body, "=")
        return Call(method=method, path=bare, query=parameters, headers=stated, fields=fields, files=files)
    if content_type == FORM:
        return Call(method=method, path=bare, query=parameters, headers=stated, form=_pairs(body, "="))
    if content_type == JSON:
        _check_json(body)
    has_type = any(name.lower() == "content-type" for name, _ in stated)
    typed = stated if has_type else [("content-type", content_type), *stated]
    return Call(method=method, path=bare, query=parameters, headers=typed, content=body.encode())


def example(path: str, model: str) -> str:
    """Return a JSON body to begin with."""
    if path.startswith(("/v1/embeddings", "/api/embed")):
        return _pretty({"model": model, "input": "What is gravity?"})
    if path.startswith(("/v1/rerank", "/v1/score")):
        return _pretty({"model": model, "query": "What is gravity?", "documents": ["A force.", "A fruit."]})
    if path in ("/v1/completions", "/api/generate"):
        return _pretty({"model": model, "prompt": "Gravity is", "max_tokens": 64, "stream": True})
    if path == "/v1/responses":
        return _pretty({"model": model, "input": "What is gravity?", "stream": True})
    messages = [{"role": "user", "content": "What is gravity?"}]
    return _pretty({"model": model, "messages": messages, "max_tokens": 64, "stream": True})


def shown_body(body: bytes, content_type: str, most: int) -> str:
    """Return a body as text, at the most so many characters of its end; of what is none, its size."""
    if content_type and not content_type.startswith(_PRINTED):
        return f"{len(body)} bytes of {content_type}"
    text = body[-4 * most :].decode("utf-8", errors="replace")
    return text[-most:]


def _pretty(body: object) -> str:
    return json.dumps(body, indent=2)


def _check_json(body: str) -> None:
    try:
        json.loads(body)
    except ValueError as error:
        raise Unfit("The body is no JSON: {why}.", why=error) from None


def _headers(text: str) -> list[tuple[str, str]]:
    found = _pairs(text, ":")
    for name, value in found:
        if name.lower() in _NOT_THEIRS:
            raise Unfit("{name} says how the request travels and cannot be stated.", name=name)
        if not name.isascii() or " " in name or not (value.isascii() and (value.isprintable() or not value)):
            raise Unfit("“{line}” is no header: names and values are printable ASCII.", line=f"{name}: {value}")
    return found


def _pairs(text: str, sign: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in (one.strip() for one in text.splitlines()):
        name, has, value = line.partition(sign)
        if not line:
            continue
        if not has or not name.strip():
            raise Unfit(
                "“{line}” has no name: write one per line, with {sign} between name and value.", line=line, sign=sign
            )
        found.append((name.strip(), value.strip()))
    return found
