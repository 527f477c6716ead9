"""Entries in two parts stay readable: each place in them means what it meant when they were written."""

import msgspec

from roundhouse_common.contracts.usage import Operation, Outcome, Reuse, UsageRecord, UsageSource
from roundhouse_router.domain.records import Admission
from roundhouse_router.store.parts import ADMISSION_COMMON, RECORD_COMMON, OwnAdmission, OwnRecord
from roundhouse_router.store.segments import Line, decode_admission, decode_record, framed, scan

ADMITTED = (
    b'09bae41f a ["chat","key_1","usr_1","ten_1","a b","dep_1",true,"openai.chat","rte_1","prj_1"] req_1'
    b" [7,1800000000000001]\n"
)
SETTLED = (
    b'91b4ea80 s ["rtr_1","text_completion","key_1","usr_1","ten_1","a \\"b\\"","c","dep_1","rep_1","nod_1",true,'
    b'"failed",502,"broken","engine-running",2,"openai.chat","rte_1","prv_1","cached",3,4,5,6,7,8.5,"prj_1","eu",'
    b'"H100","ver_1",9,10,11,12] req_1 [7,1800000000000001,1800000001500000,1500001,250125,13,14,15,16]\n'
)
"""Never change these: spools have them."""
ADMISSION = Admission(
    "req_1",
    7,
    Operation.CHAT,
    "key_1",
    "usr_1",
    "ten_1",
    "a b",
    "dep_1",
    1_800_000_000.000001,
    True,
    "openai.chat",
    "rte_1",
    "prj_1",
)
RECORD = UsageRecord(
    request_id="req_1",
    router_id="rtr_1",
    sequence=7,
    operation=Operation.COMPLETION,
    key_id="key_1",
    user_id="usr_1",
    tenant_id="ten_1",
    model_requested='a "b"',
    model_served="c",
    deployment_id="dep_1",
    replica_id="rep_1",
    node_id="nod_1",
    admitted_at=1_800_000_000.000001,
    ended_at=1_800_000_001.5,
    duration_ms=1500.001,
    time_to_first_token_ms=250.125,
    is_stream=True,
    outcome=Outcome.FAILED,
    http_status=502,
    error_code="broken",
    input_tokens=13,
    cached_input_tokens=14,
    output_tokens=15,
    reasoning_tokens=16,
    source=UsageSource.ENGINE_RUNNING,
    attempts=2,
    api="openai.chat",
    route_id="rte_1",
    provider_id="prv_1",
    reuse=Reuse.CACHED,
    continuations=3,
    cache_write_tokens=4,
    audio_ms=5,
    images=6,
    input_characters=7,
    queued_ms=8.5,
    project_id="prj_1",
    region="eu",
    device_class="H100",
    version_id="ver_1",
    input_audio_tokens=9,
    output_audio_tokens=10,
    input_image_tokens=11,
    output_image_tokens=12,
)


def line(written: bytes) -> Line:
    [found] = scan(written)
    return found


def without_last(written: bytes, newer: bytes) -> bytes:
    """Return the line as a release wrote it that did not know the newest field of the common part."""
    assert newer in written, "the test needs to know the newest field"
    return framed(written[9:-1].replace(newer, b"]", 1))


def test_entries_of_every_release_read_as_they_were_written() -> None:
    assert decode_admission(line(ADMITTED)) == ADMISSION
    assert decode_record(line(SETTLED)) == RECORD


def test_every_field_has_one_place() -> None:
    own = OwnRecord.__struct_fields__
    named = {"admitted_us": "admitted_at", "ended_us": "ended_at", "duration_us": "duration_ms"}
    named["first_token_us"] = "time_to_first_token_ms"
    placed = ["request_id", *RECORD_COMMON, *(named.get(name, name) for name in own)]
    assert sorted(placed) == sorted(UsageRecord.__struct_fields__), "append a new field to RECORD_COMMON"
    placed = ["request_id", *ADMISSION_COMMON, *(named.get(name, name) for name in OwnAdmission.__struct_fields__)]
    assert sorted(placed) == sorted(Admission.__struct_fields__)


def test_a_field_that_an_older_release_did_not_know_has_its_default() -> None:
    older = line(without_last(SETTLED, b",12]"))
    assert decode_record(older) == msgspec.structs.replace(RECORD, output_image_tokens=0)
    older = line(without_last(ADMITTED, b',"prj_1"]'))
    assert decode_admission(older) == msgspec.structs.replace(ADMISSION, project_id="")


def test_what_a_newer_release_adds_is_passed_over() -> None:
    newer = SETTLED[9:-1].replace(b",12]", b',12,"new"]').replace(b",16]", b",16,17]")
    assert decode_record(line(framed(newer))) == RECORD
    newer = ADMITTED[9:-1].replace(b'"prj_1"]', b'"prj_1","new"]').replace(b"001]", b"001,1]")
    assert decode_admission(line(framed(newer))) == ADMISSION


def test_an_operation_of_a_newer_release_is_unknown() -> None:
    newer = SETTLED[9:-1].replace(b"text_completion", b"telepathy")
    assert decode_record(line(framed(newer))) == msgspec.structs.replace(RECORD, operation=Operation.UNKNOWN)


def test_a_line_without_its_parts_is_damaged() -> None:
    assert line(framed(b"s req_1 []")).is_damaged
    assert line(SETTLED.replace(b"usr_1", b"usr_2")).is_damaged
