"""Orders of administrators to nodes, over REST: what they change, what they refuse, and the line each leaves."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from roundhouse_common.auth import Role
from roundhouse_common.contracts.node import DeviceHealth, DeviceInfo, DeviceVendor
from roundhouse_common.contracts.scheduler import NodeAdmission, Phase, Reason, RegisterNode
from roundhouse_common.database import Database
from roundhouse_scheduler.domain.records import NodeState, Rejection, RejectionReason
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.look import all_endpoints
from roundhouse_scheduler.store.nodes import register
from roundhouse_scheduler.store.pages import find_node
from roundhouse_scheduler.store.rows import add, replace
from roundhouse_scheduler.store.specs import take_specs
from tests.component.scheduler.running import Running, running, who
from tests.component.scheduler.test_scheduler_store import AT, a_spec
from tests.support.scheduler import a_node, a_replica, an_inventory

READY = {"phase": Phase.READY, "reason": Reason.ENGINE_READY, "is_serving": True, "base_url": "http://127.0.0.1:9001"}


def a_gpu(uuid: str, **changes: Any) -> DeviceInfo:
    base = DeviceInfo(
        uuid=uuid, index=0, vendor=DeviceVendor.NVIDIA, model="L4", memory_total_bytes=24, memory_free_bytes=24
    )
    return msgspec.structs.replace(base, **changes)


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """A node with a ready replica and two devices, an empty one, and one that waits for approval."""
    devices = (a_gpu("GPU-1"), a_gpu("GPU-2", index=1, health=DeviceHealth.DEGRADED, health_detail="row remapping"))
    inventory = an_inventory(hostname="one", devices=devices, labels={"disk": "ssd"}, region="north")
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec()], at=AT)
        await add(session, tables.nodes, a_node("nod_1", inventory=inventory))
        await add(session, tables.nodes, a_node("nod_2"))
        await add(session, tables.nodes, a_node("nod_3", admission=NodeAdmission.PENDING))
        await add(session, tables.replicas, a_replica("rep_1", node_id="nod_1", **READY))
    async with running(scheduler_db) as started:
        yield started


async def lines(scheduler: Running, node_id: str) -> list[tuple[Any, ...]]:
    items = (await scheduler.get(f"/nodes/{node_id}/events")).json()["items"]
    return [(item["kind"], item["before"], item["after"], item["detail"], item["actor"]) for item in items]


@pytest.mark.parametrize(
    ("verb", "duty", "condition", "why"),
    [
        ("cordon", "cordoned", "cordoned", "nothing new comes"),
        ("drain", "draining", "draining", "1 left"),
        ("maintenance", "maintenance", "maintenance", "its silence alarms nobody"),
    ],
)
async def test_an_order_is_shown_with_its_reason_and_leaves_a_line(
    scheduler: Running, verb: str, duty: str, condition: str, why: str
) -> None:
    node = (await scheduler.post(f"/nodes/nod_1:{verb}", {"reason": "new fans"})).json()
    assert (node["duty"], node["condition"], node["duty_reason"]) == (duty, condition, "new fans")
    assert why in node["why"]
    assert "new fans" in node["why"]
    assert await lines(scheduler, "nod_1") == [("node.duty", "active", duty, "new fans", "user:usr_admin")]
    back = (await scheduler.post("/nodes/nod_1:uncordon")).json()
    assert (back["duty"], back["condition"], back["drain"]) == ("active", "ready", None)


async def test_the_same_order_again_changes_nothing(scheduler: Running) -> None:
    first = (await scheduler.post("/nodes/nod_1:drain", {"reason": "new fans"})).json()
    again = (await scheduler.post("/nodes/nod_1:drain")).json()
    assert (again["duty_reason"], again["duty_since"]) == ("new fans", first["duty_since"])
    assert len(await lines(scheduler, "nod_1")) == 1


async def test_a_drain_says_how_far_it_is_and_what_it_waits_for(scheduler: Running) -> None:
    no = Rejection(node_id="nod_2", reason=RejectionReason.MEMORY, detail="needs 1.0 GiB, 0.1 GiB free of 0.5 GiB")
    pending = a_replica("rep_2", reason=Reason.NO_FEASIBLE_NODE, detail=f"nod_2: {no.detail}", rejections=(no,))
    async with scheduler.db.write() as session:
        await add(session, tables.replicas, pending)
    assert (await scheduler.get("/nodes/nod_1")).json()["drain"] is None
    node = (await scheduler.post("/nodes/nod_1:drain")).json()
    assert node["drain"] == {
        "left": 1,
        "waiting": [{"replica_id": "rep_2", "deployment_id": "dep_1", "detail": f"nod_2: {no.detail}"}],
    }
    assert (await scheduler.get("/nodes")).json()["items"][0]["drain"] == node["drain"]


async def test_a_node_that_joined_waits_until_it_is_approved(scheduler: Running) -> None:
    assert (await scheduler.get("/nodes/nod_3")).json()["condition"] == "pending-approval"
    node = (await scheduler.post("/nodes/nod_3:approve")).json()
    assert (node["admission"], node["condition"]) == ("approved", "ready")
    assert await lines(scheduler, "nod_3") == [("node.admission", "pending", "approved", "", "user:usr_admin")]


async def test_labels_region_and_zone_are_laid_over_what_the_host_says(scheduler: Running) -> None:
    node = (await scheduler.patch("/nodes/nod_1", {"labels": {"rack": "7"}, "zone": "a"})).json()
    assert (node["labels"], node["own_labels"]) == ({"disk": "ssd", "rack": "7"}, {"rack": "7"})
    assert (node["region"], node["zone"]) == ("north", "a")
    assert (await lines(scheduler, "nod_1"))[0][3] == "labels unset -> rack=7; zone unset -> a"


async def test_a_change_of_what_somebody_else_changed_is_refused(scheduler: Running) -> None:
    seen = (await scheduler.get("/nodes/nod_1")).headers["etag"]
    async with scheduler.db.write() as session:
        node = await find_node(session, "nod_1")
        await replace(session, tables.nodes, msgspec.structs.replace(node, report_sequence=7))
    assert (await scheduler.patch("/nodes/nod_1", {"zone": "a"}, if_match=seen)).status_code == 200
    assert (await scheduler.patch("/nodes/nod_1", {"zone": "b"}, if_match=seen)).status_code == 412
    bare = await scheduler.http.patch("/api/v1/nodes/nod_1", json={"zone": "b"}, headers=scheduler.headers())
    assert bare.status_code == 428


@pytest.mark.contract("A06")
async def test_routers_learn_a_region_that_an_administrator_sets(scheduler: Running) -> None:
    async def told() -> tuple[int, str]:
        async with scheduler.db.read() as session:
            document = (await all_endpoints(session))["dep_1"]
        return document.revision, document.endpoints[0].region

    before = await told()
    await scheduler.patch("/nodes/nod_1", {"region": "south"})
    after = await told()
    assert (before[1], after[1]) == ("north", "south")
    assert after[0] > before[0]


async def test_a_node_that_holds_replicas_is_not_removed_and_it_says_what_to_do(scheduler: Running) -> None:
    refused = await scheduler.delete("/nodes/nod_1")
    assert (refused.status_code, refused.json()["code"]) == (409, "node_holds_replicas")
    assert "still holds 1 of chat; drain it first" in refused.json()["detail"]


async def test_an_empty_node_is_removed_for_good(scheduler: Running) -> None:
    assert (await scheduler.delete("/nodes/nod_2")).status_code == 204
    assert (await scheduler.delete("/nodes/nod_2")).status_code == 204
    assert [item["id"] for item in (await scheduler.get("/nodes")).json()["items"]] == ["nod_1", "nod_3"]
    assert (await scheduler.get("/nodes", removed="true")).json()["items"][1]["condition"] == "removed"
    refused = await scheduler.post("/nodes/nod_2:uncordon")
    assert (refused.status_code, refused.json()["code"]) == (409, "node_removed")


async def test_a_dead_node_that_was_given_up_is_removed_and_what_was_lost_on_it_ends(scheduler: Running) -> None:
    async with scheduler.db.write() as session:
        node = await find_node(session, "nod_1")
        await replace(session, tables.nodes, msgspec.structs.replace(node, state=NodeState.UNREACHABLE))
        lost = a_replica("rep_9", node_id="nod_2", phase=Phase.LOST, reason=Reason.NODE_LOST)
        await add(session, tables.replicas, lost)
    silent = await scheduler.delete("/nodes/nod_1")
    assert "if it is dead say so first" in silent.json()["detail"]
    assert (await scheduler.delete("/nodes/nod_2")).status_code == 204
    await scheduler.core.planner.step()
    ended = (await scheduler.get("/replicas/rep_9")).json()
    assert (ended["phase"], ended["reason"]) == ("stopped", "node-removed")


async def test_a_device_is_quarantined_until_it_is_released_also_over_a_new_registration(scheduler: Running) -> None:
    node = (await scheduler.post("/nodes/nod_1/devices/GPU-1:quarantine", {"reason": "XID 79"})).json()
    assert node["devices"][0]["quarantine"]["reason"] == "XID 79"
    assert node["quarantines"] == ["GPU-1"]
    async with scheduler.db.write() as session:
        before = await find_node(session, "nod_1")
        request = RegisterNode(node_id="nod_1", incarnation="two", inventory=before.inventory, highest_epoch=1)
        await register(session, request, at=AT)
    shown = (await scheduler.get("/nodes/nod_1")).json()
    assert (shown["epoch"], shown["devices"][0]["quarantine"]["actor"]) == (2, "user:usr_admin")
    released = (await scheduler.post("/nodes/nod_1/devices/GPU-1:release")).json()
    assert released["devices"][0]["quarantine"] is None
    kinds = [(line[0], line[2]) for line in await lines(scheduler, "nod_1")]
    assert sorted(kinds) == [
        ("node.device", "in use"),
        ("node.device", "quarantined"),
        ("node.registered", "epoch 2"),
    ]


async def test_an_unknown_device_is_refused_with_those_that_there_are(scheduler: Running) -> None:
    refused = await scheduler.post("/nodes/nod_1/devices/GPU-9:quarantine")
    assert refused.status_code == 404
    assert "its devices are: GPU-1, GPU-2" in refused.json()["detail"]


async def test_the_health_of_devices_is_shown(scheduler: Running) -> None:
    devices = (await scheduler.get("/nodes/nod_1")).json()["devices"]
    assert [(item["health"], item["health_detail"]) for item in devices] == [("ok", ""), ("degraded", "row remapping")]


async def test_ids_of_devices_are_told_apart_and_what_is_not_told_is_null(scheduler_db: Database) -> None:
    told = a_gpu(
        "MIG-1", index=5, physical_index=3, minor=0, pci_address="0000:0f:00.0", parent_uuid="GPU-1", driver="580"
    )
    async with scheduler_db.write() as session:
        await add(
            session, tables.nodes, a_node("nod_1", inventory=an_inventory(devices=(told, a_gpu("GPU-2", index=6))))
        )
    async with running(scheduler_db) as started:
        devices = (await started.get("/nodes/nod_1")).json()["devices"]
    names = ("index", "physical_index", "minor", "pci_address", "parent_uuid", "driver", "is_memory_shared")
    assert [[device[name] for name in names] for device in devices] == [
        [5, 3, 0, "0000:0f:00.0", "GPU-1", "580", False],
        [6, None, None, "", "", "", False],
    ]


async def test_silence_is_a_line_in_the_timeline_and_page_follows_page(scheduler: Running) -> None:
    await scheduler.post("/nodes/nod_2:cordon")
    await scheduler.post("/nodes/nod_2:uncordon")
    first = (await scheduler.get("/nodes/nod_2/events", limit=1)).json()
    rest = (await scheduler.get("/nodes/nod_2/events", cursor=first["next_cursor"])).json()
    assert [item["after"] for item in (*first["items"], *rest["items"])] == ["cordoned", "active"]
    elsewhere = (await scheduler.get("/nodes", limit=1)).json()["next_cursor"]
    assert (await scheduler.get("/nodes/nod_2/events", cursor=elsewhere)).status_code == 422


async def test_only_administrators_give_orders(scheduler: Running) -> None:
    viewer = who(role=Role.VIEWER)
    assert (await scheduler.post("/nodes/nod_1:drain", subject=viewer)).status_code == 403
    assert (await scheduler.get("/nodes/nod_1/events", subject=viewer)).status_code == 200
    assert (await scheduler.post("/nodes/nod_1:drain", {"why": "?"})).status_code == 422
    assert "NUL" in (await scheduler.post("/nodes/nod_1:drain", {"reason": "a\0b"})).text
    assert (await scheduler.post("/nodes/nod_9:drain")).status_code == 404
