"""Entries of the spool that are alike, in two parts: what they have in common, and what each has of its own.

Both are JSON arrays. What stands where in them is said here and nowhere else; it does not depend on how records put
their fields in order. Times of an entry's own are whole microseconds.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_router.domain.records import Admission

__all__ = ["ADMISSION_COMMON", "RECORD_COMMON", "OwnAdmission", "OwnRecord", "admission_of", "common_of", "record_of"]

RECORD_COMMON: Final = (
    *("router_id", "operation", "key_id", "user_id", "tenant_id", "model_requested", "model_served", "deployment_id"),
    *("replica_id", "node_id", "is_stream", "outcome", "http_status", "error_code", "source", "attempts", "api"),
    *("route_id", "provider_id", "reuse", "continuations", "cache_write_tokens", "audio_ms", "images"),
    *("input_characters", "queued_ms", "project_id", "region", "device_class", "version_id", "input_audio_tokens"),
    *("output_audio_tokens", "input_image_tokens", "output_image_tokens"),
)
"""Of a record, in the order in which it is in the spools of all releases: a new field comes last."""
ADMISSION_COMMON: Final = tuple(
    name for name in Admission.__struct_fields__ if name not in ("request_id", "sequence", "admitted_at")
)
"""Of an admission, whose fields are in the order of the spool anyway."""
_KINDS_MOST: Final = 1000
"""Common parts that are kept decoded."""
_BLANK: Final = {"request_id": "", "sequence": 0, "admitted_at": 0.0, "ended_at": 0.0, "duration_ms": 0.0}


class OwnRecord(msgspec.Struct, frozen=True, array_like=True):
    """In the order in which it is in the spools of all releases: a new field comes last, and has a default."""

    sequence: int
    admitted_us: int
    ended_us: int
    duration_us: int
    first_token_us: int | None
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int


class OwnAdmission(msgspec.Struct, frozen=True, array_like=True):
    """As above."""

    sequence: int
    admitted_us: int


_own_record: Final = msgspec.json.Decoder(OwnRecord)
_own_admission: Final = msgspec.json.Decoder(OwnAdmission)


def common_of(entry: Admission | UsageRecord, names: Sequence[str]) -> bytes:
    """Return the common part of entries like this one."""
    return msgspec.json.encode([getattr(entry, name) for name in names])


def record_of(request_id: str, common: bytes, own: bytes) -> UsageRecord:
    """Put a record together again. Times in microseconds become the floats that are nearest to them."""
    its = _own_record.decode(own)
    return msgspec.structs.replace(
        _like(common),
        request_id=request_id,
        sequence=its.sequence,
        admitted_at=its.admitted_us / 1_000_000,
        ended_at=its.ended_us / 1_000_000,
        duration_ms=its.duration_us / 1000,
        time_to_first_token_ms=None if its.first_token_us is None else its.first_token_us / 1000,
        input_tokens=its.input_tokens,
        cached_input_tokens=its.cached_input_tokens,
        output_tokens=its.output_tokens,
        reasoning_tokens=its.reasoning_tokens,
    )


def admission_of(request_id: str, common: bytes, own: bytes) -> Admission:
    """Put an admission together again."""
    its = _own_admission.decode(own)
    values = dict(zip(ADMISSION_COMMON, msgspec.json.decode(common), strict=False))
    values |= {"request_id": request_id, "sequence": its.sequence, "admitted_at": its.admitted_us / 1_000_000}
    return msgspec.convert([values[name] for name in Admission.__struct_fields__ if name in values], Admission)


@lru_cache(_KINDS_MOST)
def _like(common: bytes) -> UsageRecord:
    """Return a record of this kind.

    As in JSON with names, what an older release did not know has its default, and what a newer one adds is left out.
    """
    values = dict(zip(RECORD_COMMON, msgspec.json.decode(common), strict=False))
    return msgspec.convert({**_BLANK, **values}, UsageRecord)
