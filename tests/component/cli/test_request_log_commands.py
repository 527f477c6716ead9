"""`roundhouse request-log`, against a scripted catalog."""

from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

pytestmark = pytest.mark.contract("E05")

PATH = "/api/v1/request-log"
TENANT = "/api/v1/tenants/ten_default"
POLICY: dict[str, Any] = {
    "level": "metadata",
    "keep_days": 7,
    "patterns": [{"name": "staff_number", "expression": "E-\\d{6}"}],
}
LINE: dict[str, Any] = {
    "logged_at": "2026-11-21T09:00:00.000Z",
    "request_id": "req_" + "a" * 32,
    "key_id": "key_1",
    "model_requested": "tiny",
    "http_status": 200,
    "outcome": "completed",
    "error_code": "",
    "input_tokens": 7,
    "cached_input_tokens": 1,
    "output_tokens": 3,
    "duration_ms": 12.4,
    "request": {"messages": []},
}


@pytest.fixture
def catalog(server: Scripted) -> Scripted:
    routers = [{"router_id": "rtr_1", "dropped": 2}]
    server.on("GET", PATH, {"items": [LINE], "next_cursor": None, "level": "bodies", "routers": routers})
    server.on("GET", f"{PATH}/{LINE['request_id']}", LINE)
    server.on("GET", "/api/v1/me", {"tenant_id": "ten_default"})
    server.on("GET", TENANT, {"id": "ten_default", "request_log": POLICY}, headers={"etag": '"2"'})
    server.on("PATCH", TENANT, {"id": "ten_default", "request_log": POLICY})
    return server


def test_requests_are_listed_with_their_filters(roundhouse: Command, catalog: Scripted) -> None:
    done = roundhouse("request-log", "ls", "--key", "key_1", "--status", "200", "--most", "5")
    assert "tiny" in done.out
    assert "8 > 3" in done.out
    assert "dropped 2 requests" in done.err
    query = catalog.last("GET").query
    assert (query["key_id"], query["status"], query["limit"]) == ("key_1", "200", "5")


def test_one_request_is_shown_with_what_was_asked(roundhouse: Command, catalog: Scripted) -> None:
    assert "messages" in roundhouse("request-log", "show", LINE["request_id"], "-o", "json").out


def test_a_choice_sends_what_is_stated_and_nothing_else(roundhouse: Command, catalog: Scripted) -> None:
    done = roundhouse("request-log", "set", "--level", "bodies", "--redact", "staff_number=E-\\d{6}")
    assert catalog.last("PATCH").body == {"request_log": {"level": "bodies", "patterns": POLICY["patterns"]}}
    assert "staff_number" in done.err
    roundhouse("request-log", "set", "--no-patterns", "--keep-days", "3")
    assert catalog.last("PATCH").body == {"request_log": {"keep_days": 3, "patterns": []}}
    assert "metadata" in roundhouse("request-log", "policy").out


def test_what_says_nothing_is_explained(roundhouse: Command, catalog: Scripted) -> None:
    assert roundhouse.fails("request-log", "set").code == 2
    assert "has no name" in roundhouse.fails("request-log", "set", "--redact", "abc").err
