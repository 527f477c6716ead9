"""What people set in metering is in the audit with its values before and after, and without secrets."""

import pytest

from roundhouse_common.database import Database
from roundhouse_metering.store.tables import outbox
from tests.support.audited import told_to_audit
from tests.support.metering_api import Caller

pytestmark = pytest.mark.contract("E05")

SECRET = "https://hooks.example.org/services/T0/s3cret"


async def test_a_budget_is_entered_with_its_name_what_changed_and_without_its_webhooks_path(
    caller: Caller, ledger_db: Database
) -> None:
    body = {"name": "all", "scope": "tenant", "scope_id": "ten_default", "amount": 5, "webhook_url": SECRET}
    budget = (await caller.send("POST", "/budgets", body)).json()
    path = f"/budgets/{budget['id']}"
    for change in ({"amount": 7}, {"amount": 7}, {"webhook_url": SECRET + "2"}):
        assert (await caller.send("PATCH", path, change, if_match="*")).status_code == 200
    assert (await caller.send("DELETE", path)).status_code == 204
    made, raised, led, gone = await told_to_audit(ledger_db, outbox)
    assert (made.action, made.object_id, made.object_name) == ("budget.add", budget["id"], "all")
    assert made.change["amount"] == [None, 5]
    assert (raised.action, raised.change) == ("budget.change", {"amount": [5, 7]})
    assert list(led.change) == ["webhook_url"]
    assert (gone.action, gone.change["amount"]) == ("budget.remove", [7, None])
    for entry in (made, raised, led, gone):
        assert "s3cret" not in str(entry.change)


async def test_a_version_of_prices_is_entered_with_its_lines(caller: Caller, ledger_db: Database) -> None:
    body = {"currency": "USD", "valid_from": "2026-01-01T00:00:00Z", "lines": [{"rates": {"input_per_million": 9}}]}
    assert (await caller.send("POST", "/price-books/standard/versions", body)).status_code == 201
    [entry] = await told_to_audit(ledger_db, outbox)
    assert (entry.action, entry.object_id, entry.object_name) == ("price-version.add", "standard/1", "standard")
    assert entry.change["lines"][1][0]["rates"] == {"input_per_million": 9}
