"""What a node is told of a replica that was placed by one of its version's alternatives."""

import pytest

from roundhouse_common.contracts.catalog import Alternative, MemoryNeed, Resources
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Assignment
from roundhouse_scheduler.domain.documents import assignments_of
from tests.support.placement import a_gpu_node
from tests.support.scheduler import GIB, Fleet, a_deployment, a_node, a_version, an_entry

pytestmark = pytest.mark.contract("A09", "A23")

NEED = MemoryNeed(
    weights_bytes=6 * GIB,
    kv_cache_bytes=GIB,
    activation_bytes=GIB,
    overhead_bytes=0,
    context_tokens=4096,
    concurrency=2,
    devices=1,
)
ON_GPU = Alternative(
    name="gpu",
    device_vendor="nvidia",
    resources=Resources(memory_bytes=8 * GIB, device_count=1),
    parameters={"gpu_layers": "auto", "parallel": "8"},
    memory_need=NEED,
)
ON_CPU = Alternative(name="cpu", resources=Resources(memory_bytes=4 * GIB), parameters={"threads": "4"})
VERSION = a_version(
    parameters={"parallel": "2", "context": "2048"}, resources=ON_GPU.resources, alternatives=(ON_GPU, ON_CPU)
)


def a_mixed_fleet() -> Fleet:
    fleet = Fleet(versions={"ver_1": VERSION}).with_nodes(a_gpu_node("nod_gpu", count=1), a_node("nod_cpu"))
    return fleet.with_deployment(a_deployment(version=VERSION, replicas=4)).settle()


def told(fleet: Fleet, node_id: str) -> tuple[Assignment, ...]:
    return assignments_of(fleet.nodes[node_id], fleet.live(), fleet.deployments, fleet.versions).assignments


def test_an_engine_runs_with_the_resources_and_parameters_of_its_alternative() -> None:
    fleet = a_mixed_fleet()
    by_alternative = {one.alternative: one.version for node_id in fleet.nodes for one in told(fleet, node_id)}

    assert by_alternative.keys() == {"gpu", "cpu"}
    assert by_alternative["gpu"].parameters == {"parallel": "8", "context": "2048", "gpu_layers": "auto"}
    assert by_alternative["cpu"].parameters == {"parallel": "2", "context": "2048", "threads": "4"}
    assert {name: one.resources for name, one in by_alternative.items()} == {
        "gpu": ON_GPU.resources,
        "cpu": ON_CPU.resources,
    }
    assert {name: one.memory_need for name, one in by_alternative.items()} == {"gpu": NEED, "cpu": None}


def test_a_version_without_alternatives_is_told_as_it_is() -> None:
    fleet = Fleet().with_nodes(a_node()).with_deployment(a_deployment()).settle()

    [assignment] = told(fleet, "nod_1")
    assert (assignment.version, assignment.alternative) == (fleet.versions["ver_1"], "")


def test_an_engine_whose_record_was_lost_is_taken_up_with_what_its_alternative_claims() -> None:
    fleet = a_mixed_fleet()
    before = {row.replica_id: (row.alternative, row.resources) for row in fleet.live()}
    entries = {
        node_id: [
            an_entry(
                row,
                ObservedPhase.READY,
                version_id=row.version_id,
                version_number=1,
                device_uuids=row.device_uuids,
                engine_api_key=row.engine_api_key,
                alternative=row.alternative,
            )
            for row in fleet.live()
            if row.node_id == node_id
        ]
        for node_id in fleet.nodes
    }
    fleet.replicas.clear()
    for node_id, listed in entries.items():
        fleet.report(node_id, *listed)
    fleet.step()

    assert {row.replica_id: (row.alternative, row.resources) for row in fleet.live()} == before
