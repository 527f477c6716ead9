"""The files of the request log, and what happens when the disk is slow or refuses."""

import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord
from roundhouse_common.runtime import SystemClock, UnixTime
from roundhouse_router.domain.redaction import Redactor
from roundhouse_router.request_log.books import PlatformBook
from roundhouse_router.request_log.files import FileBounds, LogFiles
from roundhouse_router.request_log.log import RequestLog
from roundhouse_router.settings import RouterSettings

LINE = b"x" * 99 + b"\n"
RECORD = UsageRecord(
    request_id="req_1",
    router_id="rtr_1",
    sequence=1,
    operation=Operation.CHAT,
    key_id="key_1",
    user_id="usr_1",
    tenant_id="ten_1",
    model_requested="tiny",
    model_served="tiny",
    deployment_id="dep_1",
    replica_id="rep_1",
    node_id="nod_1",
    admitted_at=1.0,
    ended_at=2.0,
    duration_ms=1000.0,
    is_stream=False,
    outcome=Outcome.COMPLETED,
    http_status=200,
)


def files(tmp_path: Path, **changed: Any) -> LogFiles:  # Any: bounds of two types
    bounds = {"file_bytes": 250, "keep_files": 3, "keep_s": 1000.0}
    return LogFiles(tmp_path / "requests", FileBounds(**{**bounds, **changed}))


def there(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "requests").glob("*.jsonl"))


def test_a_full_file_is_followed_by_a_new_one_and_the_oldest_are_deleted(tmp_path: Path) -> None:
    log = files(tmp_path)
    for second in range(10):
        log.append([LINE], UnixTime(100.0 + second))
    log.close()
    assert [path.stat().st_size for path in there(tmp_path)] == [200, 200, 200]


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    log = files(tmp_path)
    log.append([LINE], UnixTime(1.0))
    log.close()
    [path] = there(tmp_path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_files_that_are_too_old_are_deleted_but_not_the_one_being_written(tmp_path: Path) -> None:
    log = files(tmp_path)
    log.append([LINE, LINE], UnixTime(10.0))
    log.append([LINE], UnixTime(11.0))
    old, current = there(tmp_path)
    for path in (old, current):
        os.utime(path, (10.0, 10.0))
    log.retire(UnixTime(2000.0))
    log.close()
    assert there(tmp_path) == [current]


def test_a_router_that_starts_again_begins_a_new_file(tmp_path: Path) -> None:
    for _ in range(2):  # within the same millisecond
        log = files(tmp_path)
        log.append([LINE], UnixTime(5.0))
        log.close()
    assert [path.read_bytes() for path in there(tmp_path)] == [LINE, LINE]


def request_log(target: Any) -> tuple[RequestLog, CollectorRegistry]:  # Any: files, or what stands in for them
    registry = CollectorRegistry()
    book = PlatformBook(target, Redactor(), bodies_most=0)
    return RequestLog([book], SystemClock(), registry), registry


def take(log: RequestLog, number: int = 1) -> None:
    for _ in range(number):
        watch, _ = log.watch("ten_1", b"", SimpleNamespace())
        assert watch is not None
        with watch:
            watch.settled(RECORD, route="tiny", provider="llama.cpp")


async def test_a_line_holds_what_became_of_the_request(tmp_path: Path) -> None:
    log, registry = request_log(files(tmp_path, file_bytes=65_536))
    async with log:
        take(log)
        await log.flush()
    [path] = there(tmp_path)
    line = json.loads(path.read_text())
    assert (line["request_id"], line["route"], line["provider"], line["fault"]) == ("req_1", "tiny", "llama.cpp", "")
    assert "request" not in line
    assert registry.get_sample_value("roundhouse_router_request_log_lines_total") == 1


async def test_what_still_waits_is_written_at_the_end(tmp_path: Path) -> None:
    log, _ = request_log(files(tmp_path, file_bytes=65_536))
    async with log:
        take(log, 100)
    assert sum(len(path.read_text().splitlines()) for path in there(tmp_path)) == 100


async def test_a_slow_disk_makes_nobody_wait_and_what_is_dropped_is_counted() -> None:
    free = threading.Event()
    lines: list[bytes] = []

    def append(batch: list[bytes], now: float) -> None:
        free.wait()
        lines.extend(batch)

    log, registry = request_log(SimpleNamespace(append=append, close=lambda: None))
    async with log:
        take(log, 10_010)
        dropped = registry.get_sample_value("roundhouse_router_request_log_dropped_total", {"reason": "slow"})
        free.set()
    assert dropped == 10
    assert len(lines) == 10_000


async def test_lines_that_the_disk_refuses_are_counted_and_later_ones_are_written(tmp_path: Path) -> None:
    (tmp_path / "requests").write_text("in the way")
    log, registry = request_log(files(tmp_path))
    async with log:
        take(log)
        await log.flush()
        assert registry.get_sample_value("roundhouse_router_request_log_dropped_total", {"reason": "refused"}) == 1
        (tmp_path / "requests").unlink()
        take(log)
    assert len(there(tmp_path)) == 1


async def test_a_request_is_written_once_both_its_answer_and_its_settlement_are_over(tmp_path: Path) -> None:
    log, _ = request_log(files(tmp_path, file_bytes=65_536))
    async with log:
        watch, _ = log.watch("ten_1", b"", SimpleNamespace())
        assert watch is not None
        with watch:
            pass
        await log.flush()
        assert there(tmp_path) == []
        watch.settled(RECORD, route="tiny", provider="")
    assert len(there(tmp_path)) == 1


@pytest.mark.parametrize("text", ["staff (", "nothing"])
def test_settings_refuse_a_file_of_patterns_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    from_file = tmp_path / "patterns"
    from_file.write_text(text)
    with pytest.raises(ValueError, match="line 1"):
        _settings(tmp_path, from_file)
    with pytest.raises(ValueError, match="cannot read"):
        _settings(tmp_path, tmp_path / "absent")


def _settings(tmp_path: Path, patterns: Path) -> object:
    return RouterSettings(state_dir=tmp_path, request_log_patterns_file=patterns)
