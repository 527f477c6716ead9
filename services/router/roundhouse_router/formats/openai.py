"""Providers that speak OpenAI's API: only the model's name, the key and a request for usage are put in."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.answer import read_answer
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.formats import ProviderRequest, StreamTranslator
from roundhouse_router.domain.members import joined, split
from roundhouse_router.domain.refusals import as_openai_error

__all__ = ["OpenAiFormat"]

_PATHS: Final = {
    Operation.CHAT: "/chat/completions",
    Operation.COMPLETION: "/completions",
    Operation.EMBEDDING: "/embeddings",
    Operation.RERANK: "/rerank",
    Operation.IMAGE: "/images/generations",
    Operation.SPEECH: "/audio/speech",
    Operation.TRANSCRIPTION: "/audio/transcriptions",
    Operation.TRANSLATION: "/audio/translations",
}
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_WITH_USAGE: Final = b'{"include_usage":true}'


class OpenAiFormat:
    """OpenAI's own, and all that copy it."""

    stream_type: Final = b"text/event-stream"

    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {secret}"}

    def request(self, body: bytes, model: str, operation: Operation, *, is_stream: bool) -> ProviderRequest:
        if operation not in _PATHS:
            raise BadBody(f"A provider of this kind has no endpoint for {operation.value}.", code="endpoint_not_served")
        try:
            members: dict[str, msgspec.Raw | bytes] = {**split(body)}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadBody(f"The body is not valid JSON: {error}", code="invalid_json") from None
        members["model"] = msgspec.json.encode(model)
        if is_stream and operation in (Operation.CHAT, Operation.COMPLETION):
            members["stream_options"] = _with_usage(members.get("stream_options", b"null"))
        return ProviderRequest(_PATHS[operation], _NO_HEADERS, joined(members))

    def status(self, status: int) -> int:
        return status

    def whole(self, status: int, body: bytes, model: str, operation: Operation) -> bytes:
        if status >= 400:
            return as_openai_error(status, body) or body
        return read_answer(body, model)[0]

    def stream(self, model: str, operation: Operation) -> StreamTranslator:
        return _Untouched()


class _Untouched:
    """What reads OpenAI's streams for engines does so for providers too."""

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def finish(self) -> bytes:
        return b""


def _with_usage(options: msgspec.Raw | bytes) -> bytes:
    try:
        said = split(bytes(options))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _WITH_USAGE
    return joined({**said, "include_usage": b"true"})
