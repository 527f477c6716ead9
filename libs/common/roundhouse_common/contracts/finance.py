"""What metering tells finance tools: CloudEvents, the same on the bus, by webhooks and over REST."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from roundhouse_common.contracts.base import Message

__all__ = ["RESERVED_TYPES", "CloudEvent", "StorageHour", "TrainingJob"]


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


class StorageHour(Message, frozen=True, kw_only=True):
    """What lay in a storage during an hour, as the data of a CloudEvent. Reserved: nothing sends it yet."""

    storage_hour_id: str
    """The event's id: of the resource and the hour."""
    tenant_id: str
    project_id: str = ""
    user_id: str = ""
    """Who put it there; empty: nobody in particular."""
    resource_id: str
    resource_kind: str = ""
    """E.g. `model`, `adapter`, `dataset`, `volume`."""
    node_id: str = ""
    """Empty: not on a single node."""
    region: str = ""
    storage_class: str = ""
    """As the operator names kinds of storage."""
    since: str
    """RFC 3339, as all times here."""
    until: str
    """Within the hour of `since`."""
    bytes: int
    """The most that lay there in that time."""
    byte_seconds: int
    """Bytes times seconds: what `per_gib_hour` prices."""
    recorded_at: str
    cost_nano: int | None = None
    """Null: it had no price."""
    price_id: str = ""
    currency: str = ""


class TrainingJob(Message, frozen=True, kw_only=True):
    """A training job that has ended, as the data of a CloudEvent. Reserved: nothing sends it yet."""

    job_id: str
    """The event's id, too."""
    tenant_id: str
    project_id: str = ""
    user_id: str = ""
    key_id: str = ""
    resource_id: str
    """What was made: a model or an adapter; empty: nothing, it failed."""
    base_model: str
    method: str = ""
    """E.g. `lora`, `full`."""
    outcome: str
    """`completed`, `failed` or `aborted`."""
    node_ids: tuple[str, ...] = ()
    region: str = ""
    device_class: str
    """Model of the accelerators; `cpu` without."""
    devices: int
    """How many at once; 0 without."""
    since: str
    """RFC 3339, as all times here: when it got its devices."""
    until: str
    job_ms: int
    """How long it held them."""
    device_ms: int
    """That times the devices: what `per_device_second` prices."""
    trained_tokens: int = 0
    """Over all epochs; 0: not known."""
    recorded_at: str
    cost_nano: int | None = None
    """Null: it had no price."""
    price_id: str = ""
    currency: str = ""


RESERVED_TYPES: Final[Mapping[type[Message], str]] = MappingProxyType(
    {
        StorageHour: "io.roundhouse.usage.storage.measured.v1",
        TrainingJob: "io.roundhouse.usage.training.settled.v1",
    }
)
"""Data of events that nothing sends yet -> the attribute `type` that they will have. Whoever reads the feed can be made
ready for them."""
