"""Times as REST shows them: RFC 3339 in UTC with milliseconds. Inside they stay Unix seconds."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = ["Moment", "Timestamp", "rfc3339", "unix_seconds"]

_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def rfc3339(seconds: float) -> str:
    """Return e.g. `2026-11-21T09:00:00.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_seconds(moment: datetime) -> float:
    """Return the seconds since the epoch of a time that says its zone."""
    return moment.timestamp()


def _within(moment: datetime) -> datetime:
    """Refuse what is before 1970 or after 9999 in UTC: no clock here shows it, and no answer could tell it again."""
    if not 0 <= moment.timestamp() <= _LAST:
        raise PydanticCustomError("explained", "Give a time from 1970-01-01 to 9999-12-31, in UTC.")
    return moment


Moment = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_within)]
"""A time that a caller gives, with its zone, in a body or a query."""

Timestamp = Annotated[
    float,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""A field of a response model: give it Unix seconds, JSON shows RFC 3339."""
