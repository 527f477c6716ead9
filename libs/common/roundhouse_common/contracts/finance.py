"""What metering tells finance tools: CloudEvents, the same on the bus, by webhooks and over REST."""

from typing import Any

from roundhouse_common.contracts.base import Message

__all__ = ["CloudEvent"]


class CloudEvent(Message, frozen=True, kw_only=True):
    """A CloudEvent 1.0 in its JSON format. The same id always means the same content, so that whoever gets it twice can
    tell."""

    id: str
    source: str
    type: str
    time: str
    """RFC 3339."""
    data: dict[str, Any]  # Any: whatever JSON can be; its fields go by the type (docs/how-to/export-usage.md)
    subject: str | None = None
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
