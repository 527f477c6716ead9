"""The files of one tenant's request log, and reading them backwards page by page."""

import json
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.request_log import ReadRequestLog
from roundhouse_common.runtime import UnixTime
from roundhouse_router.request_log import reading
from roundhouse_router.request_log.reading import read_lines
from roundhouse_router.request_log.segments import SegmentFolder, segments_of

DAY_S = 86_400.0
LINE = b"x" * 99 + b"\n"


def folder(tmp_path: Path, **changed: int) -> SegmentFolder:
    return SegmentFolder(tmp_path / "ten_1", **{"file_bytes": 250, "most_bytes": 100_000, **changed})


def there(tmp_path: Path) -> list[Path]:
    return [segment.path for segment in segments_of(tmp_path / "ten_1")]


def line(number: int, **changed: Any) -> bytes:  # Any: JSON
    document = {"logged_at": float(number), "request_id": f"req_{number}", "key_id": "key_1", "model_requested": "tiny"}
    return json.dumps({**document, "http_status": 200, "outcome": "completed", **changed}).encode() + b"\n"


def read(tmp_path: Path, *, since: float = 0.0, **query: Any) -> tuple[list[float], tuple[float, str] | None]:
    found = read_lines(tmp_path / "ten_1", ReadRequestLog(tenant_id="ten_1", **query), since=since)
    return [one.at for one in found.lines], found.reached


def test_a_full_file_is_followed_by_a_new_one_also_after_a_day_and_at_a_start(tmp_path: Path) -> None:
    log = folder(tmp_path)
    for second in (100.0, 101.0, 102.0, 103.0 + DAY_S):
        log.append([LINE], UnixTime(second))
    folder(tmp_path).append([LINE], UnixTime(103.0 + DAY_S))
    assert [path.stat().st_size for path in there(tmp_path)] == [200, 100, 100, 100]


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder(tmp_path).append([LINE], UnixTime(1.0))
    [path] = there(tmp_path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.contract("E05")
def test_a_file_is_deleted_when_all_of_it_is_old(tmp_path: Path) -> None:
    log = folder(tmp_path)
    log.append([LINE], UnixTime(0.001))
    log.append([LINE], UnixTime(DAY_S))  # the last moment of its day
    log.append([LINE], UnixTime(DAY_S + 1))
    log.retire(UnixTime(8 * DAY_S), keep_s=7 * DAY_S)
    assert len(there(tmp_path)) == 2
    log.retire(UnixTime(8 * DAY_S + 1), keep_s=7 * DAY_S)
    assert len(there(tmp_path)) == 1
    folder(tmp_path).retire(UnixTime(10 * DAY_S), keep_s=7 * DAY_S)
    assert there(tmp_path) == []


def test_beyond_its_share_of_the_disk_the_oldest_go_but_not_the_one_being_written(tmp_path: Path) -> None:
    log = folder(tmp_path, most_bytes=300)
    for second in range(8):
        log.append([LINE], UnixTime(100.0 + second))
    newest = there(tmp_path)[-1]
    log.retire(UnixTime(200.0), keep_s=DAY_S)
    assert sum(path.stat().st_size for path in there(tmp_path)) == 200
    assert there(tmp_path)[-1] == newest


def test_a_clock_that_is_set_back_writes_into_no_older_file(tmp_path: Path) -> None:
    log = folder(tmp_path)
    log.append([LINE], UnixTime(1000.0))
    log.append([LINE], UnixTime(10.0))
    assert [path.stat().st_size for path in there(tmp_path)] == [100, 100]


def test_lines_are_read_backwards_in_pages_over_all_files(tmp_path: Path) -> None:
    log = folder(tmp_path)
    for number in range(1, 11):
        log.append([line(number)], UnixTime(number))
    assert len(there(tmp_path)) > 3
    seen: list[float] = []
    query: dict[str, Any] = {"limit": 3}
    for _ in range(4):
        page, reached = read(tmp_path, **query)
        seen += page
        if reached is None:
            break
        query |= {"before_at": reached[0], "before_id": reached[1]}
    assert seen == [float(number) for number in range(10, 0, -1)]
    assert reached is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"request_id": "req_4"}, [4]),
        ({"key_id": "key_2"}, [5]),
        ({"model": "other"}, [3]),
        ({"status": 429}, [2]),
        ({"outcome": "failed"}, [2]),
        ({"until": 3.0}, [2, 1]),
        ({"since_": 4.0}, [5, 4]),
        ({"model": "tin"}, []),
    ],
)
def test_lines_are_chosen(tmp_path: Path, query: dict[str, Any], expected: list[float]) -> None:
    lines = [
        line(1),
        line(2, http_status=429, outcome="failed"),
        line(3, model_requested="other"),
        line(4),
        line(5, key_id="key_2"),
    ]
    folder(tmp_path, file_bytes=100_000).append(lines, UnixTime(1.0))
    since = query.pop("since_", 0.0)
    assert read(tmp_path, since=since, **query) == (expected, None)


def test_texts_are_shown_only_where_they_are_asked_for_and_fit_a_message(tmp_path: Path) -> None:
    texts = {"request": {"messages": []}, "answer": "é" * 300_000}
    folder(tmp_path, file_bytes=10**7).append([line(1, **texts), line(2, request="q", answer="a")], UnixTime(1.0))

    def shown(*, has_texts: bool) -> list[dict[str, Any]]:
        query = ReadRequestLog(tenant_id="ten_1", has_texts=has_texts)
        return [json.loads(one.line) for one in read_lines(tmp_path / "ten_1", query, since=0.0).lines]

    small, large = shown(has_texts=True)
    assert (small["request"], small["answer"]) == ("q", "a")
    assert "answer" not in large
    assert large["answer_bytes"] > 600_000
    assert not {"request", "answer"} & {name for one in shown(has_texts=False) for name in one}


def test_half_a_line_that_a_crash_left_is_passed_over(tmp_path: Path) -> None:
    folder(tmp_path).append([line(1)], UnixTime(1.0))
    with there(tmp_path)[0].open("ab") as file:
        file.write(line(2)[:30])
    folder(tmp_path).append([line(3)], UnixTime(3.0))
    assert read(tmp_path) == ([3.0, 1.0], None)


def test_an_answer_that_has_read_enough_says_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_MOST_BYTES", 100)
    log = folder(tmp_path)
    for number in range(1, 5):
        log.append([line(number)], UnixTime(number))
    assert read(tmp_path, request_id="req_1") == ([], (4.0, "req_4"))
    assert read(tmp_path, request_id="req_1", before_at=4.0, before_id="req_4") == ([], (3.0, "req_3"))
    assert read(tmp_path, request_id="req_1", before_at=2.0, before_id="req_2") == ([1.0], None)
    assert read(tmp_path / "elsewhere") == ([], None)
