"""Entries that are put together from frames read back as those that were encoded one by one, to the microsecond."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord, UsageSource
from roundhouse_router.domain.records import Admission
from roundhouse_router.store import frames
from roundhouse_router.store.frames import AdmissionFrame, RecordFrame, in_micros, opening
from roundhouse_router.store.parts import ADMISSION_COMMON, RECORD_COMMON
from roundhouse_router.store.segments import decode_admission, decode_record, encode_record, scan

TEXT = st.text(max_size=20)
SECONDS = st.floats(0, 4e9, allow_nan=False)
COUNTS = st.integers(0, 2**53)
IDS = st.from_regex(r"[a-z]{1,4}_[0-9a-f]{1,32}", fullmatch=True)


def record(model: str) -> UsageRecord:
    return UsageRecord(
        request_id="req_1",
        router_id="rtr_1",
        sequence=1,
        operation=Operation.CHAT,
        key_id="key_1",
        user_id="usr_1",
        tenant_id="ten_1",
        model_requested=model,
        model_served="100 % of it",
        deployment_id="dep_1",
        replica_id="rep_1",
        node_id="nod_1",
        admitted_at=1.5,
        ended_at=2.5,
        duration_ms=1000.0,
        is_stream=False,
        outcome=Outcome.COMPLETED,
        http_status=200,
        source=UsageSource.ENGINE_FINAL,
    )


def admission(model: str) -> Admission:
    return Admission("req_1", 1, Operation.CHAT, "key_1", "usr_1", "ten_1", model, "dep_1", 1.5, True, "a", "rte_1")


@given(TEXT, IDS, COUNTS, SECONDS)
def test_an_admission_from_a_frame_reads_as_it_was(model: str, request_id: str, sequence: int, at: float) -> None:
    kind = admission(model)
    line = AdmissionFrame(kind).line(opening(request_id, sequence, at))
    assert line is not None, "the frame must be usable"
    [found] = scan(line)
    assert (found.is_admission, found.is_final, found.request_id) == (True, False, request_id)
    assert decode_admission(found) == msgspec.structs.replace(
        kind, request_id=request_id, sequence=sequence, admitted_at=round(at, 6)
    )


@given(TEXT, IDS, COUNTS, SECONDS, SECONDS, st.none() | SECONDS, COUNTS, COUNTS)
def test_a_record_from_a_frame_reads_as_it_was(
    model: str, request_id: str, sequence: int, at: float, took: float, first: float | None, told: int, made: int
) -> None:
    kind = record(model)
    wanted = msgspec.structs.replace(
        kind,
        request_id=request_id,
        sequence=sequence,
        admitted_at=at,
        ended_at=at + took,
        duration_ms=took,
        time_to_first_token_ms=first,
        input_tokens=told,
        output_tokens=made,
    )
    line = RecordFrame(kind, None).of(wanted)
    assert line is not None, "the frame must be usable"
    [found] = scan(line)
    [encoded] = scan(encode_record(wanted))
    for written in (found, encoded):
        assert (written.is_final, written.is_admission, written.request_id) == (True, False, request_id)
    assert decode_record(encoded) == wanted
    assert decode_record(found) == msgspec.structs.replace(
        wanted,
        admitted_at=round(at, 6),
        ended_at=round(at + took, 6),
        duration_ms=round(took, 3),
        time_to_first_token_ms=None if first is None else round(first, 3),
    )


def test_a_frame_that_forgets_a_field_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "RECORD_COMMON", RECORD_COMMON[:-1])
    monkeypatch.setattr(frames, "ADMISSION_COMMON", ADMISSION_COMMON[:-1])
    told = msgspec.structs.replace(record("tiny"), **{RECORD_COMMON[-1]: 1})
    assert RecordFrame(told, None).of(told) is None
    assert RecordFrame(record("tiny"), None).of(record("tiny")) is not None, "it has the default there"
    told_too = msgspec.structs.replace(admission("tiny"), **{ADMISSION_COMMON[-1]: "prj_1"})
    assert AdmissionFrame(told_too).line(opening("req_1", 1, 1.5)) is None


@given(st.floats(-1e9, 4e9, allow_nan=False) | st.integers(0, 2**40).map(lambda half: (half + 0.5) / 1e6))
@example(0.0078125)  # 7812.5 us, which the float is without a remainder
@example(0.0000015)  # a little less than 1.5 us; its product with a million is not
@example(1_799_999_999.9999995)
@example(-0.0)
def test_times_are_rounded_as_they_are_when_they_are_formatted(value: float) -> None:
    assert in_micros(value, 1e6) == int(f"{value:.6f}".replace(".", ""))
    assert in_micros(value, 1e3) == int(f"{value:.3f}".replace(".", ""))
