"""OpenAI's interfaces for images and sound: what is read of their requests, in JSON or as a form.

| path | body | answer |
|---|---|---|
| `/v1/images/generations` | JSON | JSON, or events |
| `/v1/images/edits`, `/v1/images/variations` | form (edits: JSON too) | JSON, or events |
| `/v1/audio/speech` | JSON | sound as it is made, or events |
| `/v1/audio/transcriptions`, `/v1/audio/translations` | form | JSON, text, subtitles, or events |

Engines speak these interfaces themselves, so bodies and answers pass as they are; only the model's name is replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.dialects.media_multipart import FormReader
from roundhouse_router.dialects.media_usage import wav_ms
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.members import joined, split
from roundhouse_router.domain.request import parse

__all__ = ["MEDIA", "MediaPath", "MediaRequest", "form_splice", "is_form", "read_form", "read_json", "with_model"]

_FORM: Final = b"multipart/form-data"
_JSON: Final = b"application/json"
_text: Final = msgspec.json.Decoder(str)
_anything: Final = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class MediaPath:
    """One interface."""

    api: str
    operation: Operation
    feature: Feature
    has_form: bool
    has_json: bool


MEDIA: Final[Mapping[str, MediaPath]] = MappingProxyType(
    {
        "/v1/images/generations": MediaPath("openai.images.generations", Operation.IMAGE, Feature.IMAGES, False, True),
        "/v1/images/edits": MediaPath("openai.images.edits", Operation.IMAGE, Feature.IMAGES, True, True),
        "/v1/images/variations": MediaPath("openai.images.variations", Operation.IMAGE, Feature.IMAGES, True, False),
        "/v1/audio/speech": MediaPath("openai.audio.speech", Operation.SPEECH, Feature.SPEECH, False, True),
        "/v1/audio/transcriptions": MediaPath(
            "openai.audio.transcriptions", Operation.TRANSCRIPTION, Feature.TRANSCRIPTIONS, True, False
        ),
        "/v1/audio/translations": MediaPath(
            "openai.audio.translations", Operation.TRANSLATION, Feature.TRANSLATIONS, True, False
        ),
    }
)
"""By path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRequest:
    """What routing, limits and the usage record need."""

    model: str
    is_stream: bool
    """Events are asked for. Sound comes as it is made in any case."""
    user: str = ""
    images: int = 0
    """How many are asked for."""
    input_characters: int = 0
    """Of the text to be spoken."""
    audio_ms: int = 0
    """Length of the sound that was sent, where its header tells (WAV)."""


def is_form(media: MediaPath, content_type: bytes) -> bool:
    """Whether the body is a form. Raises BadBody for a kind of body that the interface does not have."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == _FORM and media.has_form:
        return True
    if media.has_json and kind != _FORM:
        return False
    wanted = " or ".join(name.decode() for name, has in ((_FORM, media.has_form), (_JSON, media.has_json)) if has)
    raise BadBody(f"The body must be {wanted}, not {kind[:80].decode('latin-1')!r}.", code="invalid_content_type")


def read_json(media: MediaPath, body: bytes) -> MediaRequest:
    """Return what is needed of a JSON body. Raises BadBody."""
    parsed = parse(body, media.operation)
    members = parsed.members
    stream = _read(members.get("stream")) is True or _read(members.get("stream_format")) == "sse"
    return MediaRequest(
        model=parsed.model,
        is_stream=stream,
        user=parsed.user,
        images=parsed.choices if media.operation is Operation.IMAGE else 0,
        input_characters=_characters(members.get("input")) if media.operation is Operation.SPEECH else 0,
    )


def read_form(media: MediaPath, form: FormReader) -> MediaRequest:
    """Return what is needed of a form of which at least the model has passed. Raises BadBody."""
    fields = form.fields
    if "model" not in fields:
        raise BadBody("You must provide a model parameter.", param="model", code="missing_required_parameter")
    count = fields.get("n", "1")
    sound = form.files[0] if form.files and media.operation is not Operation.IMAGE else None
    return MediaRequest(
        model=fields["model"],
        is_stream=fields.get("stream", "").lower() in ("true", "1", "on"),
        user=fields.get("user", ""),
        images=(int(count) if count.isdecimal() else 1) if media.operation is Operation.IMAGE else 0,
        audio_ms=wav_ms(sound.head, sound.size) if sound is not None else 0,
    )


def form_splice(form: FormReader, served_model: str) -> tuple[int, int, bytes]:
    """Return which bytes of the body the engine gets something else for: begin, end, and its own name of the model.

    Raises BadBody for a name that a form cannot carry.
    """
    assert form.model_span is not None
    name = served_model.encode()
    if b"\r\n" in name:
        raise BadBody("The engine's name of the model cannot be put into a form.")
    return (*form.model_span, name)


def with_model(body: bytes, served_model: str) -> bytes:
    """Return a JSON body with the engine's own name of the model."""
    return joined({**split(body), "model": msgspec.json.encode(served_model)})


def _read(raw: "msgspec.Raw | None") -> object:
    if raw is None:
        return None
    try:
        value: object = _anything.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value


def _characters(raw: "msgspec.Raw | None") -> int:
    if raw is None:
        return 0
    try:
        return len(_text.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
