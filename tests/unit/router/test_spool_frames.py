"""Entries that are put together from frames read back as those that were encoded one by one, to the microsecond."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord, UsageSource
from roundhouse_router.domain.records import Admission
from roundhouse_router.store.frames import AdmissionFrame, RecordFrame
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


@given(TEXT, IDS, COUNTS, SECONDS)
def test_an_admission_from_a_frame_reads_as_it_was(model: str, request_id: str, sequence: int, at: float) -> None:
    example = Admission("req_1", 1, Operation.CHAT, "key_1", "usr_1", "ten_1", model, "dep_1", 1.5, True, "a", "rte_1")
    line = AdmissionFrame(example).line(request_id.encode(), sequence, at)
    assert line is not None, "the frame must be usable"
    [found] = scan(line)
    assert found.request_id == request_id
    assert decode_admission(found) == msgspec.structs.replace(
        example, request_id=request_id, sequence=sequence, admitted_at=round(at, 6)
    )


@given(TEXT, IDS, COUNTS, SECONDS, SECONDS, st.none() | SECONDS, COUNTS, COUNTS)
def test_a_record_from_a_frame_reads_as_it_was(
    model: str, request_id: str, sequence: int, at: float, took: float, first: float | None, told: int, made: int
) -> None:
    example = record(model)
    wanted = msgspec.structs.replace(
        example,
        request_id=request_id,
        sequence=sequence,
        admitted_at=at,
        ended_at=at + took,
        duration_ms=took,
        time_to_first_token_ms=first,
        input_tokens=told,
        output_tokens=made,
    )
    line = RecordFrame(example, None).of(wanted)
    assert line is not None, "the frame must be usable"
    [found] = scan(line)
    [encoded] = scan(encode_record(wanted))
    assert (found.kind, found.request_id) == (encoded.kind, encoded.request_id)
    assert decode_record(encoded) == wanted
    assert decode_record(found) == msgspec.structs.replace(
        wanted,
        admitted_at=round(at, 6),
        ended_at=round(at + took, 6),
        duration_ms=round(took, 3),
        time_to_first_token_ms=None if first is None else round(first, 3),
    )
