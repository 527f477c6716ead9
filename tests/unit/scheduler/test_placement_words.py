"""Why no node will do, in words: one sentence over a large fleet, the nearest misses one by one."""

from roundhouse_common.contracts.catalog import Alternative, EngineKind, Placement, Resources
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.placement import Candidate, Demand, Infeasible, Shape, place
from roundhouse_scheduler.domain.records import NodeDuty, RejectionReason
from tests.support.placement import a_board, a_gpu, a_gpu_node, asking
from tests.support.scheduler import GIB, Fleet, a_deployment, a_node, a_version, an_inventory

VLLM = Demand(
    deployment_id="dep_1",
    version_id="ver_1",
    shape=Shape.asking(EngineKind.VLLM, Resources(memory_bytes=20 * GIB, device_count=1), Placement()),
)


def a_mixed_board() -> list[Candidate]:
    bare = [a_node(f"nod_{i:02d}", inventory=an_inventory(hostname=f"cpu-{i:02d}")) for i in range(8)]
    small = [
        a_gpu_node(f"gpu-{i:02d}", a_gpu(f"GPU-{i}", memory_free_bytes=(11 + i) * GIB), engines=("vllm",))
        for i in range(3)
    ]
    cordoned = a_node("nod_99", inventory=an_inventory(hostname="gpu-99", engines=("vllm",)), duty=NodeDuty.CORDONED)
    return [Candidate(node) for node in (*bare, *small, cordoned)]


def test_one_sentence_counts_the_reasons_and_names_the_nearest_miss() -> None:
    found = place(VLLM, a_board(*a_mixed_board()))
    assert isinstance(found, Infeasible)
    assert found.detail == (
        "0 of 12 nodes can take it: 8 lack the engine vllm, "
        "3 have too little memory (nearest: gpu-02 lacks 7.0 GiB), 1 is cordoned"
    )


def test_the_nearest_misses_come_first_and_are_as_many_as_are_asked_for() -> None:
    found = place(VLLM, a_board(*a_mixed_board()), most=4)
    assert isinstance(found, Infeasible)
    nodes = [row.node_id for row in found.rejections if not row.device_uuid]
    assert nodes == ["gpu-02", "gpu-01", "gpu-00", "nod_99"]
    whole = place(VLLM, a_board(*a_mixed_board()))
    assert isinstance(whole, Infeasible)
    assert len({row.node_id for row in whole.rejections}) == 12


def test_with_few_nodes_each_is_named() -> None:
    found = place(asking(Resources(memory_bytes=17 * GIB)), a_board(a_node("nod_1"), a_node("nod_2")))
    assert isinstance(found, Infeasible)
    words = "needs 17.0 GiB, 16.0 GiB free of 16.0 GiB"
    assert found.detail == f"nod_1: {words}; nod_2: {words}"
    assert [row.is_beyond for row in found.rejections] == [True, True]


def test_what_would_fit_an_empty_node_is_not_beyond_it() -> None:
    full = a_node("nod_1", inventory=an_inventory(memory_available_bytes=GIB))
    found = place(asking(Resources(memory_bytes=16 * GIB)), a_board(full))
    assert isinstance(found, Infeasible)
    assert [row.is_beyond for row in found.rejections] == [False]


def test_every_class_of_devices_is_spoken_of() -> None:
    ways = (
        Alternative(name="big", device_model="*H100*", resources=Resources(memory_bytes=GIB, device_count=1)),
        Alternative(name="cpu", resources=Resources(memory_bytes=17 * GIB)),
    )
    found = place(asking(alternatives=ways), a_board(a_gpu_node("nod_1", count=1)))
    assert isinstance(found, Infeasible)
    assert found.detail == (
        "nod_1: as big: needs devices like *H100*, the node has NVIDIA L4; "
        "as cpu: needs 17.0 GiB, 16.0 GiB free of 16.0 GiB"
    )


def test_what_could_not_be_looked_at_is_told_from_what_is_not_there() -> None:
    node = a_node(inventory=an_inventory(device_errors=("nvidia-smi: timed out",)))
    found = place(asking(Resources(memory_bytes=GIB, device_count=1)), a_board(node))
    assert isinstance(found, Infeasible)
    assert "could not look for all devices: nvidia-smi: timed out" in found.detail


def test_a_pending_replica_keeps_the_nearest_misses_of_a_large_fleet() -> None:
    version = a_version(memory_bytes=17 * GIB)
    fleet = Fleet(versions={"ver_1": version}).with_deployment(a_deployment(version=version))
    fleet.with_nodes(*(a_node(f"nod_{i:03d}") for i in range(200)))
    fleet.step()
    replica = fleet.only()
    assert replica.phase is Phase.PENDING
    assert replica.detail.startswith("0 of 200 nodes can take it: 200 have too little memory")
    assert len(replica.rejections) == 20
    assert {row.reason for row in replica.rejections} == {RejectionReason.MEMORY}


def test_the_same_reasons_again_change_nothing() -> None:
    fleet = Fleet(versions={"ver_1": a_version(memory_bytes=17 * GIB)}).with_nodes(a_node())
    fleet.with_deployment(a_deployment(version=fleet.versions["ver_1"]))
    fleet.step()
    assert fleet.step().is_empty
