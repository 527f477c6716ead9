"""The seams between APIs: what clients speak, what outside providers speak, and OpenAI's chat between the two.

A request in another API than the engine's is translated into OpenAI's, and the answer back. Where the engine speaks
the client's API itself the bytes pass untouched, and nothing here is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.request import ParsedRequest

__all__ = [
    "EVENT_STREAM",
    "NDJSON",
    "Dialect",
    "ProviderRequest",
    "StreamTranslator",
    "UpstreamFormat",
]

EVENT_STREAM: Final = b"text/event-stream; charset=utf-8"
NDJSON: Final = b"application/x-ndjson"


class StreamTranslator(Protocol):
    """One stream on its way from one API to another. Chunk boundaries mean nothing.

    Both raise UpstreamFailed for what cannot be read; everything that could be was returned before.
    """

    def feed(self, chunk: bytes) -> bytes:
        """Return what may go out now; empty while a line is not whole."""

    def finish(self) -> bytes:
        """Return the end: what was held, and what the other API ends a stream with."""


class Dialect(Protocol):
    """An API that clients speak, on one path."""

    @property
    def api(self) -> str:
        """For usage records and metrics: `anthropic.messages`."""

    @property
    def operation(self) -> Operation: ...

    @property
    def native(self) -> Feature | None:
        """An engine that has this endpoint gets the client's own bytes; None: no engine has it."""

    @property
    def stream_type(self) -> bytes:
        """The content type of its streams."""

    def read(self, body: bytes, path: str) -> ParsedRequest:
        """Return what the router needs of a body. Raises BadBody."""

    def to_openai(self, request: ParsedRequest) -> bytes:
        """Return the body for OpenAI's endpoint of the same operation; streams ask for usage. Raises BadBody."""

    def whole(self, request: ParsedRequest, body: bytes) -> bytes:
        """Return OpenAI's answer (status 200) as this API has it. Raises UpstreamFailed for one that it cannot say."""

    def stream(self, request: ParsedRequest) -> StreamTranslator:
        """Return what turns OpenAI's stream, which has usage, into this API's."""

    def error(self, error: ApiError) -> bytes:
        """Return the body of an error."""

    def stream_error(self, error: ApiError) -> bytes:
        """Return the end of a stream that fails after it began."""


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """What an outside provider is sent."""

    path: str
    """Below the provider's base address."""
    headers: Mapping[str, str]
    """Without the key."""
    body: bytes


class UpstreamFormat(Protocol):
    """An API that an outside provider speaks."""

    def authorization(self, secret: str) -> Mapping[str, str]:
        """Return the headers that carry a key."""

    def request(self, body: bytes, model: str, operation: Operation, *, is_stream: bool) -> ProviderRequest:
        """Return OpenAI's body for this API and model. Raises BadBody for what it cannot say."""

    def status(self, status: int) -> int:
        """Return the status that OpenAI would have used: some APIs have their own."""

    def whole(self, status: int, body: bytes, model: str, operation: Operation) -> bytes:
        """Return its answer or error as OpenAI has it, under the model's name. Raises UpstreamFailed."""

    def stream(self, model: str, operation: Operation) -> StreamTranslator:
        """Return what turns its stream into OpenAI's, with usage and `[DONE]`."""
