"""How one request goes to one endpoint, and how the answer is read there: untouched, or by way of OpenAI's API.

client's API ── native ───────────────────────────────────────> engine that has it
client's API ── dialect ──> OpenAI ───────────────────────────> engine
client's API ── dialect ──> OpenAI ── the provider's format ──> outside API
"""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import ProviderFormat
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.api.interface import Interface
from roundhouse_router.dialects.fitting import fitting
from roundhouse_router.dialects.native import provider_speaks, speaks
from roundhouse_router.domain.answer import read_answer
from roundhouse_router.domain.cache_salts import SALTED, UNSALTED_APIS
from roundhouse_router.domain.choosing.candidate import Candidate
from roundhouse_router.domain.defaults import NOTHING_ADDED, added_by
from roundhouse_router.domain.engines import OLD_LIMIT_ONLY, RIGHT_USAGE, RUNNING
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.features import PATHS
from roundhouse_router.domain.formats import EndsItself, StreamTranslator, UpstreamFormat
from roundhouse_router.domain.request import ParsedRequest, outgoing, parse
from roundhouse_router.domain.startup import has_content
from roundhouse_router.domain.stream import StreamScanner
from roundhouse_router.domain.tokens import TokenCounts
from roundhouse_router.domain.translating import Translation

__all__ = ["Course", "StreamReader", "course_to"]

_EVENT_STREAM: Final = b"text/event-stream"
_VERSION: Final = "/v1"
"""The base addresses of providers end with it."""
_VERSION_HEADERS: Final = {"anthropic-version": "2023-06-01"}
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class StreamReader(Protocol):
    """Reads a stream as it passes."""

    @property
    def usage(self) -> TokenCounts | None:
        """The final figures, once seen."""

    @property
    def is_done(self) -> bool:
        """The end was seen, possibly in the bytes that `feed` just returned."""

    @property
    def has_error(self) -> bool:
        """An error was reported inside the stream."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what may go to the client now. Raises UpstreamFailed."""

    def finish(self) -> bytes:
        """Return what is still held."""

    def so_far(self) -> TokenCounts | None:
        """Return the tokens used until now, for a stream that ends early; None when nothing was produced."""


class Course:
    """What is sent, and what is made of the answer."""

    __slots__ = (
        "_authorizes",
        "_endpoint_engine",
        "_format",
        "_interface",
        "_probe",
        "_sent",
        "body",
        "headers",
        "path",
        "request",
    )

    def __init__(
        self,
        interface: Interface,
        request: ParsedRequest,
        sent: ParsedRequest,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        engine: EngineKind,
        provider_format: UpstreamFormat | None = None,
        authorizes: UpstreamFormat | None = None,
    ) -> None:
        self._interface = interface
        self._sent = sent
        self._endpoint_engine = engine
        self._format = provider_format
        self._authorizes = authorizes or provider_format
        """Also of a provider whose answers need no translation."""
        self._probe: StreamTranslator | None = None
        self.request = request
        self.path = path
        self.body = body
        self.headers = headers
        """Those of the provider's API."""

    def whole(self, status: int, body: bytes) -> tuple[bytes, TokenCounts | None]:
        """Return an answer (status 200) for the client, and the tokens that it reports."""
        if self._format is not None:
            body = self._format.whole(status, body, self.request.model, self._interface.operation)
        if self._is_native and self._interface.native is not None:
            return self._interface.native.read_native(self.request, body)
        body, counts = read_answer(body, self.request.model)
        if self._is_translated:
            assert self._interface.dialect is not None
            body = self._interface.dialect.whole(self.request, body)
        return body, counts

    def status(self, status: int) -> int:
        """Return the upstream's status as OpenAI has it."""
        return status if self._authorizes is None else self._authorizes.status(status)

    @property
    def content_type(self) -> bytes | None:
        """Of the body; None: JSON."""
        return None

    def chunks(self) -> AsyncIterator[bytes] | None:
        """Return the body as it comes, from its beginning; None: it is here, as `body`."""
        return None

    def is_live(self, status: int, kind: bytes) -> bool:
        """Whether an answer with this content type is passed on piece by piece. Asked once, before `stream`."""
        wanted = _EVENT_STREAM if self._format is None else self._format.stream_type
        return status == 200 and kind.startswith(wanted)

    def has_content(self, piece: bytes) -> bool:
        """Whether a piece of a stream holds something to show: from then on no other endpoint is asked.

        Pieces come in order, and an empty one at the end. Raises UpstreamFailed for a provider's stream that fails.
        """
        if self._format is None:
            return has_content(piece)
        if self._probe is None:
            self._probe = self._format.stream(self.request.model, self._interface.operation)
        return has_content(self._probe.feed(piece) if piece else self._probe.finish())

    def stream_type(self, kind: bytes) -> bytes | None:
        """Return the content type of a stream for the client; None: that of its API."""
        return None

    @property
    def tells_errors(self) -> bool:
        """Whether a failure can be told inside the stream."""
        return True

    def authorization(self, secret: str) -> Mapping[str, str]:
        """Return the headers that carry a provider's key."""
        return self._authorizes.authorization(secret) if self._authorizes is not None and secret else _NO_HEADERS

    def error_body(self, status: int, body: bytes) -> bytes:
        """Return an error of the upstream in OpenAI's shape, or as it is where only the engine's own is known."""
        return (
            body
            if self._format is None
            else self._format.whole(status, body, self.request.model, self._interface.operation)
        )

    def refusal(self, status: int, body: bytes) -> bytes:
        """Return an error that is in OpenAI's shape as the client's API has it."""
        dialect = self._interface.dialect
        return body if dialect is None else dialect.refusal(status, body)

    def stream(self) -> StreamReader:
        if self._is_native and self._interface.native is not None:
            return self._interface.native.scanner(self.request)
        running = RUNNING.get(self._endpoint_engine) if self._endpoint_engine is not EngineKind.UNKNOWN else None
        scanner = StreamScanner(
            requested=self.request.model,
            strip_usage=not self._sent.wants_usage,
            running=running,
            strip_running=running is not None
            and running.parameter not in self._sent.members
            and not self._is_translated,
            moves_usage=self._format is None and self._endpoint_engine not in RIGHT_USAGE,
        )
        dialect = self._interface.dialect if self._is_translated else None
        before = (
            self._format.stream(self.request.model, self._interface.operation) if self._format is not None else None
        )
        if dialect is None and before is None:
            return scanner
        return _Translated(before, scanner, dialect.stream(self.request) if dialect is not None else None)

    @property
    def is_rewritten(self) -> bool:
        """Whether the answer is made anew, by a translator that also says when it ends."""
        return self._format is not None or self._is_translated

    @property
    def told_in_openai(self) -> ParsedRequest | None:
        """The request that an engine of ours was sent in OpenAI's API, and answers in; None: it is in another one."""
        return None if self._format is not None or self._is_native else self._sent

    @property
    def _is_native(self) -> bool:
        """Whether the engine got the client's own bytes, in an API that is not OpenAI's."""
        return self._interface.dialect is not None and self._sent is self.request

    @property
    def ends_with_done(self) -> bool:
        """Whether the stream is an engine's own in OpenAI's API, which ends with `[DONE]`."""
        return self._format is None and self._interface.dialect is None

    @property
    def _is_translated(self) -> bool:
        return self._interface.dialect is not None and self._sent is not self.request


class _Translated:
    """A scanner of OpenAI's stream between two translators."""

    def __init__(self, before: StreamTranslator | None, scanner: StreamScanner, after: StreamTranslator | None) -> None:
        self._before = before
        self._scanner = scanner
        self._after = after

    @property
    def usage(self) -> TokenCounts | None:
        return self._scanner.usage

    @property
    def is_done(self) -> bool:
        return self._scanner.is_done

    @property
    def has_error(self) -> bool:
        return (
            self._scanner.has_error
            or (isinstance(self._before, Translation) and self._before.has_failed)
            or (isinstance(self._after, Translation) and self._after.has_failed)
            or (isinstance(self._after, EndsItself) and self._after.has_error)
        )

    def fail(self, error: ApiError) -> bytes:
        """Return the end of a stream that fails; empty if the translation has none of its own."""
        return self._after.fail(error) if isinstance(self._after, EndsItself) else b""

    def feed(self, chunk: bytes) -> bytes:
        data = self._scanner.feed(chunk if self._before is None else self._before.feed(chunk))
        return data if self._after is None else self._after.feed(data)

    def finish(self) -> bytes:
        data = b"" if self._before is None else self._scanner.feed(self._before.finish())
        data += self._scanner.finish()
        return data if self._after is None else self._after.feed(data) + self._after.finish()

    def so_far(self) -> TokenCounts | None:
        return self._scanner.so_far()


def course_to(
    interface: Interface, request: ParsedRequest, candidate: Candidate, formats: Mapping[ProviderFormat, UpstreamFormat]
) -> Course:
    """Return how the request goes to this endpoint. Raises BadBody for what its API cannot say."""
    endpoint, deployment, dialect = candidate.endpoint, candidate.deployment, interface.dialect
    is_spoken = False
    if dialect is not None and endpoint is not None and deployment is not None:
        is_mute = bool(candidate.salt) and (endpoint.engine, interface.feature) in UNSALTED_APIS
        is_spoken = not is_mute and speaks(deployment, endpoint, interface.feature)
    provider = candidate.provider
    if dialect is not None and provider is not None and provider_speaks(provider, interface.feature):
        return _spoken_to(interface, request, candidate, formats[provider.format])
    engine = endpoint.engine if endpoint is not None else EngineKind.UNKNOWN
    sent, path = request, interface.path
    if dialect is not None and not is_spoken:
        made = fitting(dialect.to_openai(request), request.body, engine, provider.format if provider else None)
        sent = parse(made, interface.operation)
        path = PATHS[interface.operation]
    if provider is not None:
        provider_format = formats[provider.format]
        asked = provider_format.request(sent.body, candidate.model, interface.operation, is_stream=sent.is_stream)
        return Course(
            *(interface, request, sent),
            path=asked.path,
            body=asked.body,
            headers=asked.headers,
            engine=engine,
            provider_format=provider_format,
        )
    body = outgoing(
        sent,
        candidate.model,
        None if is_spoken else RUNNING.get(engine),
        _added(candidate, sent, interface.operation, engine),
        engine in OLD_LIMIT_ONLY,
        candidate.salt if engine in SALTED else b"",
    )
    return Course(interface, request, sent, path, body, _NO_HEADERS, engine)


def _spoken_to(
    interface: Interface, request: ParsedRequest, candidate: Candidate, provider_format: UpstreamFormat
) -> Course:
    """Return how the client's own bytes go to a provider of the same API."""
    return Course(
        *(interface, request, request),
        path=interface.path.removeprefix(_VERSION),
        body=outgoing(request, served_model=candidate.model, running=None),
        headers=_VERSION_HEADERS if interface.feature is Feature.MESSAGES else _NO_HEADERS,
        engine=EngineKind.UNKNOWN,
        provider_format=None,
        authorizes=provider_format,
    )


def _added(candidate: Candidate, sent: ParsedRequest, operation: Operation, engine: EngineKind) -> Mapping[str, bytes]:
    deployment = candidate.deployment
    if deployment is None or deployment.defaults is None:
        return NOTHING_ADDED
    return added_by(deployment.defaults, sent.members, operation, engine)
