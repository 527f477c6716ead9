"""Times that no calendar has, ranges that end before they begin: refused in words, and nothing is spoilt by them."""

from typing import Any

import pytest

from tests.support.metering_api import Caller

BEFORE_ALL, AFTER_ALL = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
REPRICE = {"since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z", "reason": "a test"}
BUDGET = {"name": "all", "scope": "tenant", "scope_id": "ten_default", "amount": 1, "period": "total"}
BOOK: dict[str, Any] = {"currency": "USD", "lines": [{"rates": {"per_request": 1}}]}
READERS = (
    *("/usage", "/usage/records", "/usage/records.csv", "/usage/records.parquet", "/usage/focus.csv"),
    *("/usage/events", "/usage/unpriced", "/replica-usage", "/replica-costs", "/reconciliation/engines"),
)


@pytest.mark.parametrize("time", [BEFORE_ALL, AFTER_ALL, "1969-12-31T23:59:59Z"])
@pytest.mark.contract("F05")
async def test_a_time_that_no_answer_could_tell_is_refused_and_kept_nowhere(caller: Caller, time: str) -> None:
    writes = [
        ("/budgets", {**BUDGET, "starts_at": time}),
        ("/price-books/b/versions", {**BOOK, "valid_from": time}),
        ("/webhooks", {"name": "erp", "url": "https://erp.example/", "since": time}),
        ("/usage:reprice", {**REPRICE, "since": time}),
        ("/price-books:preview", {"at": time}),
    ]
    for path, body in writes:
        answer = await caller.send("POST", path, body)
        assert (answer.status_code, "1970-01-01" in answer.text) == (422, True), (path, answer.text)
    for path in READERS:
        answer = await caller.get(path, {"since": time})
        assert answer.status_code == 422, (path, answer.text)
    for listing in ("/budgets", "/price-books", "/webhooks"):
        assert (await caller.get(listing)).json()["items"] == []


@pytest.mark.parametrize("path", [*READERS, "/usage/chart"])
@pytest.mark.contract("F03")
async def test_a_range_that_ends_before_it_begins_is_refused(caller: Caller, path: str) -> None:
    query = {"since": "2026-11-22T00:00:00Z", "until": "2026-11-21T00:00:00Z"}
    answer = await caller.get(path, {**query, "bucket": "1h"} if path.startswith("/usage") else query)
    assert answer.status_code == 422, answer.text
    assert "since" in {fault["field"] for fault in answer.json()["errors"]}


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
@pytest.mark.parametrize("bucket", ["12h", "1d", "1w", "1mo"])
@pytest.mark.contract("F03")
async def test_the_end_of_the_calendar_is_no_fault_in_any_zone(caller: Caller, zone: str, bucket: str) -> None:
    for path in ("/usage", "/usage/chart"):
        query = {"bucket": bucket, "time_zone": zone, "since": "2099-12-30T00:00:00Z", "until": "9999-12-31T23:59:59Z"}
        answer = await caller.get(path, query)
        assert answer.status_code == 200, answer.text
        beyond = await caller.get(path, {**query, "since": "9999-12-01T00:00:00Z"})
        assert beyond.status_code == 422, beyond.text


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime", "", "x" * 64])
@pytest.mark.contract("F03")
async def test_a_zone_that_is_none_is_refused(caller: Caller, zone: str) -> None:
    answer = await caller.get("/usage", {"time_zone": zone})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "time_zone")
