"""What holds for every fleet and every demand."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import AntiAffinity, Placement, PlacementStrategy, Resources
from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.placement import Board, Candidate
from roundhouse_scheduler.domain.placement.board import ShapeIndex
from roundhouse_scheduler.domain.placement.demand import Shape
from roundhouse_scheduler.domain.placement.devices import device_miss, fitting_devices
from roundhouse_scheduler.domain.records import Quarantine
from tests.support.placement import a_gpu, asking
from tests.support.scheduler import GIB, Fleet, a_deployment, a_node, a_version, an_inventory

uuids = [f"nod_{n}-{i}" for n in range(4) for i in range(3)]
resources = st.builds(
    Resources,
    memory_bytes=st.integers(1, 20).map(lambda size: size * GIB),
    cpu_millis=st.sampled_from([0, 0, 1500]),
    device_count=st.integers(0, 3),
    is_exclusive=st.booleans(),
)
placements = st.builds(
    Placement,
    device_uuids=st.sampled_from([(), (), tuple(uuids[1::2]), tuple(uuids[:2])]),
    device_model=st.sampled_from(["", "", "*L4*"]),
    zone=st.sampled_from(["", "", "a"]),
    strategy=st.sampled_from([PlacementStrategy.SPREAD, PlacementStrategy.PACK]),
    node_anti_affinity=st.sampled_from([AntiAffinity.NONE, AntiAffinity.PREFERRED, AntiAffinity.REQUIRED]),
    zone_anti_affinity=st.sampled_from([AntiAffinity.NONE, AntiAffinity.PREFERRED, AntiAffinity.REQUIRED]),
)


@st.composite
def nodes(draw: st.DrawFn, number: int) -> Any:
    devices = tuple(
        a_gpu(
            f"nod_{number}-{index}",
            index,
            model=draw(st.sampled_from(["NVIDIA L4", "NVIDIA L4", "NVIDIA H100"])),
            memory_free_bytes=draw(st.integers(0, 24)) * GIB,
            health=draw(
                st.sampled_from([DeviceHealth.OK, DeviceHealth.OK, DeviceHealth.DEGRADED, DeviceHealth.FAILED])
            ),
        )
        for index in range(draw(st.integers(0, 3)))
    )
    inventory = an_inventory(
        hostname=f"host-{number}",
        zone=draw(st.sampled_from(["", "a", "b"])),
        devices=devices,
        memory_available_bytes=draw(st.integers(0, 16)) * GIB,
    )
    barred = draw(st.sampled_from([(), (Quarantine(device_uuid=f"nod_{number}-0", reason="", actor="", at=0.0),)]))
    return a_node(f"nod_{number}", inventory=inventory, quarantines=barred)


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    fleet = Fleet(versions={}).with_nodes(*(draw(nodes(number)) for number in range(draw(st.integers(1, 4)))))
    for number in range(draw(st.integers(1, 4))):
        version = a_version(number, resources=draw(resources), placement=draw(placements))
        fleet.versions[version.version_id] = version
        replicas = draw(st.integers(0, 5))
        fleet.with_deployment(a_deployment(f"dep_{number}", version=version, replicas=replicas))
    return fleet


@settings(max_examples=200, deadline=None)
@given(fleets())
def test_no_claim_goes_beyond_what_is_there_and_no_rule_is_broken(fleet: Fleet) -> None:
    fleet.step()
    placed = [row for row in fleet.live() if row.phase is Phase.ASSIGNED]
    claimed, holders = Counter[str](), Counter[str]()
    for row in placed:
        for uuid in row.device_uuids:
            claimed[uuid] += row.resources.memory_bytes
            holders[uuid] += 1
    devices = {device.uuid: device for node in fleet.nodes.values() for device in node.inventory.devices}
    barred = {item.device_uuid for node in fleet.nodes.values() for item in node.quarantines}
    for uuid, amount in claimed.items():
        assert amount <= min(devices[uuid].memory_total_bytes, devices[uuid].memory_free_bytes)
        assert devices[uuid].health is not DeviceHealth.FAILED
        assert uuid not in barred
    for node in fleet.nodes.values():
        mine = [row for row in placed if row.node_id == node.node_id]
        on_host = sum(row.resources.memory_bytes for row in mine if row.resources.device_count == 0)
        assert on_host <= node.inventory.memory_available_bytes
        assert sum(row.resources.cpu_millis for row in mine) <= node.inventory.cpu_cores * 1000
    for row in placed:
        where, wanted = fleet.nodes[row.node_id], fleet.versions[row.version_id].placement
        assert len(set(row.device_uuids)) == row.resources.device_count
        assert set(row.device_uuids) <= {item.uuid for item in where.inventory.devices}
        assert len({devices[uuid].model for uuid in row.device_uuids}) <= 1
        assert not wanted.device_uuids or set(row.device_uuids) <= set(wanted.device_uuids)
        assert not row.resources.is_exclusive or all(holders[uuid] == 1 for uuid in row.device_uuids)
        assert wanted.zone in ("", where.in_zone)


@settings(max_examples=200, deadline=None)
@given(fleets())
def test_replicas_that_must_be_apart_are(fleet: Fleet) -> None:
    fleet.step()
    for version in fleet.versions.values():
        mine = [row for row in fleet.live() if row.version_id == version.version_id and row.node_id]
        if version.placement.node_anti_affinity is AntiAffinity.REQUIRED:
            assert len({row.node_id for row in mine}) == len(mine)
        if version.placement.zone_anti_affinity is AntiAffinity.REQUIRED:
            assert len({fleet.nodes[row.node_id].in_zone for row in mine}) == len(mine)


@settings(max_examples=100, deadline=None)
@given(fleets())
def test_what_is_pending_says_why_for_every_node(fleet: Fleet) -> None:
    fleet.step()
    for row in fleet.live():
        if row.phase is Phase.PENDING:
            assert {item.node_id for item in row.rejections} == set(fleet.nodes)
            assert all(item.detail for item in row.rejections)


@settings(max_examples=50, deadline=None)
@given(fleets())
def test_the_same_world_in_another_order_is_placed_in_the_same_way(fleet: Fleet) -> None:
    other = Fleet(versions=dict(fleet.versions)).with_nodes(*reversed(fleet.nodes.values()))
    for deployment in reversed(fleet.deployments.values()):
        other.with_deployment(deployment)
    one, two = fleet.step(), other.step()
    assert msgspec.json.encode(one.new_replicas) == msgspec.json.encode(two.new_replicas)


@settings(max_examples=100, deadline=None)
@given(node=nodes(0), wanted=resources, placement=placements)
def test_all_devices_that_fit_are_those_of_which_nothing_is_said(
    node: Any, wanted: Resources, placement: Placement
) -> None:
    shape = asking(wanted, placement).shape
    candidate = Candidate(node)
    expected = [room for room in candidate.devices if device_miss(shape, shape.options[0], room) is None]
    assert fitting_devices(shape, shape.options[0], candidate) == expected


@settings(max_examples=100, deadline=None)
@given(data=st.data(), first=resources, second=resources, placement=placements)
def test_a_board_that_was_kept_says_what_a_new_one_says(
    data: st.DataObject, first: Resources, second: Resources, placement: Placement
) -> None:
    shapes = [asking(first, placement).shape, asking(second, placement).shape]
    kept = Board(Candidate(data.draw(nodes(number))) for number in range(3))
    for _ in range(data.draw(st.integers(1, 6))):
        match data.draw(st.sampled_from(["put", "drop", "ask"])):
            case "put":
                kept.put(Candidate(data.draw(nodes(data.draw(st.integers(0, 3))))))
            case "drop":
                kept.drop(f"nod_{data.draw(st.integers(0, 3))}")
            case _:
                kept.index(data.draw(st.sampled_from(shapes)))
    for shape in shapes:
        fresh = Board(kept.candidates.values())
        assert standing(kept, shape) == standing(fresh, shape)


def standing(board: Board, shape: Shape) -> tuple[Any, ...]:
    index: ShapeIndex = board.index(shape)
    heaps: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for place, heap in index.heaps.items():
        if current := sorted(entry[:2] for entry in heap if index.is_current(entry)):
            heaps[place] = current
    return index.fits, index.misses, heaps
