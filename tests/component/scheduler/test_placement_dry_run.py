"""A dry run says where replicas would go, or why not node by node and device by device, and writes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from roundhouse_common.auth import Role
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_common.contracts.scheduler import NodeAdmission, Phase
from roundhouse_common.database import Database
from roundhouse_scheduler.domain.records import NodeDuty, NodeState
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.revision import current_revision
from roundhouse_scheduler.store.rows import add
from roundhouse_scheduler.store.specs import take_specs
from tests.component.scheduler.running import Running, running, who
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.provisioning import QWEN, a_store, kept
from tests.support.scheduler import GIB, a_node, a_replica, a_version, an_inventory

ASKED = {"engine": "llama.cpp", "resources": {"memory_bytes": 10 * GIB, "device_count": 1}}


def a_gpu(name: str, *, free: int) -> DeviceInfo:
    return DeviceInfo(
        uuid=f"GPU-{name}",
        index=int(name[-1]),
        vendor=DeviceVendor.NVIDIA,
        model="NVIDIA H100",
        memory_total_bytes=24 * GIB,
        memory_free_bytes=free,
    )


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """One node with two devices, one without, one cordoned, one late and one removed; one replica runs."""
    gpus = (a_gpu("a0", free=20 * GIB), a_gpu("a1", free=8 * GIB))
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec()], at=AT)
        for node in (
            a_node("nod_1", inventory=an_inventory(hostname="gpu-01", devices=gpus)),
            a_node("nod_2", inventory=an_inventory(hostname="cpu-02")),
            a_node("nod_3", inventory=an_inventory(hostname="gpu-03", devices=gpus), duty=NodeDuty.CORDONED),
            a_node("nod_4", inventory=an_inventory(hostname="gpu-04", devices=gpus), state=NodeState.LATE),
            a_node("nod_5", inventory=an_inventory(hostname="gpu-05"), admission=NodeAdmission.REMOVED),
        ):
            await add(session, tables.nodes, node)
        await add(session, tables.replicas, a_replica("rep_1", node_id="nod_2", phase=Phase.READY))
    async with running(scheduler_db) as started:
        yield started


async def dry_run(scheduler: Running, **changes: Any) -> dict[str, Any]:
    answer = await scheduler.post("/placements:dryRun", ASKED | changes)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_it_says_where_each_replica_would_go(scheduler: Running) -> None:
    answer = await dry_run(scheduler, replicas=2)
    assert [(item["replica"], item["hostname"]) for item in answer["placed"]] == [(1, "gpu-01"), (2, "gpu-01")]
    assert answer["placed"][0]["devices"] == [
        {"uuid": "GPU-a0", "index": 0, "model": "NVIDIA H100", "memory_share": None}
    ]
    assert (answer["unplaced"], answer["rejections"]) == (0, [])
    assert answer["summary"] == "2 of 2 replicas can be placed"


async def test_it_says_why_not_for_every_node_and_device(scheduler: Running) -> None:
    answer = await dry_run(scheduler, replicas=3)
    assert (len(answer["placed"]), answer["unplaced"]) == (2, 1)
    assert {(item["hostname"], item["device_uuid"], item["reason"]) for item in answer["rejections"]} == {
        ("gpu-01", "", "memory"),
        ("gpu-01", "GPU-a0", "memory"),
        ("gpu-01", "GPU-a1", "memory"),
        ("cpu-02", "", "devices"),
        ("gpu-03", "", "node-cordoned"),
        ("gpu-04", "", "node-not-ready"),
    }
    words = {(item["hostname"], item["device_uuid"]): item["detail"] for item in answer["rejections"]}
    assert words["gpu-01", "GPU-a1"] == "needs 10.0 GiB, 8.0 GiB free of 24.0 GiB"
    assert words["gpu-03", ""] == "the node is cordoned"
    assert answer["summary"].startswith("2 of 3 replicas can be placed; for the next one: 0 of 4 nodes can take it: ")


async def test_it_writes_nothing(scheduler: Running) -> None:
    async def record() -> tuple[int, int]:
        async with scheduler.db.read() as session:
            rows = await session.scalar(select(func.count()).select_from(tables.replicas))
            return await current_revision(session), rows or 0

    before = await record()
    await dry_run(scheduler, replicas=5)
    assert await record() == before


async def test_it_tries_device_classes_in_their_order(scheduler: Running) -> None:
    ways = [
        {"name": "big", "device_model": "*H200*", "resources": {"memory_bytes": GIB, "device_count": 1}},
        {"name": "cpu", "resources": {"memory_bytes": GIB}},
    ]
    answer = await dry_run(scheduler, alternatives=ways)
    assert (answer["placed"][0]["alternative"], answer["placed"][0]["devices"]) == ("cpu", [])


async def test_it_says_what_the_engines_memory_flag_must_be_for_the_need(scheduler: Running) -> None:
    # Of 24 GiB with 20 GiB free. vLLM counts of the whole device, but for the 635 MiB of its CUDA context: 10 GiB less
    # 635 MiB is 0.39083 of 24 GiB, and shares have four decimals, rounded up.
    need = {
        "weights_bytes": 6 * GIB,
        "kv_cache_bytes": 2 * GIB,
        "activation_bytes": GIB,
        "overhead_bytes": GIB,
        "total_bytes": 10 * GIB,
        "context_tokens": 8192,
        "concurrency": 4,
        "devices": 1,
    }
    async with scheduler.db.write() as session:
        everywhere = an_inventory(hostname="gpu-06", engines=("vllm",), devices=(a_gpu("b0", free=20 * GIB),))
        await add(session, tables.nodes, a_node("nod_6", inventory=everywhere))
    way = {"name": "big", "device_model": "*H100*", "resources": {"memory_bytes": 10 * GIB, "device_count": 1}}
    for changes in ({"memory_need": need}, {"alternatives": [way], "alternative_needs": {"big": need}}):
        answer = await dry_run(scheduler, engine="vllm", **changes)
        [device] = answer["placed"][0]["devices"]
        assert device["memory_share"] == {"flag": "--gpu-memory-utilization", "value": 0.3909}


async def test_members_of_one_replica_go_to_different_nodes_or_nowhere(scheduler: Running) -> None:
    wanted = {"memory_bytes": GIB, "node_count": 2}
    answer = await dry_run(scheduler, resources=wanted)
    assert [(item["rank"], item["hostname"]) for item in answer["placed"]] == [(0, "cpu-02"), (1, "gpu-01")]
    answer = await dry_run(scheduler, resources=wanted | {"node_count": 3})
    assert answer["placed"] == []
    assert "needs 3 nodes that are alike, 2 would do for one member" in answer["summary"]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"engine": "vlm"}, "engine", '"vlm" found; allowed are llama.cpp, vllm'),
        ({"placement": {"strategy": "tight"}}, "placement.strategy", '"tight" found; allowed are spread, pack'),
        ({"placement": {"device_vendor": "acme"}}, "placement.device_vendor", '"acme" found; allowed are'),
        ({"placement": {"node_ids": ["nod_9"]}}, "placement.node_ids", "nod_9 found; there are nod_1, nod_2"),
        ({"placement": {"device_uuids": ["GPU-x"]}}, "placement.device_uuids", "GPU-x found; there are GPU-a0"),
        (
            {"resources": {"memory_bytes": 0}},
            "resources.memory_bytes",
            "0 found; input should be greater than or equal to 1",
        ),
        ({"replicas": "2"}, "replicas", '"2" found; a whole number is wanted'),
        ({"replica": 2}, "replica", "there is no such field here; there are engine, "),
        ({"resources": {"devices": 1, "memory_bytes": GIB}}, "resources.devices", 'Did you mean "device_count"?'),
        (
            {"resources": {"memory_bytes": GIB}, "placement": {"device_uuids": ["GPU-a0"]}},
            "resources.device_count",
            "0 found; with named devices 1 or more is allowed",
        ),
    ],
)
async def test_what_can_never_be_placed_is_refused_with_the_field_and_what_is_allowed(
    scheduler: Running, changes: dict[str, Any], field: str, said: str
) -> None:
    answer = await scheduler.post("/placements:dryRun", ASKED | changes)
    assert answer.status_code == 422
    faults = {item["field"]: item["message"] for item in answer.json()["errors"]}
    assert said in faults[field]


async def test_whoever_may_see_nodes_may_ask(scheduler: Running) -> None:
    answer = await scheduler.post("/placements:dryRun", ASKED, subject=who(role=Role.VIEWER))
    assert answer.status_code == 200
    assert (await scheduler.http.post("/api/v1/placements:dryRun", json=ASKED)).status_code == 401


async def test_a_dry_run_says_who_would_install_the_engine_and_who_has_the_files(scheduler: Running) -> None:
    source = {"kind": "hugging-face", "uri": QWEN.uri}
    scheduler.core.stores.take({"nod_2": a_store("nod_2", kept())})
    found = await dry_run(scheduler, resources={"memory_bytes": GIB}, source=source, replicas=2)
    assert [(row["node_id"], row["has_files"], row["installs_engine"]) for row in found["placed"]] == [
        ("nod_2", True, False),
        ("nod_1", False, False),
    ]
    wanted = {"engine": "vllm", "engine_version": "0.32.0", "resources": {"memory_bytes": GIB}}
    refused = await dry_run(scheduler, **wanted)
    (row,) = [item for item in refused["rejections"] if item["node_id"] == "nod_1"]
    assert (row["reason"], row["detail"]) == (
        "engine-missing",
        "engine vllm 0.32.0 is not installed here (it has llama.cpp); this node does not install engines",
    )
    async with scheduler.db.write() as session:
        inventory = an_inventory(hostname="new-06", installable_engines=("vllm",))
        await add(session, tables.nodes, a_node("nod_6", inventory=inventory))
    assert "--version 0.32.0 --node new-06" in str(await dry_run(scheduler, **wanted))
    (placed,) = (await dry_run(scheduler, **wanted, installs_engine=True))["placed"]
    assert (placed["node_id"], placed["installs_engine"], placed["has_files"]) == ("nod_6", True, None)


async def test_replicas_go_where_the_files_came_whole_meanwhile(scheduler: Running) -> None:
    async def place(number: int) -> str:
        spec = a_spec(version=a_version(number, source=QWEN), deployment_id=f"dep_{number}", name=f"chat-{number}")
        async with scheduler.db.write() as session:
            await take_specs(session, [spec], at=AT)
        await scheduler.core.planner.step()
        await scheduler.core.planner.step()
        found = (await scheduler.get("/replicas", deployment_id=f"dep_{number}")).json()["items"]
        return str(found[0]["node_id"])

    assert await place(2) == "nod_2"
    scheduler.core.stores.take({"nod_1": a_store("nod_1", kept())})
    assert await place(3) == "nod_1"
