"""Budgets over REST: what is spent is counted with the records, corrected with them, and told to the routers."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.auth import Role, Subject
from roundhouse_common.budgets import period_end, period_start
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.money import NANO, BudgetPeriod, BudgetRecord
from roundhouse_common.contracts.registry import BUDGETS
from roundhouse_common.contracts.usage import Reuse, UsageRecord
from roundhouse_common.database import Database
from roundhouse_metering.bus.publications import Publications
from roundhouse_metering.bus.usage import UsageRecorder
from tests.support.metering_api import CLOCK, Caller
from tests.support.usage import UsageRecords

pytestmark = pytest.mark.contract("F05")

TENANT_FINANCE = Subject(id="usr_f", tenant_id="ten_default", roles=frozenset({Role.FINANCE}))
STRANGER = Subject(id="usr_x", tenant_id="ten_other", roles=frozenset({Role.FINANCE}))


def wanted(**fields: Any) -> dict[str, Any]:
    return {"name": "all", "scope": "tenant", "scope_id": "ten_default", "amount": 100_000, "is_hard": True, **fields}


async def add(caller: Caller, **fields: Any) -> Any:
    answer = await caller.send("POST", "/budgets", wanted(**fields))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def set_price(caller: Caller, units: int, valid_from: str = "2026-01-01T00:00:00Z") -> None:
    rates = {"input_per_million": units * NANO, "output_per_million": units * NANO}
    body = {"currency": "USD", "valid_from": valid_from, "lines": [{"rates": rates}]}
    assert (await caller.send("POST", "/price-books/standard/versions", body)).status_code == 201


async def enter(db: Database, *records: UsageRecord) -> None:
    await UsageRecorder(db, clock=CLOCK, registry=CollectorRegistry())._enter(records)


async def spent(caller: Caller, budget_id: str) -> int:
    return int((await caller.get(f"/budgets/{budget_id}")).json()["spent"])


async def told(db: Database, broker: MemoryBroker) -> dict[str, BudgetRecord]:
    bus = MemoryBus(broker, Service.METERING, clock=CLOCK)
    await bus.connect()
    await Publications(db, bus, CLOCK, every_s=1).budgets.sync()
    found = {entry.key: entry.value for entry in (await bus.bucket(BUDGETS).list()).values()}
    await bus.close()
    return found


@pytest.mark.parametrize(
    ("scope", "scope_id"),
    [("tenant", "ten_default"), ("project", "prj_1"), ("user", "usr_admin"), ("key", "key_1")],
)
async def test_each_record_is_charged_once_to_whose_it_is(
    caller: Caller, ledger_db: Database, scope: str, scope_id: str
) -> None:
    await set_price(caller, 1)
    budget = await add(caller, scope=scope, scope_id=scope_id)
    records = UsageRecords()
    mine = records.next(admitted_at=CLOCK.now(), project_id="prj_1")
    foreign = records.next(admitted_at=CLOCK.now(), tenant_id="ten_b", project_id="prj_1")
    await enter(ledger_db, mine, foreign, mine)
    await enter(ledger_db, mine)
    assert await spent(caller, budget["id"]) == 15_000


async def test_a_new_budget_counts_what_its_period_has_seen_and_a_total_one_begins_at_nothing(
    caller: Caller, ledger_db: Database
) -> None:
    await set_price(caller, 1)
    records, now = UsageRecords(), CLOCK.now()
    month = float(period_start(BudgetPeriod.MONTH, now))
    await enter(ledger_db, records.next(admitted_at=now), records.next(admitted_at=month - 1))
    monthly, total = await add(caller, name="m"), await add(caller, name="t", period="total")
    ever = await add(caller, name="e", period="total", starts_at="2020-01-01T00:00:00Z")
    tokens = await add(caller, name="k", unit="tokens")
    assert [one["spent"] for one in (monthly, total, ever, tokens)] == [15_000, 0, 30_000, 15]
    assert (monthly["left"], monthly["crossed"]) == (85_000, [])
    assert monthly["forecast"] >= monthly["spent"]
    assert total["forecast"] is None


async def test_tokens_of_answers_that_no_engine_worked_for_do_not_count(caller: Caller, ledger_db: Database) -> None:
    budget = await add(caller, unit="tokens")
    records, now = UsageRecords(), CLOCK.now()
    await enter(ledger_db, records.next(admitted_at=now), records.next(admitted_at=now, reuse=Reuse.CACHED))
    assert await spent(caller, budget["id"]) == 15
    assert (await add(caller, name="again", unit="tokens"))["spent"] == 15


async def test_corrections_change_what_is_spent_in_a_new_epoch(
    caller: Caller, ledger_db: Database, broker: MemoryBroker
) -> None:
    await set_price(caller, 3)
    budget = await add(caller, period="total", starts_at="2020-01-01T00:00:00Z")
    await enter(ledger_db, UsageRecords().next())
    before = (await told(ledger_db, broker))[budget["id"]]
    await set_price(caller, 1, "2026-01-01T00:00:00Z")
    body = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", "reason": "x", "is_dry_run": False}
    assert (await caller.send("POST", "/usage:reprice", body)).status_code == 200
    after = (await told(ledger_db, broker))[budget["id"]]
    assert (before.spent, after.spent) == (45_000, 15_000)
    assert (after.epoch > before.epoch, after.generation > before.generation) == (True, True)
    assert (await add(caller, name="anew", period="total", starts_at="2020-01-01T00:00:00Z"))["spent"] == 15_000


async def test_routers_are_told_of_budgets_and_of_their_end(
    caller: Caller, ledger_db: Database, broker: MemoryBroker
) -> None:
    budget = await add(caller, unit="tokens", period="day")
    await enter(ledger_db, UsageRecords().next(admitted_at=CLOCK.now()))
    first = (await told(ledger_db, broker))[budget["id"]]
    assert (first.spent, first.is_hard, first.amount, first.is_deleted) == (15, True, 100_000, False)
    assert (await caller.send("DELETE", f"/budgets/{budget['id']}")).status_code == 204
    last = (await told(ledger_db, broker))[budget["id"]]
    assert (last.is_deleted, last.generation > first.generation) == (True, True)
    assert (await caller.get(f"/budgets/{budget['id']}")).status_code == 404


async def test_a_change_needs_what_was_read_and_keeps_what_was_spent(caller: Caller, ledger_db: Database) -> None:
    budget = await add(caller, unit="tokens")
    await enter(ledger_db, UsageRecords().next(admitted_at=CLOCK.now()))
    path = f"/budgets/{budget['id']}"
    assert (await caller.send("PATCH", path, {"amount": 5})).status_code == 428
    assert (await caller.send("PATCH", path, {"amount": 5}, if_match='"7"')).status_code == 412
    changed = (await caller.send("PATCH", path, {"amount": 5, "is_hard": False}, if_match='"1"')).json()
    assert (changed["spent"], changed["left"], changed["is_hard"], changed["revision"]) == (15, -10, False, 2)
    assert changed["crossed"] == [80, 100]


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": -1},
        {"amount": 10**19},
        {"scope_id": "ten_other"},
        {"period": "year"},
        {"name": " "},
        {"thresholds": [0]},
        {"emails": ["nobody"]},
        {"emails": ["a@"]},
        {"emails": ["@b"]},
        {"emails": ["a@b,c@d"]},
        {"emails": ["undisclosed:;@b"]},
        {"emails": ["a@b\u2028"]},
        {"webhook_url": "ftp://example.com"},
        {"webhook_url": "https://"},
        {"webhook_url": "https://user:password@example.com/"},
        {"webhook_url": "https://example.com/a b"},
        {"starts_at": "2020-01-01T00:00:00Z"},
        {"period": "total", "starts_at": "2999-01-01T00:00:00Z"},
    ],
)
async def test_what_no_budget_can_be_is_refused(caller: Caller, fields: dict[str, Any]) -> None:
    assert (await caller.send("POST", "/budgets", wanted(**fields))).status_code == 422


async def test_a_tenant_sees_its_own_budgets_and_changes_only_those_that_are_not_the_platforms(caller: Caller) -> None:
    given = await add(caller, name="given", is_platform=True)
    own = await caller.send("POST", "/budgets", wanted(name="own"), subject=TENANT_FINANCE)
    assert own.status_code == 201
    refused = await caller.send("POST", "/budgets", wanted(is_platform=True), subject=TENANT_FINANCE)
    assert refused.status_code == 403
    for method, body in (("PATCH", {"amount": 10**12}), ("DELETE", None)):
        answer = await caller.send(method, f"/budgets/{given['id']}", body, subject=TENANT_FINANCE, if_match="*")
        assert answer.status_code == 403
    assert (await caller.get(f"/budgets/{given['id']}", subject=STRANGER)).status_code == 404
    assert (await caller.get("/budgets", subject=STRANGER)).json()["items"] == []
    assert len((await caller.get("/budgets", subject=TENANT_FINANCE)).json()["items"]) == 2


def test_periods_begin_at_midnight_utc_a_week_on_monday() -> None:
    saturday = 1_795_262_400.0  # 2026-11-21T12:00Z
    starts = [period_start(period, saturday) for period in BudgetPeriod if period is not BudgetPeriod.UNKNOWN]
    assert starts == [1_795_219_200, 1_794_787_200, 1_793_491_200, 0]
    ends = [period_end(period, saturday) for period in BudgetPeriod if period is not BudgetPeriod.UNKNOWN]
    assert ends == [1_795_305_600, 1_795_392_000, 1_796_083_200, None]
