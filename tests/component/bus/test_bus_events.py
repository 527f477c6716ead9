"""Events: stored once, consumed at least once, acknowledged after the handler, given up only on purpose."""

import asyncio
from collections.abc import Sequence

import pytest

from roundhouse_common.bus.api import Delivery, PermanentError
from roundhouse_common.bus.codec import encode
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import DeploymentChanged
from roundhouse_common.contracts.registry import DEPLOYMENT_CHANGED, REPLICA_TRANSITION, USAGE
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.errors import Forbidden
from tests.component.bus.builders import changed, usage
from tests.component.bus.conftest import BusWorld
from tests.support.eventually import eventually, never

Batch = Sequence[Delivery[UsageRecord]]


class Recorder:
    """A handler that remembers what it got, and fails as told."""

    def __init__(self, *, fail: dict[str, list[Exception]] | None = None) -> None:
        self.batches: list[list[str]] = []
        self.done: list[str] = []
        self.deliveries: list[Delivery[UsageRecord]] = []
        self._fail = fail or {}

    async def __call__(self, batch: Batch) -> None:
        self.batches.append([one.message.request_id for one in batch])
        for one in batch:
            if errors := self._fail.get(one.message.request_id):
                raise errors.pop(0)
        self.deliveries.extend(batch)
        self.done.extend(one.message.request_id for one in batch)


async def append(world: BusWorld, *request_ids: str) -> None:
    router = await world.bus(Service.ROUTER)
    for number, request_id in enumerate(request_ids, start=1):
        await router.append(USAGE, usage(request_id, number), "router-1", event_id=request_id)


async def test_events_arrive_in_order_with_their_identity(world: BusWorld) -> None:
    await append(world, "req_1", "req_2", "req_3")
    recorder = Recorder()
    metering = await world.bus(Service.METERING)

    async with world.running(metering.consumer(USAGE, "metering-usage", recorder).run):
        await eventually(lambda: len(recorder.done) == 3)

    first = recorder.deliveries[0]
    assert recorder.done == ["req_1", "req_2", "req_3"]
    assert (first.event_id, first.stream_sequence, first.deliveries) == ("req_1", 1, 1)
    assert first.subject == "rh.use.v1.router.request.settled.router-1"
    assert first.headers["ce-type"] == "rh.use.v1.router.request.settled"
    assert first.headers["ce-source"].startswith("roundhouse/router/")
    assert first.headers["ce-specversion"] == "1.0"
    assert first.headers["ce-time"].endswith("Z")


async def test_the_same_event_id_is_stored_once(world: BusWorld) -> None:
    router = await world.bus(Service.ROUTER)

    first = await router.append(USAGE, usage("req_1"), "router-1", event_id="req_1")
    again = await router.append(USAGE, usage("req_1"), "router-1", event_id="req_1")
    other = await router.append(USAGE, usage("req_2"), "router-1", event_id="req_2")

    assert (first, again, other) == (1, 1, 2)


async def test_a_new_event_reaches_a_waiting_consumer_at_once(world: BusWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roundhouse_common.bus.consumer._PULL_S", 60.0)
    recorder = Recorder()
    metering = await world.bus(Service.METERING)
    async with world.running(metering.consumer(USAGE, "metering-usage", recorder).run):
        await append(world, "req_1")
        await eventually(lambda: recorder.done == ["req_1"])
        await append(world, "req_2")
        await eventually(lambda: "req_2" in recorder.done)


async def test_what_was_acknowledged_does_not_come_again_to_the_next_instance(world: BusWorld) -> None:
    await append(world, "req_1", "req_2")
    first, second = Recorder(), Recorder()
    metering = await world.bus(Service.METERING)
    async with world.running(metering.consumer(USAGE, "metering-usage", first).run):
        await eventually(lambda: len(first.done) == 2)
    await metering.close()

    async with world.running((await world.bus(Service.METERING)).consumer(USAGE, "metering-usage", second).run):
        await append(world, "req_3")
        await eventually(lambda: second.done == ["req_3"])


async def test_a_consumer_sees_only_its_contract_of_a_shared_stream(world: BusWorld) -> None:
    catalog, scheduler = await world.bus(Service.CATALOG), await world.bus(Service.SCHEDULER)
    seen: list[str] = []

    async def handler(batch: Sequence[Delivery[DeploymentChanged]]) -> None:
        seen.extend(one.subject for one in batch)

    async with world.running(scheduler.consumer(DEPLOYMENT_CHANGED, "scheduler-timeline", handler).run):
        await scheduler._wire.store(f"{REPLICA_TRANSITION.subject}.rep_1", b"{}", {}, 5.0)
        await catalog.append(DEPLOYMENT_CHANGED, changed(), "dep_1", event_id="evt_1")
        await eventually(lambda: seen)

    assert seen == ["rh.evt.v1.catalog.deployment.changed.dep_1"]


async def test_a_failing_message_comes_again_later_and_does_not_hold_up_its_batch(world: BusWorld) -> None:
    await append(world, "req_1", "req_2", "req_3")
    recorder = Recorder(fail={"req_2": [ValueError("first"), ValueError("second")]})
    metering = await world.bus(Service.METERING)

    async with world.running(metering.consumer(USAGE, "metering-usage", recorder).run):
        await eventually(lambda: len(recorder.done) == 3)

    assert recorder.batches[:4] == [["req_1", "req_2", "req_3"], ["req_1"], ["req_2"], ["req_3"]]
    assert recorder.done == ["req_1", "req_3", "req_2"]
    assert recorder.deliveries[-1].deliveries == 2


async def test_when_everything_fails_the_rest_of_a_batch_is_not_tried_one_by_one(world: BusWorld) -> None:
    names = [f"req_{number}" for number in range(10)]
    await append(world, *names)
    recorder = Recorder(fail={name: [ConnectionError("database away")] for name in names})
    metering = await world.bus(Service.METERING)

    async with world.running(metering.consumer(USAGE, "metering-usage", recorder).run):
        await eventually(lambda: len(recorder.batches) >= 4)
        assert [len(batch) for batch in recorder.batches[:4]] == [10, 1, 1, 1]
        await eventually(lambda: sorted(recorder.done) == names)


async def test_a_permanent_error_moves_the_message_to_the_dead_letters(world: BusWorld) -> None:
    await append(world, "req_1", "req_2", "req_3")
    recorder = Recorder(fail={"req_2": [PermanentError("a"), PermanentError("no such key")]})
    metering = await world.bus(Service.METERING)
    consumer = metering.consumer(USAGE, "metering-usage", recorder)

    async with world.running(consumer.run):
        letters = await eventually(consumer.letters)

    letter = letters[0]
    assert recorder.done == ["req_1", "req_3"]
    assert len(letters) == 1
    assert (letter.error, letter.consumer, letter.stream_sequence) == ("no such key", "metering-usage", 2)
    assert letter.payload == encode(usage("req_2", 2))
    assert letter.headers["ce-id"] == "req_2"


async def test_an_undecodable_message_becomes_a_dead_letter_and_the_others_are_handled(world: BusWorld) -> None:
    router = await world.bus(Service.ROUTER)
    await router._wire.store(f"{USAGE.subject}.router-1", b'{"request_id": 7}', {}, 5.0)
    await append(world, "req_1")
    recorder = Recorder()
    metering = await world.bus(Service.METERING)
    consumer = metering.consumer(USAGE, "metering-usage", recorder)

    async with world.running(consumer.run):
        letters = await eventually(consumer.letters)
        await eventually(lambda: recorder.done == ["req_1"])

    assert "UsageRecord" in letters[0].error
    assert letters[0].payload == b'{"request_id": 7}'


async def test_a_replayed_letter_is_handled_and_removed(world: BusWorld) -> None:
    await append(world, "req_1")
    recorder = Recorder(fail={"req_1": [PermanentError("not yet")]})
    metering = await world.bus(Service.METERING)
    consumer = metering.consumer(USAGE, "metering-usage", recorder)
    async with world.running(consumer.run):
        letters = await eventually(consumer.letters)

    await consumer.replay(letters[0].letter_id)

    assert recorder.done == ["req_1"]
    assert await consumer.letters() == []


async def test_a_letter_whose_replay_fails_stays(world: BusWorld) -> None:
    await append(world, "req_1")
    recorder = Recorder(fail={"req_1": [PermanentError("no"), PermanentError("still no")]})
    metering = await world.bus(Service.METERING)
    consumer = metering.consumer(USAGE, "metering-usage", recorder)
    async with world.running(consumer.run):
        letters = await eventually(consumer.letters)

    with pytest.raises(PermanentError, match="still no"):
        await consumer.replay(letters[0].letter_id)

    assert await consumer.letters() == letters


async def test_a_discarded_letter_is_gone_and_was_not_handled(world: BusWorld) -> None:
    await append(world, "req_1")
    recorder = Recorder(fail={"req_1": [PermanentError("no")]})
    metering = await world.bus(Service.METERING)
    consumer = metering.consumer(USAGE, "metering-usage", recorder)
    async with world.running(consumer.run):
        letters = await eventually(consumer.letters)

    await consumer.discard(letters[0].letter_id)

    assert (recorder.done, await consumer.letters()) == ([], [])
    with pytest.raises(LookupError):
        await consumer.discard(letters[0].letter_id)


async def test_an_unknown_letter_cannot_be_replayed(world: BusWorld) -> None:
    metering = await world.bus(Service.METERING)

    with pytest.raises(LookupError, match="dlq_0"):
        await metering.consumer(USAGE, "metering-usage", Recorder()).replay("dlq_0")


async def test_a_cancelled_consumer_hands_its_batch_back_at_once(world: BusWorld) -> None:
    await append(world, "req_1")
    metering = await world.bus(Service.METERING)
    started = asyncio.Event()
    second = Recorder()

    async def stuck(batch: Batch) -> None:
        started.set()
        await asyncio.Event().wait()

    async with world.running(metering.consumer(USAGE, "metering-usage", stuck, ack_wait_s=60).run):
        await started.wait()
    async with world.running(metering.consumer(USAGE, "metering-usage", second, ack_wait_s=60).run):
        await eventually(lambda: second.done == ["req_1"])


async def test_a_slow_handler_keeps_its_messages(world: BusWorld) -> None:
    await append(world, "req_1")
    metering = await world.bus(Service.METERING)
    finish, calls = asyncio.Event(), []

    async def slow(batch: Batch) -> None:
        calls.append(batch[0].deliveries)
        await finish.wait()

    consumers = [metering.consumer(USAGE, "metering-usage", slow, ack_wait_s=1.0) for _ in range(2)]
    async with world.running(*(consumer.run for consumer in consumers)):
        await eventually(lambda: calls)
        await never(lambda: len(calls) > 1, for_s=2.5)
        finish.set()
        await never(lambda: len(calls) > 1, for_s=0.5)
    assert calls == [1]


async def test_a_message_whose_consumer_died_comes_again_after_the_ack_wait(world: BusWorld) -> None:
    await append(world, "req_1")
    dying = await world.bus(Service.METERING)
    taken = asyncio.Event()

    async def stuck(batch: Batch) -> None:
        taken.set()
        await asyncio.Event().wait()

    async with world.running(dying.consumer(USAGE, "metering-usage", stuck, ack_wait_s=0.5).run):
        await taken.wait()
        await dying.close()  # nothing can be handed back or kept in hand any more
        second = Recorder()
        metering = await world.bus(Service.METERING)
        async with world.running(metering.consumer(USAGE, "metering-usage", second, ack_wait_s=0.5).run):
            await eventually(lambda: second.done == ["req_1"])
    assert second.deliveries[0].deliveries == 2


async def test_two_instances_share_a_durable_consumer(world: BusWorld) -> None:
    names = [f"req_{number}" for number in range(20)]
    await append(world, *names)
    recorders = [Recorder(), Recorder()]
    buses = [await world.bus(Service.METERING) for _ in recorders]
    consumers = [
        bus.consumer(USAGE, "metering-usage", recorder, batch=3) for bus, recorder in zip(buses, recorders, strict=True)
    ]

    async with world.running(*(consumer.run for consumer in consumers)):
        await eventually(lambda: sum(len(recorder.done) for recorder in recorders) == 20)

    assert sorted(recorders[0].done + recorders[1].done) == sorted(names)


async def test_only_the_owner_appends_and_only_declared_consumers_read(world: BusWorld) -> None:
    metering = await world.bus(Service.METERING)

    with pytest.raises(Forbidden, match="metering may not publish"):
        await metering.append(USAGE, usage(), "router-1", event_id="req_1")
    with pytest.raises(Forbidden, match="no durable"):
        metering.consumer(USAGE, "metering-other", Recorder())
    with pytest.raises(Forbidden, match="metering may not consume"):
        metering.consumer(DEPLOYMENT_CHANGED, "scheduler-timeline", Recorder())  # type: ignore[arg-type]  # a wrong contract


async def test_an_identifier_that_would_change_the_subject_is_refused(world: BusWorld) -> None:
    router = await world.bus(Service.ROUTER)

    for bad in ("a.b", "*", ">", "", "a b"):
        with pytest.raises(ValueError, match="cannot be part of a subject"):
            await router.append(USAGE, usage(), bad, event_id="req_1")
