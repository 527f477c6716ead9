"""Reading a request for images or sound as far as routing needs it."""

from pathlib import Path

from roundhouse_router.api.media_course import MediaAsked
from roundhouse_router.api.media_upload import Upload
from roundhouse_router.dialects.media import MediaPath, is_form, read_form, read_json
from roundhouse_router.dialects.media_multipart import FormReader, boundary_of
from roundhouse_router.domain.reuse import IDEMPOTENCY_HEADER
from roundhouse_router.settings import RouterSettings
from roundhouse_router.wire.exchange import Exchange

__all__ = ["identity_of", "read_media"]


async def read_media(media: MediaPath, exchange: Exchange, settings: RouterSettings) -> MediaAsked:
    """Read a JSON body, or a form up to its model's name; the rest of a form is read on the way to the engine. Small
    ones and those with an Idempotency-Key are read whole. Raises BadBody, BodyTooLarge, ClientLeft."""
    content_type = exchange.headers.get(b"content-type", b"")
    if not is_form(media, content_type):
        body = await exchange.read_body(settings.max_body_bytes)
        return MediaAsked(read_json(media, body), body=body)
    boundary = boundary_of(content_type)
    has_identity = IDEMPOTENCY_HEADER in exchange.headers
    upload = Upload(
        exchange.body_chunks(settings.max_body_bytes),
        FormReader(boundary, is_digested=has_identity),
        memory_bytes=settings.upload_memory_bytes,
        directory=Path(settings.state_dir),
    )
    announced = exchange.headers.get(b"content-length", b"")
    if has_identity or (announced.isdigit() and int(announced) <= settings.upload_memory_bytes):
        await upload.rest()
    else:
        await upload.until_model()
    return MediaAsked(read_form(media, upload.form), boundary=boundary, upload=upload)


def identity_of(asked: MediaAsked) -> bytes:
    """Return what an Idempotency-Key stands for besides the path: the body, or the parts of a form, whose boundary is
    another one each time. Only for a form that was read whole."""
    return asked.body if asked.upload is None else asked.upload.form.digest()
