"""Entries of the spool that are alike: what is equal in all of them is encoded once, and the rest is put into its gaps.

A frame is made of an example. One that would not read back as its example is not used, so that a field which is new or
in another place costs time, and no truth.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_router.domain.records import Admission
from roundhouse_router.store.segments import framed

__all__ = ["AdmissionFrame", "RecordFrame"]

T = TypeVar("T", Admission, UsageRecord)

_ID: Final = b'"%b"'
_SECONDS: Final = b"%.6f"
_MILLISECONDS: Final = b"%.3f"
_TIMES: Final = {
    "admitted_at": _SECONDS,
    "ended_at": _SECONDS,
    "duration_ms": _MILLISECONDS,
    "time_to_first_token_ms": _MILLISECONDS,
}
"""Times are written to the microsecond: more digits cost more than all the rest of an entry."""
_ADMISSION_GAPS: Final = {"request_id": _ID, "sequence": b"%d", "admitted_at": _SECONDS}
_RECORD_GAPS: Final = {
    "request_id": _ID,
    "sequence": b"%d",
    "admitted_at": _SECONDS,
    "ended_at": _SECONDS,
    "duration_ms": _MILLISECONDS,
    "time_to_first_token_ms": b"%b",
    "input_tokens": b"%d",
    "cached_input_tokens": b"%d",
    "output_tokens": b"%d",
    "reasoning_tokens": b"%d",
}
"""In the order of the fields."""


class AdmissionFrame:
    """Admissions of one kind: the same caller, model and API."""

    __slots__ = ("_format",)

    def __init__(self, example: Admission) -> None:
        self._format: bytes | None = b"A %b " + _with_gaps(example, _ADMISSION_GAPS)
        line = self.line(example.request_id.encode(), example.sequence, example.admitted_at)
        if line is None or msgspec.json.decode(line.split(b" ", 3)[3], type=Admission) != _rounded(example):
            self._format = None

    def line(self, request_id: bytes, sequence: int, admitted_at: float) -> bytes | None:
        """Return the entry; None: it must be encoded as it is."""
        if self._format is None:
            return None
        return framed(self._format % (request_id, request_id, sequence, admitted_at))


class RecordFrame:
    """Records of one kind: admitted alike, and answered in the same way by the same engine."""

    __slots__ = ("_format", "engine")

    def __init__(self, example: UsageRecord, engine: object) -> None:
        """`engine` is what the caller knows it by: the frame is good for this one object."""
        self.engine = engine
        self._format: bytes | None = b"S %b " + _with_gaps(example, _RECORD_GAPS)
        if msgspec.json.decode(
            (self.of(example) or b"").split(b" ", 3)[-1] or b"null", type=UsageRecord | None
        ) != _rounded(example):
            self._format = None

    def of(self, record: UsageRecord) -> bytes | None:
        """Return the entry of a record of this kind."""
        return self.line(
            record.request_id.encode(),
            record.sequence,
            record.admitted_at,
            record.ended_at,
            record.duration_ms,
            record.time_to_first_token_ms,
            record.input_tokens,
            record.cached_input_tokens,
            record.output_tokens,
            record.reasoning_tokens,
        )

    def line(
        self,
        request_id: bytes,
        sequence: int,
        admitted_at: float,
        ended_at: float,
        duration_ms: float,
        time_to_first_token_ms: float | None,
        input_tokens: int,
        cached_input_tokens: int,
        output_tokens: int,
        reasoning_tokens: int,
    ) -> bytes | None:
        """Return the entry; None: the record must be encoded as it is."""
        if self._format is None:
            return None
        first_token = b"null" if time_to_first_token_ms is None else _MILLISECONDS % time_to_first_token_ms
        values = (
            *(request_id, request_id, sequence, admitted_at, ended_at, duration_ms, first_token),
            *(input_tokens, cached_input_tokens, output_tokens, reasoning_tokens),
        )
        return framed(self._format % values)


def _rounded(example: T) -> T:
    """Return the example as its entry has it."""
    times = {
        name: float(written % value)
        for name, written in _TIMES.items()
        if (value := getattr(example, name, None)) is not None
    }
    return msgspec.structs.replace(example, **times)


def _with_gaps(example: msgspec.Struct, gaps: Mapping[str, bytes]) -> bytes:
    """Return a format: JSON of the example with conversions in the place of some fields, in the order of the fields."""
    values = {
        name: gaps[name] if name in gaps else msgspec.json.encode(getattr(example, name)).replace(b"%", b"%%")
        for name in example.__struct_fields__
    }
    if example.__struct_config__.array_like:
        return b"[%b]" % b",".join(values.values())
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in values.items())
