"""Curves and replica-seconds over REST, on both databases."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.auth import Role, Subject
from roundhouse_common.bus.api import Delivery
from roundhouse_common.contracts.node import NodeSample
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.database import Database
from roundhouse_metering.bus.replicas import ReplicaRecorder
from roundhouse_metering.bus.samples import SampleRecorder
from tests.support.metering import GIB, device, node_sample, replica_sample, transition
from tests.support.metering_api import CLOCK, Caller, who

NOW = int(CLOCK.now()) // 60 * 60
"""The service's own clock runs on meanwhile: everything here lies minutes back."""


@pytest.fixture(autouse=True)
def _now() -> None:
    """The time of each test, not of when the tests were read: a whole run takes longer than samples count as new."""
    globals()["NOW"] = int(CLOCK.now()) // 60 * 60


def time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def of_minute(minute: int, **more: str) -> dict[str, str]:
    return {"since": time(NOW + 60 * minute), "until": time(NOW + 60 * minute + 60), **more}


async def put(db: Database, samples: Sequence[NodeSample]) -> None:
    """Store samples as if they had come in time."""
    for sample in samples:
        recorder = SampleRecorder(db, clock=At(sample.at), registry=CollectorRegistry(), queue_size=100, batch_size=100)
        await recorder.take(sample, (sample.node_id,))
        await recorder.flush()


class At:
    """A clock that stands."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> Any:  # Any: UnixTime
        return self.at

    def monotonic(self) -> float:
        return self.at


@pytest.mark.contract("C01")
@pytest.mark.contract("C03")
async def test_a_nodes_curve_shows_averages_units_and_devices(caller: Caller, ledger_db: Database) -> None:
    begin = NOW - 240
    samples = [
        node_sample(begin + 5, cpu_user=1.0, devices=(device(), device("GPU-b", utilization=-1.0))),
        node_sample(begin + 15, cpu_user=3.0, devices=(device(utilization=0.25), device("GPU-b", utilization=-1.0))),
    ]
    await put(ledger_db, samples)
    answer = (await caller.get("/metrics/nodes/nod_a", of_minute(-4, step_s="60"))).json()
    assert (answer["node_id"], answer["step_s"], answer["unit"]["cpu"]) == ("nod_a", 60, "cores")
    assert answer["points"] == [
        {
            "at": time(begin).replace("Z", ".000Z"),
            "cpu_user": 2.0,
            "cpu_system": 1.0,
            "cpu_max": 4.0,
            "cpu_cores": 8.0,
            "memory_used_bytes": 4 * GIB,
            "memory_max_bytes": 4 * GIB,
            "memory_total_bytes": 16 * GIB,
        }
    ]
    first, second = answer["devices"]
    assert (first["uuid"], first["points"][0]["utilization"], first["points"][0]["utilization_max"]) == (
        "GPU-a",
        0.5,
        0.75,
    )
    assert (second["points"][0]["utilization"], second["points"][0]["temperature_c"]) == (None, 65.0)


@pytest.mark.contract("B08")
async def test_replicas_and_deployments_have_curves(caller: Caller, ledger_db: Database) -> None:
    both = (replica_sample("rep_a", devices=(device(),)), replica_sample("rep_b", cpu_user=3.0))
    moved = node_sample(NOW - 180, node_id="nod_b", replicas=(replica_sample("rep_a", cpu_user=0.9),))
    await put(ledger_db, [node_sample(NOW - 240, replicas=both), moved])
    query = {"since": time(NOW - 300), "step_s": "60"}
    replica = (await caller.get("/metrics/replicas/rep_a", query)).json()
    assert (replica["deployment_id"], replica["node_ids"]) == ("dep_a", ["nod_a", "nod_b"])
    assert [point["cpu_user"] for point in replica["points"]] == [0.4, 0.9]
    assert [curve["uuid"] for curve in replica["devices"]] == ["GPU-a"]
    deployment = (await caller.get("/metrics/deployments/dep_a", query)).json()
    assert [(one["replica_id"], len(one["points"])) for one in deployment["replicas"]] == [("rep_a", 2), ("rep_b", 1)]
    assert (await caller.get("/metrics/deployments/dep_b", query)).json()["replicas"] == []


async def test_the_last_sample_of_each_node_comes_with_what_it_held_then(caller: Caller, ledger_db: Database) -> None:
    samples = [
        node_sample(NOW - 130, replicas=(replica_sample("rep_gone"),)),
        node_sample(NOW - 120, devices=(device(),), replicas=(replica_sample("rep_a", devices=(device(),)),)),
        node_sample(NOW - 125, node_id="nod_b"),
        node_sample(NOW - 5000, node_id="nod_old"),
    ]
    await put(ledger_db, samples)
    first = (await caller.get("/metrics/nodes", {"limit": "1"})).json()
    second = (await caller.get("/metrics/nodes", {"limit": "1", "cursor": first["next_cursor"]})).json()
    (node,) = first["items"]
    assert (node["node_id"], node["cpu_user"], node["memory_total_bytes"]) == ("nod_a", 2.0, 16 * GIB)
    assert [(one["replica_id"], one["devices"][0]["uuid"]) for one in node["replicas"]] == [("rep_a", "GPU-a")]
    assert [one["uuid"] for one in node["devices"]] == ["GPU-a"]
    assert ([one["node_id"] for one in second["items"]], second["next_cursor"]) == (["nod_b"], None)


async def test_a_node_without_samples_in_the_range_has_no_points(caller: Caller, ledger_db: Database) -> None:
    await put(ledger_db, [node_sample(NOW - 600)])
    answer = (await caller.get("/metrics/nodes/nod_a", of_minute(-4))).json()
    assert (answer["points"], answer["devices"]) == ([], [])


@pytest.mark.parametrize("path", ["/metrics/nodes/nod_none", "/metrics/replicas/rep_none"])
async def test_what_was_never_sampled_is_not_found(caller: Caller, path: str) -> None:
    answer = await caller.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"since": time(NOW - 86_400), "step_s": "10"}, "step_s", "found 10, allowed: a multiple of 60"),
        ({"since": time(NOW + 86_400)}, "since", "in the past"),
        ({"step_s": "0"}, "step_s", "greater than or equal to 1"),
        ({"since": "yesterday"}, "since", "datetime"),
    ],
)
async def test_a_question_that_cannot_be_answered_names_the_parameter(
    caller: Caller, ledger_db: Database, query: dict[str, str], field: str, words: str
) -> None:
    await put(ledger_db, [node_sample(NOW - 60)])
    answer = await caller.get("/metrics/nodes/nod_a", query)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, field)
    assert words in error["message"]


@pytest.mark.contract("B09")
async def test_replica_seconds_are_summed_up_to_now(caller: Caller, ledger_db: Database) -> None:
    events = [
        transition(NOW - 3600, Phase.PENDING, Phase.ASSIGNED),
        transition(NOW - 1800, Phase.ASSIGNED, Phase.READY),
    ]
    recorder = ReplicaRecorder(ledger_db, registry=CollectorRegistry())
    await recorder(
        [Delivery(message=one, event_id=one.event_id, subject="", stream_sequence=1, deliveries=1) for one in events]
    )
    whole = (await caller.get("/replica-usage", {"by": "replica"})).json()
    (item,) = whole["items"]
    assert (item["key"], item["deployment_id"], item["version_number"]) == ("rep_a", "dep_a", 1)
    assert item["replicas_at_end"] == 1
    assert item["held_s"] >= 3600
    assert item["held_s"] - item["serving_s"] == pytest.approx(1800)
    assert whole["totals"]["device_s"] == pytest.approx(2 * item["held_s"])
    part = {"since": time(NOW - 2000), "until": time(NOW - 1000), "deployment_id": "dep_a"}
    (row,) = (await caller.get("/replica-usage", part)).json()["items"]
    assert (row["held_s"], row["serving_s"]) == (1000.0, 800.0)
    assert (await caller.get("/replica-usage", {**part, "deployment_id": "dep_b"})).json()["items"] == []
    assert (await caller.get("/replica-usage", part, subject=who("ten_2"))).json()["items"] == []


async def test_a_viewer_may_look_and_nobody_else(caller: Caller, ledger_db: Database) -> None:
    await put(ledger_db, [node_sample(NOW - 60)])
    for path in ("/metrics/nodes", "/metrics/nodes/nod_a", "/metrics/deployments/dep_a", "/replica-usage"):
        assert (await caller.get(path, subject=who(role=Role.VIEWER))).status_code == 200
        assert (await caller.http.get(f"/api/v1{path}")).status_code == 401


@pytest.mark.contract("E03")
async def test_curves_of_replicas_are_seen_by_their_tenant_only(caller: Caller, ledger_db: Database) -> None:
    await put(ledger_db, [node_sample(NOW - 200, replicas=(replica_sample(),))])
    recorder = ReplicaRecorder(ledger_db, registry=CollectorRegistry())
    one = transition(NOW - 210, Phase.PENDING, Phase.READY)
    await recorder([Delivery(message=one, event_id=one.event_id, subject="", stream_sequence=1, deliveries=1)])
    mine = Subject(id="usr_a", tenant_id="ten_default", roles=frozenset({Role.DEPLOYER}))
    other = Subject(id="usr_b", tenant_id="ten_2", roles=frozenset({Role.ADMINISTRATOR}))
    query = of_minute(-4)
    assert (await caller.get("/metrics/replicas/rep_a", query, subject=mine)).status_code == 200
    refused = await caller.get("/metrics/replicas/rep_a", query, subject=other)
    unknown = await caller.get("/metrics/replicas/rep_none", query, subject=other)
    assert (refused.status_code, refused.json()["code"]) == (404, unknown.json()["code"])
    seen = (await caller.get("/metrics/deployments/dep_a", query, subject=mine)).json()
    hidden = (await caller.get("/metrics/deployments/dep_a", query, subject=other)).json()
    assert (len(seen["replicas"]), hidden["replicas"]) == (1, [])
    assert (await caller.get("/metrics/nodes", subject=mine)).status_code == 403
