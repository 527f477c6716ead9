"""Price books over REST: versions in time, files, who may see and change them, and what routers are told."""

from typing import Any

import pytest

from roundhouse_common.auth import Role, Subject
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.money import NANO
from roundhouse_common.contracts.registry import PRICES
from roundhouse_common.database import Database
from roundhouse_metering.bus.publications import Publications
from tests.support.metering_api import CLOCK, Caller, who

pytestmark = pytest.mark.contract("F01")

LINE = {"model": "qwen3-*", "rates": {"input_per_million": NANO, "output_per_million": 2 * NANO}}
TENANT_FINANCE = Subject(id="usr_f", tenant_id="ten_default", roles=frozenset({Role.FINANCE}))


def version(*lines: Any, **fields: Any) -> dict[str, Any]:  # Any: JSON
    return {"currency": "USD", "valid_from": "2026-01-01T00:00:00Z", "lines": list(lines or (LINE,)), **fields}


async def preview(caller: Caller, **fields: Any) -> Any:
    asked = {"model": "qwen3-8b", "input_tokens": 1000, "output_tokens": 500, **fields}
    return (await caller.send("POST", "/price-books:preview", asked)).json()


async def test_a_new_version_ends_the_one_before_it_and_changes_nothing_of_it(caller: Caller) -> None:
    first = await caller.send("POST", "/price-books/standard/versions", version())
    dearer = version(
        {**LINE, "rates": {"input_per_million": 3 * NANO, "output_per_million": 3 * NANO}},
        valid_from="2026-06-01T00:00:00Z",
    )
    second = await caller.send("POST", "/price-books/standard/versions", dearer)
    assert (first.status_code, second.status_code, second.json()["version"]) == (201, 201, 2)
    (line,) = (await caller.get("/price-books/standard/versions/1")).json()["lines"]
    (before,) = first.json()["lines"]
    assert line == {**before, "valid_until": "2026-06-01T00:00:00.000Z"}
    costs = [(await preview(caller, at=f"2026-0{month}-01T00:00:00Z"))["cost_nano"] for month in (5, 6)]
    assert costs == [2 * NANO // 1000, 45 * NANO // 10_000]


async def test_a_version_that_begins_before_a_planned_one_replaces_it(caller: Caller) -> None:
    await caller.send("POST", "/price-books/standard/versions", version(valid_from="2026-06-01T00:00:00Z"))
    free = version({"rates": {"input_per_million": 0, "output_per_million": 0}}, valid_from="2026-02-01T00:00:00Z")
    await caller.send("POST", "/price-books/standard/versions", free)
    answers = [await preview(caller, at=f"2026-0{month}-02T00:00:00Z") for month in (1, 2, 7)]
    assert [(answer["cost_nano"], answer["missing"]) for answer in answers] == [(None, "price"), (0, ""), (0, "")]


async def test_a_preview_says_why_a_line_was_chosen_and_others_were_not(caller: Caller) -> None:
    lines = [
        LINE,
        {"rates": {"input_per_million": 1, "output_per_million": 1}},
        {**LINE, "tier_from_tokens": 100_000},
        {**LINE, "model": "llama*"},
    ]
    await caller.send("POST", "/price-books/standard/versions", version(*lines))
    answer = await preview(caller, reuse="cached")
    verdicts = {
        one["price"]["model"] + str(one["price"]["tier_from_tokens"]): one["verdict"] for one in answer["considered"]
    }
    assert verdicts == {"qwen3-*100000": "tier not reached", "qwen3-*0": "chosen", "0": "less specific"}
    assert (answer["cost_nano"], answer["percent"], answer["currency"]) == (0, 0, "USD")


async def test_a_missing_rate_makes_it_unpriced_and_is_named(caller: Caller) -> None:
    await caller.send("POST", "/price-books/standard/versions", version({"rates": {"input_per_million": 1}}))
    answer = await preview(caller)
    assert (answer["cost_nano"], answer["missing"]) == (None, "output_per_million")


async def test_a_book_goes_out_as_csv_and_comes_in_again_as_it_was(caller: Caller) -> None:
    lines = [LINE, {"tier_from_tokens": 7, "reuse_percent": 5, "rates": {"per_image": 1, "per_request": 150_000_000}}]
    await caller.send("POST", "/price-books/standard/versions", version(*lines))
    exported = (await caller.get("/price-books/standard:export")).text
    assert "0.000000001" in exported
    headers = {"content-type": "text/csv"}
    answer = await caller.http.post(
        "/api/v1/price-books/copy:import",
        params={"currency": "USD"},
        content=exported,
        headers={**headers, **caller.headers()},
    )
    assert answer.status_code == 201
    same = ("model", "tier_from_tokens", "reuse_percent", "rates")
    copied = [{name: line[name] for name in same} for line in answer.json()["lines"]]
    original = (await caller.get("/price-books/standard")).json()["lines"]
    assert copied == [{name: line[name] for name in same} for line in original]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("modle,input_per_million\nx,1\n", "modle"),
        ("input_per_million\n0.0000000001\n", "at most 9 places"),
        ("input_per_million\nNaN\n", "decimal"),
        ("input_per_million\n-1\n", "0 to"),
        ("input_per_million\n1,2\n", "more values"),
        ("model\nx\n", "prices nothing"),
        ("model,input_per_million\n", "no price"),
        ("input_per_million\n1e99999\n", "decimal"),
        ("input_per_million\n1e999999999\n", "decimal"),
        ("input_per_million\n0.1234567890000000000000000000000000001\n", "at most 9 places"),
        ("model,input_per_million\na\0b,1\n", "NUL"),
        ("model,model,input_per_million\na,b,1\n", "twice"),
    ],
)
async def test_a_file_that_is_wrong_is_refused_and_nothing_is_added(caller: Caller, text: str, fault: str) -> None:
    answer = await caller.http.post(
        "/api/v1/price-books/x:import", params={"currency": "USD"}, content=text, headers=caller.headers()
    )
    assert (answer.status_code, fault in answer.text) == (422, True)
    assert (await caller.get("/price-books")).json()["items"] == []


async def test_a_book_that_somebody_else_changed_meanwhile_is_a_conflict(caller: Caller) -> None:
    answers = [await caller.send("POST", "/price-books/standard/versions", version(version=1)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 409]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/price-books/UPPER/versions", version()),
        ("/price-books/a/versions", version(currency="dollars")),
        ("/price-books/a/versions", version(LINE, LINE)),
        ("/price-books/a/versions", version({**LINE, "operation": "dance"})),
        ("/price-books/a/versions", version({**LINE, "rates": {"input_per_million": 0.5}})),
        ("/price-books/a/versions", version({**LINE, "rates": {}})),
        ("/price-books/a/versions", version({**LINE, "reuse_percent": 101})),
    ],
)
async def test_what_no_book_can_hold_is_refused(caller: Caller, path: str, body: Any) -> None:
    assert (await caller.send("POST", path, body)).status_code == 422


async def test_all_prices_share_one_currency(caller: Caller) -> None:
    await caller.send("POST", "/price-books/standard/versions", version())
    answer = await caller.send("POST", "/price-books/other/versions", version(currency="EUR"))
    assert (answer.status_code, "USD" in answer.text) == (422, True)


async def test_only_the_platform_changes_prices_and_tenants_see_what_is_for_them(caller: Caller) -> None:
    refused = await caller.send("POST", "/price-books/mine/versions", version(), subject=TENANT_FINANCE)
    assert refused.status_code == 403
    lines = [LINE, {**LINE, "tenant_id": "ten_default"}, {**LINE, "tenant_id": "ten_other"}]
    await caller.send("POST", "/price-books/standard/versions", version(*lines))
    seen = (await caller.get("/price-books/standard", subject=TENANT_FINANCE)).json()["lines"]
    assert [line["tenant_id"] for line in seen] == ["", "ten_default"]
    exported = (await caller.get("/price-books/standard:export", subject=TENANT_FINANCE)).text
    assert "ten_other" not in exported
    assert len((await caller.get("/price-books/standard", subject=who())).json()["lines"]) == 3


async def test_routers_are_told_what_is_or_will_be_valid(
    caller: Caller, ledger_db: Database, broker: MemoryBroker
) -> None:
    await caller.send("POST", "/price-books/standard/versions", version())
    await caller.send("POST", "/price-books/standard/versions", version(valid_from="2026-02-01T00:00:00Z"))
    await caller.send("POST", "/price-books/standard/versions", version(valid_from="2099-02-01T00:00:00Z"))
    bus = MemoryBus(broker, Service.METERING, clock=CLOCK)
    await bus.connect()
    await Publications(ledger_db, bus, CLOCK, every_s=1).prices.sync()
    told = [entry.value for entry in (await bus.bucket(PRICES).list()).values()]
    assert sorted(line.version for line in told) == [2, 3]
    await bus.close()
