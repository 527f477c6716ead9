"""Webhooks for finance tools: in order, signed, tried again, from a place that moves with a 2xx only."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from standardwebhooks.webhooks import WebhookVerificationError

from roundhouse_common.auth import Role, Subject
from roundhouse_common.contracts.money import NANO, PriceRecord, Rates
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.bus.usage import UsageRecorder
from roundhouse_metering.domain.feed import EventType
from roundhouse_metering.domain.webhooks import state_of
from roundhouse_metering.loops.webhooks import Webhooks, WebhookSender
from roundhouse_metering.store.ledger import enter
from roundhouse_metering.store.webhooks import find_webhook
from tests.support.eventually import eventually
from tests.support.hand_clock import HandClock
from tests.support.metering_api import CLOCK, WEBHOOK_KEY, Caller, who
from tests.support.usage import NOON, UsageRecords
from tests.support.webhook_receiver import receiving

pytestmark = pytest.mark.contract("F05")

BOOK = {
    "currency": "USD",
    "valid_from": "2026-01-01T00:00:00Z",
    "lines": [{"model": "smollm2", "rates": {"input_per_million": NANO, "output_per_million": 2 * NANO}}],
}
RATES = Rates(input_per_million=NANO, output_per_million=NANO)
PRICES = PriceTable(
    [PriceRecord(price_id="prc_1", book="old", version=1, currency="USD", valid_from=1.0, model="smollm2", rates=RATES)]
)
FINANCE = Subject(id="usr_finance", tenant_id="ten_default", roles=frozenset({Role.FINANCE}))


def webhooks(db: Database, clock: Any = CLOCK, *, batch: int = 100, may_be_private: bool = True) -> Webhooks:
    sender = WebhookSender(WEBHOOK_KEY, may_be_private=may_be_private, clock=clock)
    return Webhooks(db, sender, batch=batch, clock=clock, registry=CollectorRegistry())


def now_by_hand() -> HandClock:
    clock = HandClock()
    clock.at = CLOCK.now() - 1_800_000_000
    return clock


async def enter_some(db: Database, records: UsageRecords, count: int, **fields: Any) -> None:
    async with db.write() as session:
        some = [records.next(**fields) for _ in range(count)]
        await enter(session, some, recorded_at=NOON, prices=PRICES)


async def add(caller: Caller, url: str, *, subject: Subject | None = None, **fields: Any) -> Any:
    answer = await caller.send("POST", "/webhooks", {"name": "the ERP", "url": url, **fields}, subject=subject)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def shown(caller: Caller, webhook: Any) -> Any:
    answer = await caller.get(f"/webhooks/{webhook['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(first: int, last: int) -> list[str]:
    return [f"req_router-1_{number:06}" for number in range(first, last + 1)]


async def test_records_go_out_in_the_ledgers_order_signed_and_once(caller: Caller, ledger_db: Database) -> None:
    records = UsageRecords()
    await enter_some(ledger_db, records, 2)
    async with receiving() as receiver:
        webhook = await add(caller, receiver.url)
        await enter_some(ledger_db, records, 5)
        sending = webhooks(ledger_db, batch=2)
        await sending.send_due()
        await sending.send_due()
    assert receiver.ids == ids(3, 7)
    assert [len(post.events) for post in receiver.posts] == [2, 2, 1]
    assert receiver.posts[0].headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    assert len({post.headers["webhook-id"] for post in receiver.posts}) == 3
    for post in receiver.posts:
        post.verify(webhook["secret"])
    with pytest.raises(WebhookVerificationError):
        receiver.posts[0].verify("whsec_" + "A" * 43 + "=")
    after = await shown(caller, webhook)
    assert (after["state"], after["sent"], after["cursor"], after["last_error"]) == ("active", 5, "7.0.0", "")
    assert "secret" not in after


async def test_single_mode_sends_one_event_in_each_with_its_own_id(caller: Caller, ledger_db: Database) -> None:
    async with receiving() as receiver:
        await add(caller, receiver.url, mode="single")
        await enter_some(ledger_db, UsageRecords(), 3)
        await webhooks(ledger_db).send_due()
    assert [post.headers["webhook-id"] for post in receiver.posts] == ids(1, 3)
    assert receiver.posts[0].headers["content-type"] == "application/cloudevents+json; charset=utf-8"


async def test_single_events_go_on_after_the_last_that_was_taken(caller: Caller, ledger_db: Database) -> None:
    clock = now_by_hand()
    async with receiving(204, 500) as receiver:
        webhook = await add(caller, receiver.url, mode="single")
        await enter_some(ledger_db, UsageRecords(), 3)
        await webhooks(ledger_db, clock).send_due()
        found = await shown(caller, webhook)
        assert (found["cursor"], found["sent"], found["attempts"]) == ("1.0.0", 1, 1)
        clock.at += 6
        await webhooks(ledger_db, clock).send_due()
    assert receiver.ids == [*ids(1, 2), *ids(2, 3)]
    assert (await shown(caller, webhook))["cursor"] == "3.0.0"


async def test_what_is_not_taken_is_tried_again_with_growing_pauses_and_nothing_is_left_out(
    caller: Caller, ledger_db: Database
) -> None:
    clock, records = now_by_hand(), UsageRecords()
    async with receiving(500, 302, 429) as receiver:
        webhook = await add(caller, receiver.url)
        await enter_some(ledger_db, records, 1)
        sending, waits = webhooks(ledger_db, clock), []
        for wait_s in (0, 4, 2, 9, 2, 19, 2):
            clock.at += wait_s
            await sending.send_due()
            waits.append(len(receiver.posts))
            if len(receiver.posts) == 2:
                await enter_some(ledger_db, records, 1)
            if len(receiver.posts) == 3:
                found = await shown(caller, webhook)
                assert (found["attempts"], found["last_error"]) == (3, "it answered 429")
                assert found["next_try_at"] > found["tried_at"]
                assert found["cursor"] == "0.0.0"
    assert waits == [1, 1, 2, 2, 3, 3, 4]
    assert len({post.headers["webhook-id"] for post in receiver.posts[:2]}) == 1
    assert receiver.posts[3].headers["webhook-id"] != receiver.posts[0].headers["webhook-id"]
    assert receiver.posts[3].events[0]["id"] == ids(1, 1)[0]
    assert (await shown(caller, webhook))["state"] == "active"


async def test_after_long_failure_it_is_shown_and_still_tried(caller: Caller, ledger_db: Database) -> None:
    clock = now_by_hand()
    async with receiving(*[503] * 200) as receiver:
        webhook = await add(caller, receiver.url)
        await enter_some(ledger_db, UsageRecords(), 1)
        sending = webhooks(ledger_db, clock)
        for _ in range(100):
            await sending.send_due()
            clock.at += 3601
        assert len(receiver.posts) == 100
        async with ledger_db.read() as session:
            kept = await find_webhook(session, "ten_default", webhook["id"])
        assert kept is not None
        assert (state_of(kept, clock.now()), kept.last_error) == ("failing", "it answered 503")
        receiver.statuses.clear()
        await sending.send_due()
    assert (await shown(caller, webhook))["state"] == "active"


async def test_one_that_is_gone_is_switched_off_and_keeps_its_place(caller: Caller, ledger_db: Database) -> None:
    async with receiving(410) as receiver:
        webhook = await add(caller, receiver.url)
        await enter_some(ledger_db, UsageRecords(), 1)
        sending = webhooks(ledger_db)
        await sending.send_due()
        found = await shown(caller, webhook)
        assert (found["state"], found["last_error"], found["cursor"]) == ("disabled", "it answered 410", "0.0.0")
        path = f"/webhooks/{webhook['id']}"
        stale = await caller.send("PATCH", path, {"is_enabled": True}, if_match='"1"')
        assert stale.status_code == 412
        assert (await caller.send("PATCH", path, {"is_enabled": True}, if_match="*")).status_code == 200
        await sending.send_due()
    assert receiver.ids == ids(1, 1) * 2


async def test_a_slow_receiver_does_not_hold_up_others(caller: Caller, ledger_db: Database) -> None:
    async with receiving(is_slow=True) as slow, receiving() as quick:
        await add(caller, slow.url)
        await add(caller, quick.url)
        await enter_some(ledger_db, UsageRecords(), 3)
        sending = webhooks(ledger_db)
        both = asyncio.create_task(sending.send_due())
        await eventually(lambda: quick.ids == ids(1, 3))
        await eventually(lambda: len(slow.posts) == 1)
        await sending.send_due()
        assert len(slow.posts) == 1, "what is in flight is not sent a second time"
        slow.may_answer.set()
        await both


async def test_an_instance_that_stops_does_not_wait_for_a_slow_receiver(caller: Caller, ledger_db: Database) -> None:
    async with receiving(is_slow=True) as receiver:
        await add(caller, receiver.url)
        await enter_some(ledger_db, UsageRecords(), 1)
        stopping = webhooks(ledger_db)
        running = asyncio.create_task(stopping.run())
        await eventually(lambda: len(receiver.posts) == 1)
        running.cancel()
        await asyncio.wait([running])
        await asyncio.wait_for(asyncio.to_thread(stopping._sender._threads.shutdown), 20)


async def test_two_instances_do_not_send_to_one_receiver_at_once(caller: Caller, ledger_db: Database) -> None:
    async with receiving(is_slow=True) as receiver:
        await add(caller, receiver.url)
        await enter_some(ledger_db, UsageRecords(), 1)
        first = asyncio.create_task(webhooks(ledger_db).send_due())
        await eventually(lambda: len(receiver.posts) == 1)
        await webhooks(ledger_db).send_due()
        receiver.may_answer.set()
        await first
        await webhooks(ledger_db).send_due()
    assert receiver.ids == ids(1, 1)


async def test_an_instance_that_dies_before_it_noted_a_2xx_sends_the_same_again(
    caller: Caller, ledger_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = now_by_hand()
    async with receiving() as receiver:
        await add(caller, receiver.url)
        await enter_some(ledger_db, UsageRecords(), 3)
        dying = webhooks(ledger_db, clock)

        async def dies(*_: Any) -> int:
            await sender_send(*_)
            raise asyncio.CancelledError

        sender_send = dying._sender.send
        monkeypatch.setattr(dying._sender, "send", dies)
        await dying.send_due()
        clock.at += 40
        await webhooks(ledger_db, clock).send_due()
        assert len(receiver.posts) == 1, "it may be in flight still"
        clock.at += 6
        await webhooks(ledger_db, clock).send_due()
    assert receiver.posts[0].body == receiver.posts[1].body
    assert receiver.posts[0].headers["webhook-id"] == receiver.posts[1].headers["webhook-id"]


async def test_a_receiver_adds_up_to_what_the_ledger_says_after_corrections(
    caller: Caller, ledger_db: Database
) -> None:
    async with receiving() as receiver:
        await add(caller, receiver.url)
        records = UsageRecords()
        await enter_some(ledger_db, records, 3)
        await enter_some(ledger_db, records, 1, model_served="other")
        assert (await caller.send("POST", "/price-books/standard/versions", BOOK)).status_code == 201
        body = {
            "since": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z",
            "reason": "wrong book", "is_dry_run": False,
        }  # fmt: skip
        assert (await caller.send("POST", "/usage:reprice", body)).json()["changed"] == 3
        await webhooks(ledger_db, batch=2).send_due()
    events = [event for post in receiver.posts for event in post.events]
    told = [event["id"] for event in events]
    assert told == [*ids(1, 4), "cor_1", "cor_2", "cor_3"]
    by_type = {kind: [event["data"] for event in events if event["type"] == kind] for kind in EventType}
    entered = sum(data["cost_nano"] or 0 for data in by_type[EventType.USAGE])
    corrected = sum(data["delta_nano"] for data in by_type[EventType.CORRECTION])
    usage = (await caller.get("/usage")).json()["totals"]
    assert (entered, corrected, entered + corrected) == (45_000, 15_000, usage["cost_nano"])
    assert {data["cost_nano"] for data in by_type[EventType.USAGE]} == {15_000, None}


async def test_thresholds_of_budgets_are_told_too(caller: Caller, ledger_db: Database) -> None:
    async with receiving() as receiver:
        await add(caller, receiver.url, types=[EventType.BUDGET.value])
        budget = {"name": "research", "scope": "tenant", "scope_id": "ten_default", "unit": "tokens", "amount": 20}
        made = (await caller.send("POST", "/budgets", {**budget, "thresholds": [50, 100]})).json()
        recorder = UsageRecorder(ledger_db, clock=CLOCK, registry=CollectorRegistry())
        records = UsageRecords()
        for _ in range(3):
            await recorder._enter([records.next(admitted_at=CLOCK.now(), input_tokens=10, output_tokens=0)])
            await webhooks(ledger_db).send_due()
    data = [event["data"] for post in receiver.posts for event in post.events]
    assert [(one["budget_id"], one["threshold_percent"], one["spent"]) for one in data] == [
        (made["id"], 50, 10),
        (made["id"], 100, 20),
    ]


async def test_a_secret_is_replaced_with_two_signatures_for_a_while(caller: Caller, ledger_db: Database) -> None:
    clock, records = now_by_hand(), UsageRecords()
    async with receiving() as receiver:
        webhook = await add(caller, receiver.url)
        answer = await caller.send("POST", f"/webhooks/{webhook['id']}:rotate-secret", {"overlap_s": 100})
        rotated = answer.json()
        assert rotated["secret"] != webhook["secret"]
        for wait_s in (0, 200):
            clock.at += wait_s
            await enter_some(ledger_db, records, 1)
            await webhooks(ledger_db, clock).send_due()
    both, later = receiver.posts
    assert len(both.headers["webhook-signature"].split()) == 2
    both.verify(webhook["secret"])
    both.verify(rotated["secret"])
    assert len(later.headers["webhook-signature"].split()) == 1


async def test_it_is_sent_again_from_a_cursor_with_the_same_ids(caller: Caller, ledger_db: Database) -> None:
    async with receiving() as receiver:
        webhook = await add(caller, receiver.url, after="0")
        await enter_some(ledger_db, UsageRecords(), 4)
        sending = webhooks(ledger_db)
        await sending.send_due()
        path = f"/webhooks/{webhook['id']}:redeliver"
        assert (await caller.send("POST", path, {"after": "2.0.0"})).json()["cursor"] == "2.0.0"
        await sending.send_due()
        moved = (await caller.send("POST", path, {"since": "2026-11-20T00:00:00Z"})).json()
        assert moved["cursor"] == "0.0.0"
        for wrong in ({"after": "5.0.0"}, {"after": "x"}, {}, {"after": "1", "since": "2026-11-20T00:00:00Z"}):
            assert (await caller.send("POST", path, wrong)).status_code == 422
    assert receiver.ids == [*ids(1, 4), *ids(3, 4)]


async def test_a_test_says_what_was_answered_and_moves_nothing(caller: Caller, ledger_db: Database) -> None:
    async with receiving(200, 418) as receiver:
        webhook = await add(caller, receiver.url)
        path = f"/webhooks/{webhook['id']}:test"
        good = (await caller.send("POST", path, {})).json()
        bad = (await caller.send("POST", path, {})).json()
    assert (good["is_taken"], good["status"], bad["is_taken"], bad["error"]) == (True, 200, False, "it answered 418")
    assert [event["type"] for event in receiver.posts[0].events] == [EventType.TEST.value]
    assert (await shown(caller, webhook))["sent"] == 0


async def test_an_address_inside_is_refused_before_anything_connects(caller: Caller, ledger_db: Database) -> None:
    async with receiving() as receiver:
        webhook = await add(caller, receiver.url.replace("127.0.0.1", "localhost"))
        await enter_some(ledger_db, UsageRecords(), 1)
        await webhooks(ledger_db, may_be_private=False).send_due()
    assert receiver.posts == []
    assert "no public address" in (await shown(caller, webhook))["last_error"]


@pytest.mark.parametrize(
    "url", ["ftp://a.example", "https://", "https://user:word@a.example/", "http://a.example/ x", "http://a:99999/"]
)
async def test_an_address_that_cannot_be_is_refused(caller: Caller, url: str) -> None:
    assert (await caller.send("POST", "/webhooks", {"name": "x", "url": url})).status_code == 422


@pytest.mark.contract("E02")
async def test_only_the_platform_has_events_of_other_tenants_sent(caller: Caller, ledger_db: Database) -> None:
    records = UsageRecords()
    async with receiving() as own, receiving() as every:
        webhook = await add(caller, own.url, subject=FINANCE)
        for tenant in ("all", "ten_2"):
            body = {"name": "x", "url": own.url, "tenant": tenant}
            assert (await caller.send("POST", "/webhooks", body, subject=FINANCE)).status_code == 403
        platform = await add(caller, every.url, tenant="all")
        await enter_some(ledger_db, records, 1, tenant_id="ten_2")
        await enter_some(ledger_db, records, 1)
        await webhooks(ledger_db).send_due()
        for action, body in (("redeliver", {"after": "0"}), ("test", {}), ("rotate-secret", {})):
            answer = await caller.send("POST", f"/webhooks/{platform['id']}:{action}", body, subject=FINANCE)
            assert answer.status_code == 403
        foreign = await caller.get(f"/webhooks/{webhook['id']}", subject=who("ten_2", Role.FINANCE))
        assert foreign.status_code == 404
    assert (own.ids, every.ids) == (ids(2, 2), ids(1, 2))


async def test_what_is_nothing_for_it_does_not_hold_it_up(
    caller: Caller, ledger_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roundhouse_metering.store.feed._WINDOW", 3)
    records = UsageRecords()
    async with receiving() as receiver:
        await add(caller, receiver.url)
        await enter_some(ledger_db, records, 10, tenant_id="ten_2")
        await enter_some(ledger_db, records, 1)
        await webhooks(ledger_db).send_due()
    assert receiver.ids == ids(11, 11)
