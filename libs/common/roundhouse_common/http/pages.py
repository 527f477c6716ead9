"""Cursor pagination: `?limit=&cursor=` in, `{"items": [...], "next_cursor": ...}` out."""

import base64
import binascii
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel, Field

from roundhouse_common.errors import FieldError, InvalidInput

__all__ = ["MAX_LIMIT", "Page", "PageRequest", "cursor_for", "moment_of", "page_of", "page_request"]

MAX_LIMIT: Final = 200
_VERSION: Final = b"2:"
_MAX_KEY_CHARS: Final = 200

R = TypeVar("R")
T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a listing."""

    items: list[T]
    next_cursor: str | None = Field(default=None, description="Send it as `cursor` for the next page; null at the end.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """What a repository needs: up to `limit` rows after the one with key `after`, in the listing's order."""

    limit: int
    after: str | None = None
    listing: str = ""
    """What the cursors of this listing are marked with: one of another listing would skip or repeat in silence."""

    @property
    def fetch(self) -> int:
        """How many rows to select: one more than the page, which tells whether there is a next one."""
        return self.limit + 1


def page_request(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items per page.")] = 50,
    cursor: Annotated[str | None, Query(max_length=400, description="`next_cursor` of the page before.")] = None,
) -> PageRequest:
    """Read the query parameters (a FastAPI dependency). Raises InvalidInput for a cursor that is not ours."""
    listing = f"{zlib.crc32(request.url.path.encode(errors='replace')):08x}"
    return PageRequest(limit=limit, after=None if cursor is None else _decode(cursor, listing), listing=listing)


def page_of(rows: Sequence[R], request: PageRequest, *, key: Callable[[R], str], item: Callable[[R], T]) -> Page[T]:
    """Build the page from up to `request.fetch` rows. `key` must be unique and be what the rows are ordered by."""
    shown = rows[: request.limit]
    has_more = len(rows) > request.limit
    return Page(
        items=[item(row) for row in shown], next_cursor=_encode(key(shown[-1]), request.listing) if has_more else None
    )


def cursor_for(key: str, request: PageRequest) -> str:
    """Return the cursor of a page that goes on behind this key, which need not be that of a row."""
    return _encode(key, request.listing)


def moment_of(after: str) -> tuple[float, str]:
    """Read the key `time/id` of a listing that is ordered by time. Raises InvalidInput for any other key."""
    time, separator, identifier = after.partition("/")
    try:
        at = float(time)
    except ValueError:
        raise _bad_cursor() from None
    if not separator or not math.isfinite(at):
        raise _bad_cursor()
    return at, identifier


def _encode(key: str, listing: str) -> str:
    return base64.urlsafe_b64encode(_VERSION + f"{listing}:{key}".encode()).rstrip(b"=").decode("ascii")


def _decode(cursor: str, listing: str) -> str:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        of, separator, key = raw.removeprefix(_VERSION).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None
    if not raw.startswith(_VERSION) or not separator or not key.isprintable() or not 0 < len(key) <= _MAX_KEY_CHARS:
        raise _bad_cursor()
    if of != listing:
        message = "It is a cursor of another listing; a `next_cursor` goes on where its own page ended."
        raise InvalidInput(f"cursor: {message}", FieldError("cursor", message))
    return key


def _bad_cursor() -> InvalidInput:
    message = "It is not a cursor of this API; send a `next_cursor` unchanged, or none for the first page."
    return InvalidInput(f"cursor: {message}", FieldError("cursor", message))
