"""Entries of the spool that are alike: what they have in common is encoded once, and the rest is put behind it.

A frame is made of an example. One that would not read back as its example is not used, so that a field which is new or
in another place costs time, and no truth.
"""

from fractions import Fraction
from typing import Final, TypeVar
from zlib import crc32

import msgspec

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_router.domain.records import Admission
from roundhouse_router.store.parts import ADMISSION_COMMON, RECORD_COMMON, common_of
from roundhouse_router.store.segments import decode_admission, decode_record, scan

__all__ = ["AdmissionFrame", "RecordFrame", "in_micros", "opening"]

T = TypeVar("T", Admission, UsageRecord)

_TIMES: Final = {"admitted_at": 1e6, "ended_at": 1e6, "duration_ms": 1e3, "time_to_first_token_ms": 1e3}
"""Microseconds in what they are counted in. Finer times than that would not be worth their digits."""


class AdmissionFrame:
    """Admissions of one kind: the same caller, model and API."""

    __slots__ = ("_check", "_common", "_is_good")

    def __init__(self, example: Admission) -> None:
        self._common = b" a %b " % common_of(example, ADMISSION_COMMON)  # the checksum begins behind the first space
        self._check = crc32(self._common[1:])
        self._is_good = True
        line = self.line(opening(example.request_id, example.sequence, example.admitted_at))
        self._is_good = [decode_admission(found) for found in scan(line or b"")] == [_rounded(example)]

    def line(self, opened: str) -> bytes | None:
        """Return the entry of what has this `opening`; None: it must be encoded as it is."""
        if not self._is_good:
            return None
        own = f"{opened}]".encode()
        check = crc32(own, self._check)
        return b"".join((f"{check:08x}".encode(), self._common, own, b"\n"))


class RecordFrame:
    """Records of one kind: admitted alike, and answered in the same way by the same engine."""

    __slots__ = ("_check", "_common", "_is_good", "engine")

    def __init__(self, example: UsageRecord, engine: object) -> None:
        """`engine` is what the caller knows it by: the frame is good for this one object."""
        self.engine = engine
        self._common = b" s %b " % common_of(example, RECORD_COMMON)
        self._check = crc32(self._common[1:])
        self._is_good = True
        self._is_good = [decode_record(found) for found in scan(self.of(example) or b"")] == [_rounded(example)]

    def of(self, record: UsageRecord) -> bytes | None:
        """Return the entry of a record of this kind."""
        return self.line(
            opening(record.request_id, record.sequence, record.admitted_at),
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
        opened: str,
        ended_at: float,
        duration_ms: float,
        time_to_first_token_ms: float | None,
        input_tokens: int,
        cached_input_tokens: int,
        output_tokens: int,
        reasoning_tokens: int,
    ) -> bytes | None:
        """Return the entry; None: the record must be encoded as it is."""
        if not self._is_good:
            return None
        first = "null" if time_to_first_token_ms is None else f"{in_micros(time_to_first_token_ms, 1e3)}"
        own = (
            f"{opened},{in_micros(ended_at, 1e6)},{in_micros(duration_ms, 1e3)},{first},"
            f"{input_tokens},{cached_input_tokens},{output_tokens},{reasoning_tokens}]"
        ).encode()
        check = crc32(own, self._check)
        return b"".join((f"{check:08x}".encode(), self._common, own, b"\n"))


def opening(request_id: str, sequence: int, admitted_at: float) -> str:
    """Return what an admission and its record have in common, up to where the one ends and the other goes on."""
    return f"{request_id} [{sequence},{in_micros(admitted_at, 1e6)}"


def in_micros(value: float, per_unit: float) -> int:
    """Return a time in whole microseconds: the number that is nearest to the float as it is, of two the even one.

    `per_unit`: microseconds in what `value` is counted in.
    """
    whole = value // 1.0
    part = (value - whole) * per_unit  # of less than one the product is right but for its last bit
    near = (part + 0.5) // 1.0
    if -0.499999 < part - near < 0.499999:
        return int(whole * per_unit + near)
    return round(Fraction(value) * Fraction(per_unit))  # in the middle, as far as that last bit tells


def _rounded(example: T) -> T:
    """Return the example as its entry has it."""
    times = {
        name: in_micros(value, per_unit) / per_unit
        for name, per_unit in _TIMES.items()
        if (value := getattr(example, name, None)) is not None
    }
    return msgspec.structs.replace(example, **times)
