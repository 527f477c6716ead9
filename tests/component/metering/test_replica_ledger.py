"""The ledger of replica-seconds, on both databases."""

import random

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.api import Delivery, PermanentError
from roundhouse_common.contracts.scheduler import Phase, ReplicaTransition
from roundhouse_common.database import Database
from roundhouse_metering.bus.replicas import ReplicaRecorder
from roundhouse_metering.domain.spans import By, HeldQuery, HeldRow, chained, span_of
from roundhouse_metering.store.spans import held, spans_of
from tests.support.metering import GIB, transition

P = Phase
LIFE = [
    transition(100.0, P.PENDING, P.ASSIGNED),
    transition(101.0, P.ASSIGNED, P.STARTING),
    transition(110.0, P.STARTING, P.READY),
    transition(150.0, P.READY, P.FAILED),
    transition(151.0, P.FAILED, P.ASSIGNED),
    transition(160.0, P.ASSIGNED, P.READY),
    transition(200.0, P.READY, P.STOPPED),
]


def deliveries(events: list[ReplicaTransition]) -> list[Delivery[ReplicaTransition]]:
    return [
        Delivery(message=event, event_id=event.event_id, subject="", stream_sequence=number, deliveries=1)
        for number, event in enumerate(events)
    ]


async def rows(db: Database, *, by: By = By.DEPLOYMENT, since: float = 0.0, until: float = 1000.0) -> list[HeldRow]:
    query = HeldQuery(tenant_id="ten_default", deployment_id=None, since=since, until=until, by=by)
    async with db.read() as session:
        return await held(session, query)


@pytest.mark.contract("B09")
@pytest.mark.parametrize("seed", range(6))
async def test_events_in_any_order_batches_and_number_give_the_same_seconds(ledger_db: Database, seed: int) -> None:
    rng = random.Random(seed)
    events = [*LIFE, *rng.choices(LIFE, k=5)]
    rng.shuffle(events)
    recorder = ReplicaRecorder(ledger_db, registry=CollectorRegistry())
    while events:
        size = rng.randint(1, 4)
        await recorder(deliveries(events[:size]))
        events = events[size:]
    async with ledger_db.read() as session:
        assert await spans_of(session, "rep_a") == chained(span_of(event) for event in LIFE)
    (row,) = await rows(ledger_db)
    assert (row.figures.held_s, row.figures.serving_s, row.figures.device_s) == (100.0, 80.0, 200.0)
    assert (row.figures.cpu_core_s, row.figures.memory_byte_s) == (150.0, 100.0 * 20 * GIB)
    assert (row.replicas, row.replicas_now) == (1, 0)


@pytest.mark.contract("B09")
async def test_more_replicas_hold_more_in_the_same_time(ledger_db: Database) -> None:
    recorder = ReplicaRecorder(ledger_db, registry=CollectorRegistry())
    for number, deployment in enumerate(("dep_one", "dep_three", "dep_three", "dep_three")):
        who = {"replica_id": f"rep_{number}", "deployment_id": deployment, "version_id": f"ver_{deployment}"}
        placed = transition(100.0, P.PENDING, P.ASSIGNED, event_id=f"evt_{number}_1", **who)
        ready = transition(110.0, P.ASSIGNED, P.READY, event_id=f"evt_{number}_2", **who)
        await recorder(deliveries([placed, ready]))
    one, three = await rows(ledger_db, until=160.0)
    assert (one.key, one.figures.held_s, one.figures.serving_s) == ("dep_one", 60.0, 50.0)
    assert (three.key, three.figures.held_s, three.figures.serving_s) == ("dep_three", 180.0, 150.0)
    assert (three.replicas, three.replicas_now) == (3, 3)
    assert [row.key for row in await rows(ledger_db, by=By.REPLICA, until=160.0)] == [f"rep_{n}" for n in range(4)]
    assert [row.version_number for row in await rows(ledger_db, by=By.VERSION, until=160.0)] == [1, 1]
    assert [row.key for row in await rows(ledger_db, by=By.NODE, until=160.0)] == ["nod_a"]


async def test_only_what_lies_in_the_range_counts(ledger_db: Database) -> None:
    await ReplicaRecorder(ledger_db, registry=CollectorRegistry())(deliveries(LIFE))
    (row,) = await rows(ledger_db, since=140.0, until=165.0)
    assert (row.figures.held_s, row.figures.serving_s, row.replicas_now) == (25.0, 15.0, 1)
    assert await rows(ledger_db, since=200.0, until=300.0) == []
    assert await rows(ledger_db, since=0.0, until=100.0) == []


async def test_another_tenants_replicas_are_not_counted(ledger_db: Database) -> None:
    foreign = [transition(100.0, P.PENDING, P.ASSIGNED, tenant_id="ten_2")]
    await ReplicaRecorder(ledger_db, registry=CollectorRegistry())(deliveries(foreign))
    assert await rows(ledger_db) == []


async def test_a_transition_that_cannot_be_counted_is_refused_and_spoils_nothing(ledger_db: Database) -> None:
    recorder = ReplicaRecorder(ledger_db, registry=CollectorRegistry())
    bad = transition(float("inf"), P.PENDING, P.ASSIGNED)
    with pytest.raises(PermanentError, match="its time"):
        await recorder(deliveries([LIFE[0], bad]))
    await recorder(deliveries([LIFE[0]]))
    assert len(await rows(ledger_db)) == 1
