"""What every answer has: the request's id, and errors in the shape of the client's API."""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import Final

from roundhouse_router.api.early import Headers
from roundhouse_router.api.interface import Interface
from roundhouse_router.domain.errors import ApiError, Internal
from roundhouse_router.wire.errors import ClientLeft
from roundhouse_router.wire.exchange import Exchange
from roundhouse_router.wire.heads import lines_of

__all__ = ["answer_error", "answered", "id_headers", "id_lines"]

_JSON: Final = (b"content-type", b"application/json")
_GIVEN_ID: Final = re.compile(rb"[!-~]{1,128}")
_ID_HEADER: Final = b"x-request-id"
_ID_LINE: Final = b"x-request-id: "
_RECORD_HEADER: Final = b"x-roundhouse-request-id"


def id_headers(headers: Mapping[bytes, bytes], request_id: str) -> Headers:
    """Return the headers that name the request: by the client's own id, or by that of the usage record."""
    given = headers.get(_ID_HEADER)
    if given is None or not _GIVEN_ID.fullmatch(given):
        return [(_ID_HEADER, request_id.encode())]
    return [(_ID_HEADER, given), (_RECORD_HEADER, request_id.encode())]


def id_lines(headers: Mapping[bytes, bytes], request_id: str) -> bytes:
    """Return the same as an answer has them."""
    if _ID_HEADER in headers:
        return lines_of(id_headers(headers, request_id))
    return b"".join((_ID_LINE, request_id.encode(), b"\r\n"))


async def answered(
    exchange: Exchange, interface: Interface | None, headers: Headers, answering: Awaitable[None]
) -> None:
    """Await what answers; an error of it is the answer."""
    is_defect = True
    try:
        await answering
        is_defect = False
    except ApiError as error:
        is_defect = False
        answer_error(exchange, interface, error, headers)
    except ClientLeft:
        is_defect = False
    except asyncio.CancelledError:
        is_defect = False
        raise
    finally:  # the defect itself goes on to the server, which logs it
        if is_defect and not exchange.is_started:
            answer_error(exchange, interface, Internal("The router failed. Its log says why."), headers)


def answer_error(exchange: Exchange, interface: Interface | None, error: ApiError, headers: Headers) -> None:
    """Send an error, unless an answer has begun."""
    if exchange.is_started:
        return
    extra = [_JSON, *error.headers]
    if error.retry_after_s and not any(name == b"retry-after" for name, _ in extra):
        extra.append((b"retry-after", b"%d" % error.retry_after_s))
    if error.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    dialect = interface.dialect if interface is not None else None
    body = error.body() if dialect is None else dialect.error(error, headers[0][1].decode())
    exchange.answer(error.status, [*headers, *extra], body)
