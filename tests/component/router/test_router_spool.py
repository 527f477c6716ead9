"""The usage spool: what is written stays, whatever happens to the process or the disk."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord
from roundhouse_common.runtime import Clock, SystemIds, UnixTime
from roundhouse_router.domain.records import Admission
from roundhouse_router.store.reading import finals_after, oldest, read_after
from roundhouse_router.store.segments import segment_numbers, segment_path
from roundhouse_router.store.spool import Spool, SpoolLimits
from roundhouse_router.store.writer import Position

START = 1_800_000_000.0
MAPPED = False
"""Set for each test."""


class HandClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> UnixTime:
        return UnixTime(self.at)

    def monotonic(self) -> float:
        return self.at


@pytest.fixture(params=[True, False], ids=["mapped", "written"], autouse=True)
def is_mapped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Every test twice: with lines that are copied into mapped room, and with lines that are written one by one."""
    monkeypatch.setattr(sys.modules[__name__], "MAPPED", request.param)
    return bool(request.param)


def opened(directory: Path, clock: Clock | None = None, **limits: float) -> Spool:
    chosen = SpoolLimits(**{"is_mapped": MAPPED, **limits})  # type: ignore[arg-type]  # all limits are numbers
    return Spool.open(directory, limits=chosen, clock=clock or HandClock(), ids=SystemIds())


def admission(spool: Spool, request_id: str = "") -> UsageRecord:
    sequence = spool.take_sequence()
    return UsageRecord(
        request_id=request_id or f"req_{sequence}",
        router_id=spool.router_id,
        sequence=sequence,
        operation=Operation.CHAT,
        key_id="key_1",
        user_id="usr_1",
        tenant_id="ten_1",
        model_requested="tiny",
        model_served="",
        deployment_id="dep_1",
        replica_id="",
        node_id="",
        admitted_at=START,
        ended_at=0.0,
        duration_ms=0.0,
        is_stream=True,
        outcome=Outcome.UNKNOWN,
        http_status=0,
    )


def opening(record: UsageRecord) -> Admission:
    """Return what the spool is told of a request when it begins."""
    return Admission(*(getattr(record, name) for name in Admission.__struct_fields__))


def settled(record: UsageRecord) -> UsageRecord:
    return msgspec.structs.replace(record, outcome=Outcome.COMPLETED, http_status=200, ended_at=START + 1)


def serve(spool: Spool, requests: int) -> list[UsageRecord]:
    """Admit and settle so many requests."""
    records = []
    for _ in range(requests):
        record = admission(spool)
        spool.admit(opening(record))
        records.append(settled(record))
        spool.settle(records[-1])
    return records


def abandon(spool: Spool) -> None:
    """Leave the spool as a killed router does: nothing is flushed, and its lock is gone."""
    spool._release()


def torn(path: Path, cut: int, noise: bytes) -> bytes:
    """Leave a part of the segment, with noise behind it, as a write that was torn; return the part."""
    content = path.read_bytes()
    kept = content[: cut % (len(content) + 1)]
    path.write_bytes(kept + noise.replace(b"\n", b" "))
    return kept


async def everything(spool: Spool) -> list[UsageRecord]:
    await spool.sync()
    found: list[UsageRecord] = []
    position = Position(0, 0)
    while True:
        batch, after = read_after(spool.directory, spool.writer, position)
        if after == position:
            return found
        found += [record for record, _ in batch]
        position = after


async def test_outcomes_are_read_in_the_order_in_which_they_were_settled(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    first, second = admission(spool), admission(spool)
    spool.admit(opening(first))
    spool.admit(opening(second))
    spool.settle(settled(second))
    spool.settle(settled(first))
    assert await everything(spool) == [settled(second), settled(first)]


async def test_only_what_is_on_stable_storage_is_read(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    serve(spool, 1)
    assert read_after(spool.directory, spool.writer, Position(0, 0)) == ([], Position(0, 0))
    await spool.sync()
    assert len(read_after(spool.directory, spool.writer, Position(0, 0))[0]) == 1


async def test_requests_in_flight_at_a_kill_are_settled_as_aborted(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    done = serve(spool, 2)
    spool.admit(opening(admission(spool, "req_lost")))
    abandon(spool)
    again = opened(tmp_path)
    *before, lost = await everything(again)
    assert before == done
    assert (lost.request_id, lost.sequence, lost.outcome) == ("req_lost", 3, Outcome.ABORTED)
    assert (lost.error_code, lost.router_id) == ("router_restarted", spool.router_id)
    assert again.take_sequence() == 4
    abandon(again)
    assert await everything(opened(tmp_path)) == [*before, lost], "settled once, not at every start"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10_000), noise=st.binary(max_size=20))
async def test_a_torn_write_costs_only_itself(tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool = opened(directory)
    records = serve(spool, 4)
    router_id = spool.router_id
    abandon(spool)
    kept = torn(segment_path(directory, 1), cut, noise)
    again = opened(directory)
    found = await everything(again)
    completed = [record for record in found if record.outcome is Outcome.COMPLETED]
    assert completed == records[: len(completed)]
    assert len(completed) == sum(b" S req_" in line for line in kept.split(b"\n")[:-1])
    sequences = [record.sequence for record in found]
    assert sequences == list(range(1, len(found) + 1)), "no gap"
    assert again.take_sequence() == len(found) + 1
    if b"\n" in kept:
        assert again.router_id == router_id
    abandon(again)


async def test_a_damaged_line_is_counted_and_the_lines_behind_it_stay(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    records = serve(spool, 3)
    abandon(spool)
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes().replace(b" S req_2 ", b" S req_X ", 1))
    again = opened(tmp_path)
    found = {record.request_id: record.outcome for record in await everything(again)}
    assert found == {"req_1": Outcome.COMPLETED, "req_3": Outcome.COMPLETED, "req_2": Outcome.ABORTED}
    assert again.counters.damaged_lines == 1
    assert records[0].sequence == 1


async def test_sequence_and_router_id_survive_although_all_old_segments_are_deleted(tmp_path: Path) -> None:
    clock = HandClock()
    spool = opened(tmp_path, clock)
    serve(spool, 5)
    abandon(spool)
    for _ in range(3):
        clock.at += 100_000
        again = opened(tmp_path, clock)
        await again.sync()
        clock.at += 100_000
        again.retire(Position(10**6, 0))
        assert again.router_id == spool.router_id
        abandon(again)
    assert opened(tmp_path, clock).take_sequence() == 6


async def test_segments_are_closed_by_size_and_read_across(tmp_path: Path) -> None:
    spool = opened(tmp_path, segment_bytes=2000)
    records = serve(spool, 12)
    assert len(segment_numbers(tmp_path)) > 3
    assert await everything(spool) == records
    assert finals_after(spool.directory, spool.writer, oldest(spool.writer)) == 12


async def test_a_segment_is_closed_by_age(tmp_path: Path) -> None:
    clock = HandClock()
    spool = opened(tmp_path, clock, segment_age_s=10)
    serve(spool, 1)
    clock.at += 11
    await spool.sync()
    assert segment_numbers(tmp_path) == [1, 2]
    await spool.sync()
    assert segment_numbers(tmp_path) == [1, 2], "an empty segment is not closed"


async def test_acknowledged_segments_go_when_they_are_old(tmp_path: Path) -> None:
    clock = HandClock()
    spool = opened(tmp_path, clock, segment_bytes=2000, retain_s=100)
    serve(spool, 12)
    behind = Position(spool.writer.number, 0)
    assert spool.retire(behind) == 0
    clock.at += 101
    assert spool.retire(Position(0, 0)) == 0, "what is not acknowledged stays"
    assert spool.retire(behind) == spool.writer.number - 1
    assert segment_numbers(tmp_path) == [spool.writer.number]


async def test_acknowledged_segments_go_when_they_are_too_many(tmp_path: Path) -> None:
    spool = opened(tmp_path, segment_bytes=2400, retain_bytes=5400)
    serve(spool, 12)
    spool.retire(Position(spool.writer.number, 0))
    assert sum(sealed.size for sealed in spool.writer.sealed) <= 5400
    assert len(spool.writer.sealed) == 2


async def test_the_segment_of_a_request_in_flight_stays(tmp_path: Path) -> None:
    clock = HandClock()
    spool = opened(tmp_path, clock, segment_bytes=2000, retain_s=0)
    long = admission(spool, "req_long")
    spool.admit(opening(long))
    serve(spool, 12)
    clock.at += 1
    assert spool.retire(Position(spool.writer.number, 0)) == 0
    spool.settle(settled(long))
    assert spool.retire(Position(spool.writer.number, 0)) > 0


async def test_a_full_disk_stops_nobody_and_outcomes_wait_for_room(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    before = serve(spool, 2)
    with full_disk(tmp_path):
        during = serve(spool, 3)
        while not spool.waiting:  # room that was reserved before stays good
            during += serve(spool, 1)
        during += serve(spool, 3)
        await spool.sync()
        assert spool.waiting >= 4
        assert spool.counters.failed_writes > 0
    await spool.sync()
    assert spool.waiting == 0
    assert await everything(spool) == before + during
    assert spool.counters.lost_records == 0


async def test_what_waits_for_room_is_bounded_and_counted(tmp_path: Path) -> None:
    spool = opened(tmp_path, waiting_records=2)
    with full_disk(tmp_path):
        serve(spool, 5)
    assert (spool.waiting, spool.counters.lost_records) == (2, 3)


async def test_a_write_that_the_disk_took_by_half_leaves_no_torn_line(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    before = serve(spool, 1)
    with full_disk(tmp_path, room=100):
        during = serve(spool, 1)
    after = serve(spool, 1)
    assert await everything(spool) == before + during + after
    abandon(spool)
    assert opened(tmp_path).counters.damaged_lines == 0


def test_a_second_router_cannot_use_the_spool(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with pytest.raises(OSError, match="another router"):
        opened(tmp_path)
    spool.close()
    opened(tmp_path).close()


def test_the_spool_is_private(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert segment_path(tmp_path / "spool", 1).stat().st_mode & 0o777 == 0o600
    spool.close()


@contextmanager
def full_disk(directory: Path, room: int = 0) -> Iterator[None]:
    """No file of this process may grow beyond the newest segment, plus some room; that holds for log files too."""
    size = segment_path(directory, segment_numbers(directory)[-1]).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, hard))
    try:
        with capture_logs():
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_admissions_of_the_first_release_are_settled_too(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    whole = b"A req_old " + msgspec.json.encode(admission(spool, "req_old"))
    spool.writer.write(b"%08x %b\n" % (crc32(whole), whole), 0)
    spool.close()

    again = opened(tmp_path)
    [found] = await everything(again)
    assert (found.request_id, found.sequence, found.outcome) == ("req_old", 1, Outcome.ABORTED)
