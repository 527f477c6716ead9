"""Thresholds of budgets: told once for each period and threshold, signed, tried again, by HTTP and by mail."""

import asyncio
import email
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.database import Database
from roundhouse_metering.bus.usage import UsageRecorder
from roundhouse_metering.domain.notices import retry_after_s
from roundhouse_metering.domain.signing import signature
from roundhouse_metering.loops.budgets import BudgetNotices
from roundhouse_metering.settings import MeteringSettings
from tests.support.hand_clock import HandClock
from tests.support.metering_api import CLOCK, WEBHOOK_KEY, Caller
from tests.support.usage import UsageRecords

pytestmark = pytest.mark.contract("F05")


@dataclass
class Receiver:
    """Something that listens on a port of this machine, and what came to it."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    """What it answers, in turn; then 200."""
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def take_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        self.heads.append(headers)
        self.bodies.append(await reader.readexactly(int(headers["content-length"])))
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\nlocation: http://127.0.0.1:1/\r\n\r\n" % status)
        writer.close()

    async def take_mail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak as much SMTP as a client needs."""
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            if line.upper().startswith(b"DATA"):
                writer.write(b"354 go on\r\n")
                self.bodies.append((await reader.readuntil(b"\r\n.\r\n"))[:-5])
            writer.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")
        writer.close()


@asynccontextmanager
async def listening(*, is_mail: bool = False, **fields: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**fields)
    server = await asyncio.start_server(receiver.take_mail if is_mail else receiver.take_http, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


def sender(db: Database, tmp_path: Any, clock: Any = CLOCK, **settings: Any) -> BudgetNotices:
    values = {"state_dir": tmp_path, "webhooks_to_private": True, **settings}
    return BudgetNotices(db, MeteringSettings(**values), key=WEBHOOK_KEY, clock=clock, registry=CollectorRegistry())


async def add(caller: Caller, **fields: Any) -> Any:
    wanted = {
        "name": "research",
        "scope": "tenant",
        "scope_id": "ten_default",
        "unit": "tokens",
        "amount": 100,
        **fields,
    }
    return (await caller.send("POST", "/budgets", wanted)).json()


async def spend(db: Database, records: UsageRecords, tokens: int) -> None:
    record = records.next(admitted_at=CLOCK.now(), input_tokens=tokens, output_tokens=0)
    await UsageRecorder(db, clock=CLOCK, registry=CollectorRegistry())._enter([record])


async def test_each_threshold_is_told_once_by_a_signed_webhook(
    caller: Caller, ledger_db: Database, tmp_path: Any
) -> None:
    async with listening() as receiver:
        budget = await add(caller, thresholds=[50, 100], webhook_url=f"http://127.0.0.1:{receiver.port}/hook?a=b")
        records, sending = UsageRecords(), sender(ledger_db, tmp_path)
        for tokens in (40, 20, 20, 30, 30):
            await spend(ledger_db, records, tokens)
            await sending.send_due()
    events = [json.loads(body) for body in receiver.bodies]
    told = [(event["data"]["threshold_percent"], event["data"]["spent"]) for event in events]
    assert told == [(50, 60), (100, 110)]
    secret = (await caller.get(f"/budgets/{budget['id']}/webhook-secret")).json()["secret"]
    head = receiver.heads[0]
    expected = signature(secret, head["webhook-id"], int(head["webhook-timestamp"]), receiver.bodies[0])
    assert head["webhook-signature"].lower() == expected.lower()
    assert (events[0]["id"], events[0]["specversion"]) == (head["webhook-id"], "1.0")
    listed = (await caller.get(f"/budgets/{budget['id']}/notices")).json()["items"]
    assert [(one["threshold"], one["attempts"], one["sent_at"] is None) for one in listed] == [
        (50, 1, False),
        (100, 1, False),
    ]


async def test_the_last_request_of_a_period_is_told_of_when_it_comes_after_the_end(
    caller: Caller, ledger_db: Database, tmp_path: Any
) -> None:
    today = CLOCK.now()
    tomorrow = HandClock()
    tomorrow.at = today + 86_400 - 1_800_000_000
    recorder = UsageRecorder(ledger_db, clock=tomorrow, registry=CollectorRegistry())
    records = UsageRecords()
    async with listening() as receiver:
        budget = await add(caller, period="day", thresholds=[100], webhook_url=f"http://127.0.0.1:{receiver.port}/")
        await recorder._enter([records.next(admitted_at=today, input_tokens=100, output_tokens=0)])
        before_it_was_there = records.next(admitted_at=today - 5 * 86_400, input_tokens=100, output_tokens=0)
        await recorder._enter([before_it_was_there])
        await sender(ledger_db, tmp_path, tomorrow).send_due()
    (event,) = [json.loads(body)["data"] for body in receiver.bodies]
    assert (event["threshold_percent"], event["spent"]) == (100, 100)
    assert event["period_start"] == budget["period_start"], "of the day that it was admitted on"


async def test_a_webhook_that_fails_is_tried_again_with_the_same_id(
    caller: Caller, ledger_db: Database, tmp_path: Any
) -> None:
    clock = HandClock()
    clock.at = CLOCK.now() - 1_800_000_000
    async with listening(statuses=[500, 302]) as receiver:
        await add(caller, thresholds=[1], webhook_url=f"http://127.0.0.1:{receiver.port}/")
        await spend(ledger_db, UsageRecords(), 5)
        clock.at += 1
        sending = sender(ledger_db, tmp_path, clock)
        sent = []
        for wait_s in (0, 0, 6, 11, 3600):
            clock.at += wait_s
            sent.append(await sending.send_due())
    assert sent == [1, 0, 1, 1, 0]
    assert len({head["webhook-id"] for head in receiver.heads}) == 1


async def test_mail_goes_to_each_address(caller: Caller, ledger_db: Database, tmp_path: Any) -> None:
    async with listening(is_mail=True) as receiver:
        await add(caller, thresholds=[100], emails=["a@example.com", "b@example.com"], is_hard=True)
        await spend(ledger_db, UsageRecords(), 100)
        sending = sender(ledger_db, tmp_path, smtp_url=f"smtp://127.0.0.1:{receiver.port}", smtp_from="rh@example.com")
        await sending.send_due()
        await sending.send_due()
    mails = sorted((email.message_from_bytes(body) for body in receiver.bodies), key=lambda mail: mail["To"])
    assert [(mail["To"], mail["From"]) for mail in mails] == [
        ("a@example.com", "rh@example.com"),
        ("b@example.com", "rh@example.com"),
    ]
    assert mails[0]["Subject"] == "Budget research: 100 % is spent"
    assert "Further requests are refused" in mails[0].get_payload()


async def test_without_a_mail_server_the_notice_waits_and_says_why(
    caller: Caller, ledger_db: Database, tmp_path: Any
) -> None:
    budget = await add(caller, thresholds=[1], emails=["a@example.com"])
    await spend(ledger_db, UsageRecords(), 5)
    await sender(ledger_db, tmp_path).send_due()
    (notice,) = (await caller.get(f"/budgets/{budget['id']}/notices")).json()["items"]
    assert (notice["sent_at"], notice["is_given_up"], "SMTP_URL" in notice["last_error"]) == (None, False, True)


async def test_a_webhook_to_a_private_address_is_refused_unless_the_setting_allows_it(
    caller: Caller, ledger_db: Database, tmp_path: Any
) -> None:
    async with listening() as receiver:
        budget = await add(caller, thresholds=[1], webhook_url=f"http://localhost:{receiver.port}/")
        await spend(ledger_db, UsageRecords(), 5)
        await sender(ledger_db, tmp_path, webhooks_to_private=False).send_due()
    assert receiver.bodies == []
    (notice,) = (await caller.get(f"/budgets/{budget['id']}/notices")).json()["items"]
    assert "no public address" in notice["last_error"]


@pytest.mark.parametrize("how", ["deleted", "told elsewhere"])
async def test_who_is_not_to_be_told_any_more_is_not(
    caller: Caller, ledger_db: Database, tmp_path: Any, how: str
) -> None:
    clock = HandClock(CLOCK.now() - 1_800_000_000)
    async with listening(statuses=[500]) as receiver, listening() as other:
        url = f"http://127.0.0.1:{receiver.port}/"
        budget = await add(caller, thresholds=[1], webhook_url=url)
        await spend(ledger_db, UsageRecords(), 5)
        clock.at += 1
        sending = sender(ledger_db, tmp_path, clock)
        await sending.send_due()
        path = f"/budgets/{budget['id']}"
        if how == "deleted":
            assert (await caller.send("DELETE", path, if_match="*")).status_code == 204
        else:
            changed = {"webhook_url": f"http://127.0.0.1:{other.port}/"}
            assert (await caller.send("PATCH", path, changed, if_match="*")).status_code == 200
        clock.at += 3600
        await sending.send_due()
    assert len(receiver.bodies) == 1, "the first attempt only"
    assert len(other.bodies) == (0 if how == "deleted" else 1)


async def test_a_lowered_amount_is_a_threshold_reached_too(caller: Caller, ledger_db: Database, tmp_path: Any) -> None:
    async with listening() as receiver:
        budget = await add(caller, thresholds=[100], webhook_url=f"http://127.0.0.1:{receiver.port}/")
        await spend(ledger_db, UsageRecords(), 50)
        await caller.send("PATCH", f"/budgets/{budget['id']}", {"amount": 50}, if_match="*")
        await sender(ledger_db, tmp_path).send_due()
    assert [json.loads(body)["data"]["amount"] for body in receiver.bodies] == [50]


def test_after_some_days_it_is_given_up() -> None:
    waits = [retry_after_s(attempts) for attempts in range(1, 81)]
    assert waits[-1] is None
    assert 2 * 86_400 < sum(wait for wait in waits if wait) < 5 * 86_400
