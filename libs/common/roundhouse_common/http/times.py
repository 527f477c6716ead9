"""Times as REST shows them: RFC 3339 in UTC with milliseconds. Inside they stay Unix seconds."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import PlainSerializer, WithJsonSchema

__all__ = ["Timestamp", "rfc3339", "unix_seconds"]


def rfc3339(seconds: float) -> str:
    """Return e.g. `2026-11-21T09:00:00.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_seconds(moment: datetime) -> float:
    """Return the seconds since the epoch of a time that says its zone."""
    return moment.timestamp()


Timestamp = Annotated[
    float,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""A field of a response model: give it Unix seconds, JSON shows RFC 3339."""
