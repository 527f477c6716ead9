"""More, fewer, none, another version."""

import msgspec
import pytest

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Desired, EndpointState, Phase, Reason
from roundhouse_scheduler.domain.documents import assignments_of, endpoints_of
from roundhouse_scheduler.domain.rollout import pick_to_drain
from tests.support.scheduler import Fleet, a_fleet, a_replica, a_version, an_entry


def change(fleet: Fleet, **changes: object) -> None:
    fleet.deployments["dep_1"] = msgspec.structs.replace(fleet.deployments["dep_1"], **changes)


def follow(fleet: Fleet) -> None:
    """Nodes do as they are told: run what is wanted, stop what is not."""
    for node_id in fleet.nodes:
        held = [item for item in fleet.live() if item.node_id == node_id]
        wanted = {True: ObservedPhase.READY, False: ObservedPhase.STOPPED}
        fleet.report(node_id, *(an_entry(item, wanted[item.desired is Desired.RUN]) for item in held))
    fleet.step()


@pytest.mark.contract("A05")
@pytest.mark.contract("B07")
def test_scaling_up_adds_and_scaling_down_drains() -> None:
    fleet = a_fleet(nodes=2, replicas=1)
    change(fleet, replicas=3)
    fleet.step()
    follow(fleet)
    assert fleet.phases() == [Phase.READY] * 3
    change(fleet, replicas=1)
    fleet.step()
    drained = [item for item in fleet.live() if item.desired is Desired.DRAIN]
    assert [item.desired_reason for item in drained] == [Reason.SCALED_DOWN] * 2
    follow(fleet)
    assert fleet.phases() == [Phase.READY]


def test_a_draining_replica_takes_no_new_requests_before_its_node_hears_of_it() -> None:
    fleet = a_fleet(nodes=1, replicas=2)
    change(fleet, replicas=1)
    fleet.step()
    endpoints = endpoints_of(fleet.deployments["dep_1"], fleet.live(), fleet.nodes, fleet.versions)
    assert sorted(item.state for item in endpoints.endpoints) == [EndpointState.DRAINING, EndpointState.READY]


def test_not_ready_ones_go_first_then_crowded_nodes_then_the_newest() -> None:
    crowd = [
        a_replica("rep_1", phase=Phase.READY, node_id="nod_1", created_at=1.0),
        a_replica("rep_2", phase=Phase.READY, node_id="nod_1", created_at=2.0),
        a_replica("rep_3", phase=Phase.READY, node_id="nod_2", created_at=3.0),
        a_replica("rep_4", phase=Phase.STARTING, node_id="nod_3", created_at=0.0),
    ]
    assert [item.replica_id for item in pick_to_drain(crowd, 3)] == ["rep_4", "rep_2", "rep_3"]


def test_a_replica_without_a_node_is_withdrawn_at_once() -> None:
    fleet = a_fleet(nodes=0, replicas=2)
    change(fleet, replicas=0)
    fleet.step()
    assert fleet.live() == []
    assert {item.phase for item in fleet.replicas.values()} == {Phase.STOPPED}


@pytest.mark.parametrize(
    ("desired", "reason"),
    [
        (DeploymentDesired.STOP, Reason.DEPLOYMENT_STOPPED),
        (DeploymentDesired.DELETE, Reason.DEPLOYMENT_DELETED),
    ],
)
def test_a_stopped_deployment_drains_every_replica(desired: DeploymentDesired, reason: Reason) -> None:
    fleet = a_fleet(nodes=1, replicas=2)
    change(fleet, desired=desired)
    fleet.step()
    assert {(item.desired, item.desired_reason) for item in fleet.live()} == {(Desired.DRAIN, reason)}
    follow(fleet)
    assert fleet.live() == []
    node = fleet.nodes["nod_01"]
    assert assignments_of(node, fleet.live(), fleet.deployments, fleet.versions).assignments == ()


@pytest.mark.contract("B04")
def test_a_new_version_starts_before_the_old_one_goes() -> None:
    fleet = a_fleet(nodes=1, replicas=2)
    fleet.versions["ver_2"] = a_version(2)
    change(fleet, version_id="ver_2", version_number=2)
    fleet.step()
    assert [item.version_number for item in fleet.live()] == [1, 1, 2]
    assert {item.desired for item in fleet.live()} == {Desired.RUN}
    for _ in range(5):
        follow(fleet)
        ready = [item for item in fleet.live() if item.phase is Phase.READY]
        assert len(ready) >= 2
    assert [item.version_number for item in fleet.live()] == [2, 2]
    replaced = [item for item in fleet.replicas.values() if item.version_number == 1]
    assert {item.desired_reason for item in replaced} == {Reason.VERSION_REPLACED}


def test_a_version_that_never_gets_ready_leaves_the_old_one_serving() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    fleet.versions["ver_2"] = a_version(2)
    change(fleet, version_id="ver_2", version_number=2)
    fleet.step()
    for _ in range(4):
        (new,) = [item for item in fleet.live() if item.version_number == 2]
        (old,) = [item for item in fleet.live() if item.version_number == 1]
        fleet.report("nod_01", an_entry(old, ObservedPhase.READY), an_entry(new, ObservedPhase.FAILED))
        fleet.step(10.0)
        fleet.hear_all()
    assert [item.phase for item in fleet.live() if item.version_number == 1] == [Phase.READY]


def test_a_settled_world_gives_an_empty_plan() -> None:
    fleet = a_fleet(nodes=3, replicas=5)
    assert fleet.step().is_empty


def test_revisions_grow_only_when_the_documents_change() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    before = fleet.nodes["nod_01"].assignments_revision, fleet.deployments["dep_1"].endpoints_revision
    fleet.report_all()
    fleet.step(1.0)
    assert (fleet.nodes["nod_01"].assignments_revision, fleet.deployments["dep_1"].endpoints_revision) == before
    change(fleet, replicas=0)
    fleet.step(1.0)
    after = fleet.nodes["nod_01"].assignments_revision, fleet.deployments["dep_1"].endpoints_revision
    assert (after[0] > before[0], after[1] > before[1]) == (True, True)


def test_an_earlier_attempt_that_is_down_answers_a_wish_to_stop() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    old = fleet.only()
    fleet.report("nod_01", an_entry(old, ObservedPhase.FAILED))
    fleet.step()
    change(fleet, desired=DeploymentDesired.STOP)
    fleet.step()
    fleet.report("nod_01", an_entry(old, ObservedPhase.STOPPED))
    fleet.step()
    assert fleet.live() == []
