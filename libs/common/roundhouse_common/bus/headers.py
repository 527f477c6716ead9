"""The headers of bus messages: CloudEvents names for events, W3C trace context for everything."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from roundhouse_common.contracts.base import Contract
from roundhouse_common.contracts.finance import CloudEvent
from roundhouse_common.runtime import UnixTime
from roundhouse_common.telemetry import inject

__all__ = [
    "EVENT_ID",
    "EXPECTED_REVISION",
    "KV_OPERATION",
    "MESSAGE_ID",
    "cloud_event_headers",
    "event_headers",
    "traced",
]

EVENT_ID = "ce-id"
MESSAGE_ID = "Nats-Msg-Id"
"""JetStream stores one message per id within the duplicate window of the stream."""
EXPECTED_REVISION = "Nats-Expected-Last-Subject-Sequence"
KV_OPERATION = "KV-Operation"
"""`DEL` or `PURGE` marks a deleted key."""


def traced(headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the headers with the current trace context added."""
    carrier = dict(headers or {})
    inject(carrier)
    return carrier


def event_headers(contract: Contract, *, schema: str, source: str, event_id: str, at: UnixTime) -> dict[str, str]:
    """Return the headers of one event, following the CloudEvents NATS binding."""
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return traced(
        {
            "ce-specversion": "1.0",
            EVENT_ID: event_id,
            "ce-source": source,
            "ce-type": contract.subject,
            "ce-time": time,
            "ce-dataschema": f"urn:roundhouse:{contract.subject}:{schema}",
            MESSAGE_ID: event_id,
        }
    )


def cloud_event_headers(event: CloudEvent) -> dict[str, str]:
    """Return the headers of a message whose payload is a CloudEvent: its attributes again, for readers of either mode
    of the CloudEvents NATS binding."""
    subject = {} if event.subject is None else {"ce-subject": quote(event.subject)}
    return traced(
        {
            "content-type": "application/cloudevents+json",
            "ce-specversion": event.specversion,
            EVENT_ID: quote(event.id),
            "ce-source": quote(event.source, safe="/"),
            "ce-type": event.type,
            "ce-time": event.time,
            **subject,
            MESSAGE_ID: quote(event.id),
        }
    )
