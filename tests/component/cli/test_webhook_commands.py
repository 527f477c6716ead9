"""`roundhouse webhooks` and readers of the stream of events, against a scripted metering."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.nats_auth.authority import Root
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.jwt import claims_of
from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

pytestmark = pytest.mark.contract("F06")

PATH = "/api/v1/webhooks"
WEBHOOK: dict[str, Any] = {
    "id": "whk_" + "a" * 32,
    "name": "the ERP",
    "url": "https://finance.example.com/hook",
    "tenant": "ten_default",
    "state": "retrying",
    "sent": 12,
    "cursor": "12.0.0",
    "sent_at": None,
    "next_try_at": "2026-11-21T09:00:00.000Z",
    "last_error": "it answered 503",
}
ONE = f"{PATH}/{WEBHOOK['id']}"
SECRET = {**WEBHOOK, "secret": "whsec_c2VjcmV0"}


@pytest.fixture
def metering(server: Scripted) -> Scripted:
    server.items(PATH, WEBHOOK)
    server.on("GET", ONE, WEBHOOK, headers={"etag": '"2"'})
    server.on("POST", PATH, SECRET, status=201)
    server.on("PATCH", ONE, WEBHOOK)
    server.on("DELETE", ONE, b"", status=204)
    server.on("POST", f"{ONE}:rotate-secret", SECRET)
    server.on("POST", f"{ONE}:redeliver", WEBHOOK)
    server.on("POST", "/api/v1/usage/events:republish", {"cursor": "3.0.0"}, status=202)
    return server


def test_webhooks_are_listed_with_what_was_wrong(roundhouse: Command, metering: Scripted) -> None:
    out = roundhouse("webhooks", "ls").out
    assert "retrying" in out
    assert "503" in out


def test_the_secret_is_what_is_printed(roundhouse: Command, metering: Scripted) -> None:
    made = roundhouse("webhooks", "create", "the ERP", WEBHOOK["url"], "--type", "budget", "--single", "--after", "0")
    assert made.out == "whsec_c2VjcmV0\n"
    assert metering.last("POST").body == {
        "name": "the ERP",
        "url": WEBHOOK["url"],
        "tenant": "",
        "mode": "single",
        "types": ["io.roundhouse.budget.threshold.reached.v1"],
        "after": "0",
    }
    assert roundhouse("webhooks", "rotate-secret", "the ERP", "--overlap", "1h").out == "whsec_c2VjcmV0\n"
    assert metering.last("POST").body == {"overlap_s": 3600}


def test_what_is_not_stated_stays(roundhouse: Command, metering: Scripted) -> None:
    assert roundhouse("webhooks", "set", "the ERP", "--disable").code == 0
    assert metering.last("PATCH").body == {"is_enabled": False}
    assert "State what to change" in roundhouse.fails("webhooks", "set", "the ERP").err
    assert "there are: usage" in roundhouse.fails("webhooks", "set", "the ERP", "--type", "x").err


def test_a_test_that_is_not_taken_fails(roundhouse: Command, metering: Scripted) -> None:
    answer = {"is_taken": True, "status": 204, "error": "", "duration_ms": 12.3}
    metering.on("POST", f"{ONE}:test", answer)
    metering.on("POST", f"{ONE}:test", {**answer, "is_taken": False, "error": "it answered 500"})
    assert "answered 204 within 12 ms" in roundhouse("webhooks", "test", "the ERP").err
    assert "it answered 500" in roundhouse.fails("webhooks", "test", "the ERP").err


def test_events_are_sent_and_published_again_from_a_place(roundhouse: Command, metering: Scripted) -> None:
    assert "goes on after 12.0.0" in roundhouse("webhooks", "redeliver", "the ERP", "--after", "12.0.0").err
    assert metering.last("POST").body == {"after": "12.0.0"}
    assert "From where?" in roundhouse.fails("webhooks", "redeliver", "the ERP").err
    assert "not both" in roundhouse.fails("webhooks", "redeliver", "the ERP", "--after", "1", "--since", "1h").err
    assert "after 3.0.0" in roundhouse("admin", "republish-events", "--since", "1h").err
    assert set(metering.last("POST").body) == {"since"}


def test_a_webhook_is_removed(roundhouse: Command, metering: Scripted) -> None:
    assert roundhouse("webhooks", "rm", "the ERP").code == 0
    assert metering.last("DELETE").path == ONE


def test_credentials_of_a_reader_permit_its_consumer_only(roundhouse: Command, tmp_path: Path) -> None:
    root, target = tmp_path / "root.json", tmp_path / "erp.creds"
    root.write_text(Root.new(secrets.token_bytes).dumps())
    made = ("admin", "event-reader", "erp", "--root", str(root), "--to", str(target))
    assert roundhouse(*made).code == 0
    assert target.stat().st_mode & 0o777 == 0o600
    said = claims_of(Credentials.parse(target.read_text()).jwt)["nats"]
    assert all("FINANCE.reader-erp" in subject for subject in said["pub"]["allow"])
    assert said["sub"]["allow"] == ["_INBOX.reader.erp.>"]
    assert "is there already" in roundhouse.fails(*made).err
    assert "no name" in roundhouse.fails("admin", "event-reader", "a.>").err
