"""The ledger's tokens beside those that engines counted, by replica and time."""

import random
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.auth import Role, Subject
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import NODE_SAMPLE
from roundhouse_common.contracts.usage import Outcome, Reuse, UsageRecord, UsageSource
from roundhouse_common.database import Database
from roundhouse_metering.bus.engine_counters import EngineCounterRecorder
from roundhouse_metering.bus.usage import UsageRecorder
from roundhouse_metering.domain.cells import HOUR_S
from roundhouse_metering.domain.engine_reconciliation import EngineRow, EngineState, Tolerance
from roundhouse_metering.loops.engine_reconciliation import EngineReconciliation
from tests.support.engine_counters import engine_counters, engine_sample
from tests.support.eventually import eventually
from tests.support.hand_clock import HandClock
from tests.support.metering_api import Caller
from tests.support.usage import NOON, usage_record

START = int(NOON) - HOUR_S
"""The last settled hour begins here: tests look at it from 12:10."""
NONE_ALLOWED = Tolerance(share=0.0, tokens=0)
NOW = NOON + 15 * 60


class Compared:
    """Takes in what nodes and routers tell, and compares."""

    def __init__(self, db: Database) -> None:
        clock = HandClock(NOW - 1_800_000_000)
        self.registry = CollectorRegistry()
        self.counters = EngineCounterRecorder(db, clock=clock, registry=CollectorRegistry(), every_s=0.01)
        self.loop = EngineReconciliation(
            db,
            clock=clock,
            rng=random.Random(1),
            registry=self.registry,
            tolerance=NONE_ALLOWED,
            keep_s=30 * 86_400.0,
        )
        self._recorder = UsageRecorder(db, clock=clock, registry=CollectorRegistry())
        self._sequence = 0

    async def read(self, at: float, written: int, read: int = 0, **changes: Any) -> None:
        """A node tells what its engine had counted at a time."""
        one = engine_counters(at, **{"input_tokens": read, "output_tokens": written, "started_at": START, **changes})
        await self.counters.take(engine_sample(NOW, one), ("nod_1",))
        await self.counters.flush()

    async def record(self, ended_at: float, written: int, **changes: Any) -> None:
        """A router tells a request."""
        self._sequence += 1
        fields: dict[str, Any] = {"admitted_at": ended_at - 1, "ended_at": ended_at, "input_tokens": 0}
        await self.enter(usage_record(self._sequence, **{**fields, "output_tokens": written, **changes}))

    async def enter(self, *records: UsageRecord) -> None:
        await self._recorder._enter(records)
        while await self.loop.count():
            pass

    async def rows(self) -> dict[str, EngineRow]:
        return {row.key: row for row in await self.loop.judge()}

    def gauge(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"roundhouse_metering_{name}", labels)


@pytest.fixture
def compared(ledger_db: Database) -> Compared:
    return Compared(ledger_db)


@pytest.mark.contract("F02", "F04")
async def test_what_engines_counted_is_what_the_ledger_has(compared: Compared) -> None:
    await compared.read(START + 100, written=0)
    await compared.record(START + 200, 30, input_tokens=5, cached_input_tokens=7)
    await compared.record(START + 300, 10, reasoning_tokens=4, input_tokens=3)
    media = {"input_audio_tokens": 6, "input_image_tokens": 8, "output_audio_tokens": 2, "output_image_tokens": 1}
    await compared.record(START + 305, 3, cache_write_tokens=4, **media)
    await compared.read(START + 310, written=50, read=33)
    row = (await compared.rows())["rep_1"]
    assert row.input is not None
    assert row.output is not None
    assert (row.input.counted, row.input.recorded, row.output.counted, row.output.recorded) == (33, 33, 50, 50)
    assert (row.state, row.requests, row.engine) == (EngineState.EQUAL, 3, "llama.cpp")
    assert compared.gauge("engine_replicas", state="equal") == 1
    assert compared.gauge("engine_tokens_unexplained", tokens="output") == 0


@pytest.mark.contract("F02")
async def test_tokens_that_the_ledger_lacks_are_shown_and_alarmed(compared: Compared) -> None:
    await compared.record(START + 200, 30)
    await compared.read(START + 310, written=100)
    row = (await compared.rows())["rep_1"]
    assert row.output is not None
    assert (row.state, row.output.difference, row.output.unexplained) == (EngineState.DIFFERS, 70, 70)
    assert compared.gauge("engine_replicas", state="differs") == 1
    assert compared.gauge("engine_tokens_unexplained", tokens="output") == 70


async def test_tokens_that_no_engine_counted_are_negative(compared: Compared) -> None:
    await compared.record(START + 200, 30)
    await compared.read(START + 310, written=20)
    row = (await compared.rows())["rep_1"]
    assert row.output is not None
    assert (row.state, row.output.unexplained) == (EngineState.DIFFERS, -10)


@pytest.mark.parametrize(
    ("record", "counted", "cause"),
    [
        ({"outcome": Outcome.ABORTED, "output_tokens": 6}, 41, "ended-early"),
        ({"attempts": 2, "output_tokens": 5}, 40, "retried"),
        ({"source": UsageSource.ESTIMATE, "output_tokens": 5}, 31, "estimated"),
        ({"admitted_at": NOON - 86_405, "ended_at": NOON - 86_370, "output_tokens": 5}, 31, "under-way"),
    ],
)
async def test_what_may_make_a_difference_explains_it_as_far_as_it_goes(
    compared: Compared, record: dict[str, Any], counted: int, cause: str
) -> None:
    await compared.record(START + 200, 30)
    await compared.record(**{"ended_at": START + 300, "written": 0, **record})
    await compared.read(START + 310, written=counted)
    row = (await compared.rows())["rep_1"]
    assert row.output is not None
    assert row.state is EngineState.EXPLAINED
    assert [one.value for one, _ in row.output.causes] == [cause]
    await compared.read(START + 320, written=counted + 100)
    assert (await compared.rows())["rep_1"].state is EngineState.DIFFERS


@pytest.mark.contract("F02")
async def test_an_engine_without_counters_is_not_comparable_and_no_difference_of_0(
    compared: Compared, caller: Caller
) -> None:
    await compared.record(START + 200, 30)
    await compared.record(START + 200, 30, replica_id="rep_2")
    await compared.read(START + 310, written=-1, read=-1, cached_input_tokens=-1, engine="ollama")
    rows = await compared.rows()
    assert {key: (row.state, row.output, row.why) for key, row in rows.items()} == {
        "rep_1": (EngineState.NOT_COMPARABLE, None, "its engine tells no counters"),
        "rep_2": (EngineState.NOT_COMPARABLE, None, "no node told what its engine counts"),
    }
    answer = (await caller.get("/reconciliation/engines", {"since": _iso(START), "until": _iso(NOON)})).json()
    assert [item["output"] for item in answer["items"]] == [None, None]
    assert (answer["totals"]["state"], answer["totals"]["not_comparable"]) == ("not-comparable", 2)


async def test_answers_that_no_engine_worked_for_are_left_out(compared: Compared) -> None:
    await compared.read(START + 100, written=0)
    await compared.record(START + 200, 30, reuse=Reuse.CACHED)
    await compared.record(START + 200, 30, replica_id="", provider_id="prv_1")
    (row,) = (await compared.rows()).values()
    assert (row.key, row.state, row.requests) == ("rep_1", EngineState.EQUAL, 0)


@pytest.mark.contract("F02")
async def test_a_run_that_begins_at_0_again_adds_to_the_one_before(compared: Compared) -> None:
    await compared.record(START + 200, 30)
    await compared.record(START + 400, 12)
    await compared.read(START + 210, written=30, ended_at=START + 220.0)
    await compared.read(START + 410, written=12, attempt=2, started_at=START + 230.0)
    await compared.read(START + 210, written=30, ended_at=START + 220.0)  # repeated for a day
    row = (await compared.rows())["rep_1"]
    assert row.output is not None
    assert (row.state, row.output.counted) == (EngineState.EQUAL, 42)


@pytest.mark.contract("F02")
async def test_requests_that_died_with_their_router_may_have_been_any_replicas(compared: Compared) -> None:
    await compared.record(START + 200, 30)
    gone = {"outcome": Outcome.ABORTED, "error_code": "router_restarted", "replica_id": "", "node_id": ""}
    await compared.record(START + 300, 0, **gone)
    await compared.record(START + 300, 0, **{**gone, "deployment_id": "dep_2"})
    await compared.read(START + 310, written=60)
    rows = await compared.rows()
    assert set(rows) == {"rep_1"}
    output = rows["rep_1"].output
    assert output is not None
    assert (rows["rep_1"].state, output.unexplained) == (EngineState.EXPLAINED, 0)
    assert [(cause.value, tokens) for cause, tokens in output.causes] == [("router-died", 30)]


@pytest.mark.contract("F02")
async def test_an_outage_loses_no_total(compared: Compared) -> None:
    """For hours nobody took readings: the sum is right, and hours say that their share is a guess."""
    await compared.read(START - 3 * HOUR_S, written=0, started_at=START - 3.0 * HOUR_S)
    await compared.record(START + 300, 400)
    await compared.read(START + 400, written=400, started_at=START - 3.0 * HOUR_S)
    row = (await compared.rows())["rep_1"]
    assert row.state is EngineState.EQUAL


async def test_what_was_recorded_after_the_last_reading_explains_what_is_missing(compared: Compared) -> None:
    await compared.record(START + 200, 30)
    await compared.read(START + 210, written=30)
    await compared.record(START + 900, 12)
    row = (await compared.rows())["rep_1"]
    assert row.output is not None
    assert (row.state, [cause.value for cause, _ in row.output.causes]) == (EngineState.EXPLAINED, ["not-read"])


@pytest.mark.contract("F02")
async def test_rest_shows_it_by_replica_deployment_and_hour(compared: Compared, caller: Caller) -> None:
    await compared.record(START + 200, 30)
    await compared.record(START - 200, 5, replica_id="rep_2")
    await compared.read(START + 210, written=31)
    await compared.read(START - 150, written=5, replica_id="rep_2", started_at=START - 400.0)
    asked = {"since": _iso(START - HOUR_S), "until": _iso(NOON)}
    answer = (await caller.get("/reconciliation/engines", asked)).json()
    assert [(item["key"], item["state"], item["output"]["difference"]) for item in answer["items"]] == [
        ("rep_1", "within-tolerance", 1),
        ("rep_2", "equal", 0),
    ]
    assert answer["is_settled"] in (True, False)
    (whole,) = (await caller.get("/reconciliation/engines", {**asked, "by": "deployment"})).json()["items"]
    assert (whole["key"], whole["replicas"], whole["output"]["counted"]) == ("dep_1", 2, 36)
    hours = (await caller.get("/reconciliation/engines", {**asked, "step": "hour"})).json()["items"]
    assert [(item["at"], item["key"], item["output"]["recorded"]) for item in hours] == [
        ("2026-11-21T10:00:00.000Z", "rep_2", 5),
        ("2026-11-21T11:00:00.000Z", "rep_1", 30),
    ]
    only = await caller.get("/reconciliation/engines", {**asked, "replica_id": "rep_2"})
    assert [item["key"] for item in only.json()["items"]] == ["rep_2"]
    none = await caller.get("/reconciliation/engines", {**asked, "state": "differs"})
    assert none.json()["items"] == []


async def test_only_roles_on_the_platform_may_look(caller: Caller) -> None:
    of_tenant = Subject(id="usr_1", tenant_id="ten_a", roles=frozenset({Role.FINANCE}))
    assert (await caller.get("/reconciliation/engines", subject=of_tenant)).status_code == 403
    of_platform = replace(of_tenant, roles=frozenset(), platform_roles=frozenset({Role.FINANCE}))
    assert (await caller.get("/reconciliation/engines", subject=of_platform)).status_code == 200


async def test_what_is_too_old_is_forgotten(compared: Compared, ledger_db: Database) -> None:
    late = EngineReconciliation(
        ledger_db,
        clock=HandClock(NOW - 1_800_000_000),
        rng=random.Random(1),
        registry=CollectorRegistry(),
        tolerance=NONE_ALLOWED,
        keep_s=0.0,
    )
    await compared.record(START + 200, 30)
    await compared.read(START + 210, written=30)
    await late.forget()
    assert await compared.rows() == {}


async def test_readings_wait_while_the_database_is_away(
    compared: Compared, broker: MemoryBroker, ledger_db: Database
) -> None:
    bus, node = (
        MemoryBus(broker, one, clock=HandClock(NOW - 1_800_000_000)) for one in (Service.METERING, Service.NODE_AGENT)
    )
    await bus.connect()
    await node.connect()
    async with compared.counters.subscribed(bus):
        await node.signal(NODE_SAMPLE, engine_sample(NOW, engine_counters(START + 210, output_tokens=30)), "nod_1")

        async def is_there() -> bool:
            await compared.counters.flush()
            return "rep_1" in await compared.rows()

        await eventually(is_there)
    await bus.close()
    await node.close()


def _iso(at: float) -> str:
    hour, rest = divmod(int(at) - (int(NOON) - 12 * HOUR_S), HOUR_S)
    return f"2026-11-21T{hour:02}:{rest // 60:02}:00Z"
