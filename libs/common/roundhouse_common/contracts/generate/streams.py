"""The configuration of every stream and bucket, and who provisions it."""

from dataclasses import dataclass
from typing import Any

from roundhouse_common.contracts.base import Bucket, Event, Service, Stream
from roundhouse_common.contracts.generate.subjects import bucket_subject, hint_subject, stream_name
from roundhouse_common.contracts.registry import CONTRACTS, STREAMS

__all__ = ["StreamConfig", "provisioned_by", "stream_config", "stream_configs"]

_BUCKET_MAX_BYTES = 256 * 1024 * 1024
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """One JetStream stream, as far as Roundhouse configures it; the rest is the server's default."""

    name: str
    subjects: tuple[str, ...]
    max_age_s: int = 0
    """0 keeps for ever."""
    max_bytes: int
    duplicate_window_s: int = 120
    is_bucket: bool = False
    hint: str = ""
    """Where the server publishes each message again after it was stored."""
    provisioners: tuple[Service, ...]

    def to_api(self, replicas: int = 1) -> dict[str, Any]:  # Any: JSON of the server's API
        """Return the body of `$JS.API.STREAM.CREATE`."""
        body: dict[str, Any] = {
            "name": self.name,
            "subjects": list(self.subjects),
            "retention": "limits",
            "storage": "file",
            "discard": "new" if self.is_bucket else "old",
            "max_bytes": self.max_bytes,
            "max_age": self.max_age_s * _NS,
            "duplicate_window": self.duplicate_window_s * _NS,
            "num_replicas": replicas,
            "allow_direct": True,
        }
        if self.is_bucket:
            body |= {
                "max_msgs_per_subject": 1,
                "deny_delete": True,
                "allow_rollup_hdrs": True,
                "republish": {"src": self.subjects[0], "dest": self.hint},
            }
        return body


def _of_bucket(bucket: Bucket[Any]) -> StreamConfig:  # Any: whatever the message type is
    return StreamConfig(
        name=stream_name(bucket),
        subjects=(bucket_subject(bucket),),
        max_bytes=_BUCKET_MAX_BYTES,
        is_bucket=True,
        hint=hint_subject(bucket),
        provisioners=bucket.provisioners or (bucket.owner,),
    )


def _of_stream(stream: Stream) -> StreamConfig:
    events = [contract for contract in CONTRACTS if isinstance(contract, Event) and contract.stream == stream]
    return StreamConfig(
        name=stream.name,
        subjects=tuple(f"{event.subject}.>" for event in events),
        max_age_s=stream.max_age_s,
        max_bytes=stream.max_bytes,
        duplicate_window_s=stream.duplicate_window_s,
        provisioners=stream.provisioners,
    )


def stream_configs() -> tuple[StreamConfig, ...]:
    """Return every stream and bucket of the registry, in its order."""
    buckets = [_of_bucket(contract) for contract in CONTRACTS if isinstance(contract, Bucket)]
    return (*map(_of_stream, STREAMS), *buckets)


def stream_config(name: str) -> StreamConfig:
    """Return the configuration of one stream. Raises KeyError."""
    return {config.name: config for config in stream_configs()}[name]


def provisioned_by(service: Service) -> tuple[StreamConfig, ...]:
    """Return what this service creates when it connects."""
    return tuple(config for config in stream_configs() if service in config.provisioners)
