"""Images and sound on their way: to engines and providers that have OpenAI's interface, as they are."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.routing import ProviderFormat
from roundhouse_router.api.course import Course, StreamReader
from roundhouse_router.api.interface import Interface
from roundhouse_router.api.media_upload import Splice, Upload
from roundhouse_router.dialects.media import MediaRequest, form_splice, with_model
from roundhouse_router.dialects.media_multipart import quoted
from roundhouse_router.dialects.media_usage import MediaCounts, MediaEvents, counts_of_answer, wav_ms
from roundhouse_router.domain.choosing.candidate import Candidate
from roundhouse_router.domain.errors import EndpointNotServed
from roundhouse_router.domain.formats import UpstreamFormat
from roundhouse_router.domain.request import MediaFigures, ParsedRequest
from roundhouse_router.domain.tokens import TokenCounts

__all__ = ["MediaAsked", "media_course"]

_V1: Final = "/v1"
_EVENTS: Final = b"text/event-stream"
_TRANSLATABLE: Final = ("/v1/images/generations",)
"""What formats of providers other than OpenAI's may have."""


class MediaAsked(ParsedRequest):
    """A request for images or sound. Its body is JSON, or comes as an upload."""

    __slots__ = ("boundary", "upload")

    def __init__(self, asked: MediaRequest, *, body: bytes = b"", boundary: bytes = b"", upload: Upload | None = None):
        super().__init__(
            model=asked.model,
            is_stream=asked.is_stream,
            wants_usage=True,
            max_tokens=None,
            body=body,
            members=None if body else {},
            user=asked.user,
            choices=max(1, asked.images),
        )
        self.boundary = boundary
        self.upload = upload
        self.figures = MediaFigures(audio_ms=asked.audio_ms, input_characters=asked.input_characters)

    def learn(self, told: MediaCounts) -> None:
        """Take in what an answer told; the length of a sound that it did not tell is read from what was sent."""
        figures = self.figures
        assert figures is not None
        figures.images = told.images
        figures.audio_ms = told.audio_ms
        if self.upload is not None and not told.audio_ms and not told.images:
            figures.audio_ms = sum(wav_ms(file.head, file.size) for file in self.upload.form.files)


class MediaCourse(Course):
    """Sends the body as it is but for the model's name, and passes on whatever comes back."""

    __slots__ = ("_asked", "_has_events", "_splice")

    def __init__(
        self,
        interface: Interface,
        asked: MediaAsked,
        *,
        path: str,
        model: str,
        engine: EngineKind,
        provider_format: UpstreamFormat | None,
    ) -> None:
        body, self._splice = asked.body, _splice(asked, model)
        upload = asked.upload
        if upload is not None and upload.is_small:
            body = upload.whole(self._splice)
        elif upload is None and model != asked.model:
            body = with_model(body, model)
        super().__init__(
            *(interface, asked, asked), path=path, body=body, headers={}, engine=engine, provider_format=provider_format
        )
        self._asked = asked
        self._has_events = False

    @property
    def content_type(self) -> bytes | None:
        if self._asked.upload is None:
            return None
        return b"multipart/form-data; boundary=" + quoted(self._asked.boundary)

    def chunks(self) -> AsyncIterator[bytes] | None:
        upload = self._asked.upload
        return None if upload is None or upload.is_small else upload.chunks(self._splice)

    def is_live(self, status: int, kind: bytes) -> bool:
        """Sound is passed on as it is made; JSON and text are read whole, for their figures."""
        self._has_events = kind.startswith(_EVENTS)
        return status == 200 and kind.startswith((_EVENTS, b"audio/", b"application/octet-stream", b"image/"))

    def has_content(self, piece: bytes) -> bool:
        return not self._has_events or not piece.startswith(b":")

    def stream_type(self, kind: bytes) -> bytes | None:
        return kind

    def whole(self, status: int, body: bytes) -> tuple[bytes, TokenCounts | None]:
        told = counts_of_answer(body)
        self._asked.learn(told)
        return body, told.tokens

    def error_body(self, status: int, body: bytes) -> bytes:
        return body

    def stream(self) -> StreamReader:
        return _MediaReader(self._asked) if self._has_events else _SoundReader(self._asked)

    @property
    def is_rewritten(self) -> bool:
        return False

    @property
    def ends_with_done(self) -> bool:
        return False

    @property
    def tells_errors(self) -> bool:
        return self._has_events


class _MediaReader:
    """Watches an answer pass."""

    def __init__(self, asked: MediaAsked) -> None:
        self._asked = asked
        self._events = MediaEvents()

    @property
    def usage(self) -> TokenCounts | None:
        return self._events.counts.tokens

    @property
    def is_done(self) -> bool:
        return False

    @property
    def has_error(self) -> bool:
        return self._events.has_error

    def feed(self, chunk: bytes) -> bytes:
        self._events.feed(chunk)
        return chunk

    def finish(self) -> bytes:
        self._events.finish()
        return b""

    def so_far(self) -> TokenCounts | None:
        self._asked.learn(self._events.counts)
        return self._events.counts.tokens


class _SoundReader(_MediaReader):
    """Bytes of sound have no lines."""

    def feed(self, chunk: bytes) -> bytes:
        return chunk


class _TranslatedImages(Course):
    """Images by a provider with an API of its own, made OpenAI's and counted."""

    __slots__ = ("_asked",)

    def __init__(self, interface: Interface, asked: MediaAsked, model: str, provider_format: UpstreamFormat) -> None:
        made = provider_format.request(asked.body, model, interface.operation, is_stream=False)
        super().__init__(
            *(interface, asked, asked),
            path=made.path,
            body=made.body,
            headers=made.headers,
            engine=EngineKind.UNKNOWN,
            provider_format=provider_format,
        )
        self._asked = asked

    def whole(self, status: int, body: bytes) -> tuple[bytes, TokenCounts | None]:
        body, counts = super().whole(status, body)
        self._asked.learn(counts_of_answer(body))
        return body, counts


def media_course(
    interface: Interface, asked: MediaAsked, candidate: Candidate, formats: Mapping[ProviderFormat, UpstreamFormat]
) -> Course:
    """Return how the request goes to this endpoint. Raises EndpointNotServed for a provider that has it not."""
    provider = candidate.provider
    if provider is None:
        assert candidate.endpoint is not None
        engine = candidate.endpoint.engine
        return MediaCourse(
            *(interface, asked), path=interface.path, model=candidate.model, engine=engine, provider_format=None
        )
    if provider.format is not ProviderFormat.OPENAI:
        if interface.path not in _TRANSLATABLE:
            raise EndpointNotServed(f"The provider of the model `{asked.model}` has nothing like {interface.path}.")
        return _TranslatedImages(interface, asked, candidate.model, formats[provider.format])
    return MediaCourse(
        *(interface, asked),
        path=interface.path.removeprefix(_V1),
        model=candidate.model,
        engine=EngineKind.UNKNOWN,
        provider_format=formats[provider.format],
    )


def _splice(asked: MediaAsked, model: str) -> Splice | None:
    if asked.upload is None or model == asked.model:
        return None
    return form_splice(asked.upload.form, model)
