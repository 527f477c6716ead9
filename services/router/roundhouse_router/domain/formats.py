"""The seams between APIs: what clients speak, what outside providers speak, and OpenAI's chat between the two.

A request in another API than the engine's is translated into OpenAI's, and the answer back. Where the engine speaks
the client's API itself the bytes pass untouched, and nothing here is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.tokens import TokenCounts

__all__ = [
    "EVENT_STREAM",
    "NDJSON",
    "Dialect",
    "EndsItself",
    "NativeReader",
    "NativeScanner",
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

    def error(self, error: ApiError, request_id: str = "") -> bytes:
        """Return the body of an error; some APIs say the request's id in it."""

    def refusal(self, status: int, body: bytes) -> bytes:
        """Return an upstream's own error, which is in OpenAI's shape, as this API has it."""

    def stream_error(self, error: ApiError) -> bytes:
        """Return the end of a stream that fails after it began."""


@runtime_checkable
class EndsItself(StreamTranslator, Protocol):
    """A `StreamTranslator` that raises nothing: what cannot be read ends its stream with an error, said in its API.
    Such an end may need what was said before."""

    @property
    def has_error(self) -> bool: ...

    def fail(self, error: ApiError) -> bytes:
        """Return the end of a stream that fails for another reason; empty if it has ended."""


class NativeReader(Protocol):
    """Reads the answers of engines that speak a client's API themselves."""

    def scanner(self, request: ParsedRequest) -> "NativeScanner":
        """Return what reads a stream."""

    def read_native(self, request: ParsedRequest, body: bytes) -> tuple[bytes, TokenCounts | None]:
        """Return a whole answer under the name that the client asked for, and its figures."""


class NativeScanner(Protocol):
    """Reads one stream as it passes. Feed every chunk, send what comes back, and finish at the end."""

    @property
    def usage(self) -> TokenCounts | None:
        """The final figures, once seen."""

    @property
    def is_done(self) -> bool:
        """The event that ends a stream was seen, possibly in the bytes that `feed` just returned."""

    @property
    def has_error(self) -> bool: ...

    def feed(self, chunk: bytes) -> bytes:
        """Return what may go to the client now. Raises UpstreamFailed for a line without an end."""

    def finish(self) -> bytes:
        """Return what is held. Raises UpstreamFailed for a stream that did not come to its end."""

    def so_far(self) -> TokenCounts | None:
        """Return the tokens used until now, for a stream that ends early; None when nothing was produced."""


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """What an outside provider is sent."""

    path: str
    """Below the provider's base address."""
    headers: Mapping[str, str]
    """Without the key, and without what every JSON request has."""
    body: bytes


class UpstreamFormat(Protocol):
    """An API that an outside provider speaks."""

    @property
    def stream_type(self) -> bytes:
        """What the content type of its streams begins with."""

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
