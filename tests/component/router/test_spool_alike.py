"""Entries that are alike: they are shorter, and recovered and read as those that were encoded one by one."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Outcome, UsageRecord
from roundhouse_router.store.frames import AdmissionFrame, RecordFrame
from roundhouse_router.store.frames import opening as opened_by
from roundhouse_router.store.reading import finals_after, oldest
from roundhouse_router.store.segments import segment_path
from roundhouse_router.store.spool import Spool
from tests.component.router.test_router_spool import (
    START,
    abandon,
    admission,
    everything,
    opened,
    opening,
    serve,
    settled,
    torn,
)


def admit_alike(spool: Spool, request_id: str = "") -> UsageRecord:
    record = admission(spool, request_id)
    line = AdmissionFrame(opening(record)).line(opened_by(record.request_id, record.sequence, START))
    assert line is not None, "the frame must be usable"
    spool.admit_line(record.request_id, line)
    return record


def serve_alike(spool: Spool, requests: int) -> list[UsageRecord]:
    """Admit and settle so many requests by frames."""
    records = []
    for _ in range(requests):
        records.append(settled(admit_alike(spool)))
        line = RecordFrame(records[-1], None).of(records[-1])
        assert line is not None, "the frame must be usable"
        spool.settle_line(records[-1].request_id, line)
    return records


async def test_outcomes_of_both_forms_are_read_in_one_order(tmp_path: Path) -> None:
    spool = opened(tmp_path, segment_bytes=2000)
    records = serve_alike(spool, 3) + serve(spool, 2) + serve_alike(spool, 3)
    assert await everything(spool) == records
    assert finals_after(spool.directory, spool.writer, oldest(spool.writer)) == 8


async def test_requests_in_flight_at_a_kill_are_settled_as_aborted(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    done = serve_alike(spool, 2)
    lost = admit_alike(spool, "req_lost")
    abandon(spool)
    again = opened(tmp_path)
    *before, found = await everything(again)
    assert before == done
    assert (found.request_id, found.sequence, found.outcome) == ("req_lost", 3, Outcome.ABORTED)
    assert (found.admitted_at, found.model_requested, found.tenant_id) == (START, lost.model_requested, lost.tenant_id)
    assert again.take_sequence() == 4


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10_000), noise=st.binary(max_size=20))
async def test_a_torn_write_costs_only_itself(tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool = opened(directory)
    records = serve_alike(spool, 2) + serve(spool, 1) + serve_alike(spool, 2)
    abandon(spool)
    kept = torn(segment_path(directory, 1), cut, noise)
    again = opened(directory)
    found = await everything(again)
    completed = [record for record in found if record.outcome is Outcome.COMPLETED]
    assert completed == records[: len(completed)]
    assert len(completed) == sum(b'"completed"' in line for line in kept.split(b"\n")[:-1])
    assert [record.sequence for record in found] == list(range(1, len(found) + 1)), "no gap"
    assert again.take_sequence() == len(found) + 1
    abandon(again)


async def test_a_damaged_line_is_counted_and_the_lines_behind_it_stay(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    serve_alike(spool, 3)
    abandon(spool)
    path = segment_path(tmp_path, 1)
    head, *lines = path.read_bytes().split(b"\n")
    assert b"req_2" in lines[3], "the outcome of the second request"
    path.write_bytes(b"\n".join([head, *lines[:3], lines[3].replace(b"usr_1", b"usr_2"), *lines[4:]]))
    again = opened(tmp_path)
    found = {record.request_id: record.outcome for record in await everything(again)}
    assert found == {"req_1": Outcome.COMPLETED, "req_3": Outcome.COMPLETED, "req_2": Outcome.ABORTED}
    assert again.counters.damaged_lines == 1


async def test_entries_that_are_alike_take_half_the_room(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    start = spool.writer.offset
    serve(spool, 10)
    between = spool.writer.offset
    serve_alike(spool, 10)
    assert (spool.writer.offset - between) < 0.6 * (between - start)
