"""Replicas that span nodes: formed whole, placed whole, stopped whole, and never two epochs at once."""

from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.catalog import DeploymentDesired, EngineKind, Resources
from roundhouse_common.contracts.node import ObservedPhase, ReplicaReport
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.documents import assignments_of, endpoints_of
from roundhouse_scheduler.domain.records import NodeDuty, Replica
from roundhouse_scheduler.domain.rules import GANG_FENCE_S
from tests.support.scheduler import GIB, Fleet, a_deployment, a_node, a_version, an_entry, an_inventory

pytestmark = pytest.mark.contract("A07")
WIDE = a_version(1, resources=Resources(memory_bytes=GIB, node_count=2))


def a_wide_fleet(nodes: int = 3, replicas: int = 1, **changes: Any) -> Fleet:
    """A fleet whose deployment `dep_1` spans two nodes per replica; nothing is decided yet."""
    fleet = Fleet(versions={"ver_1": WIDE}).with_nodes(*(a_node(f"nod_{i}") for i in range(1, nodes + 1)))
    return fleet.with_deployment(a_deployment(version=WIDE, replicas=replicas, **changes))


def running(nodes: int = 3, **changes: Any) -> Fleet:
    """As `a_wide_fleet`, with every engine ready."""
    return a_wide_fleet(nodes, **changes).settle()


def told(fleet: Fleet, replica: Replica) -> object:
    """What its node is told of a replica."""
    document = assignments_of(fleet.nodes[replica.node_id], fleet.live(), fleet.deployments, fleet.versions)
    return next((item for item in document.assignments if item.replica_id == replica.replica_id), None)


def epochs(fleet: Fleet) -> list[tuple[int, Phase, Desired]]:
    return [(row.gang_epoch, row.phase, row.desired) for row in fleet.live()]


def test_a_gang_gets_two_nodes_and_one_meeting_place() -> None:
    fleet = a_wide_fleet()
    fleet.step()

    first, second = fleet.live()
    assert {first.phase, second.phase} == {Phase.ASSIGNED}
    assert len({first.node_id, second.node_id}) == 2
    assert first.gang_id == second.gang_id == first.replica_id
    assert (first.gang_rank, second.gang_rank) == (0, 1)
    memberships = [told(fleet, row).gang for row in fleet.live()]  # type: ignore[attr-defined]  # an Assignment
    assert {(item.epoch, item.size, item.address, item.port) for item in memberships} == {
        (1, 2, fleet.nodes[first.node_id].inventory.address, first.gang_port)
    }
    assert first.gang_port > 0


def test_a_gang_that_does_not_fit_whole_claims_nothing() -> None:
    fleet = a_wide_fleet(nodes=1)
    fleet.step()

    assert fleet.phases() == [Phase.PENDING, Phase.PENDING]
    assert [row.node_id for row in fleet.live()] == ["", ""]
    leader = fleet.live()[0]
    assert leader.reason is Reason.NO_FEASIBLE_NODE
    assert "2" in leader.detail


def test_a_gang_is_one_replica_for_scaling() -> None:
    fleet = a_wide_fleet(nodes=4, replicas=2).settle()

    assert fleet.phases() == [Phase.READY] * 4
    assert sorted(row.gang_rank for row in fleet.live()) == [0, 0, 1, 1]
    assert fleet.step().is_empty


def test_only_the_leader_takes_requests() -> None:
    fleet = running()

    document = endpoints_of(fleet.deployments["dep_1"], fleet.live(), fleet.nodes, fleet.versions)

    assert [item.replica_id for item in document.endpoints] == [fleet.live()[0].replica_id]


@pytest.mark.parametrize("rank", [0, 1])
def test_one_member_down_stops_all_and_the_next_epoch_waits_for_their_end(rank: int) -> None:
    fleet = running()
    fallen, other = fleet.live()[rank], fleet.live()[1 - rank]
    fleet.report(fallen.node_id, an_entry(fallen, ObservedPhase.FAILED, reason="engine-exited", detail="signal 9"))
    fleet.step()

    assert fleet.replicas[other.replica_id].desired is Desired.STOP
    assert fleet.replicas[other.replica_id].desired_reason is Reason.GANG_MEMBER_DOWN
    heirs = [row for row in fleet.live() if row.gang_epoch == 2]
    assert [row.phase for row in heirs if row.gang_rank == 0] == [Phase.PENDING]
    assert all(row.node_id == "" for row in heirs)
    assert "signal 9" in heirs[0].last_failure

    fleet.step(30)
    fleet.hear_all()
    assert all(row.node_id == "" for row in fleet.live() if row.gang_epoch == 2), "a member of epoch 1 still runs"

    old_port = fallen.gang_port
    for row in (fallen, other):
        fleet.report(row.node_id, an_entry(row, ObservedPhase.STOPPED))
    fleet.step(1)
    assert {row.gang_epoch for row in fleet.live()} == {2}
    fleet.step(1)
    assert fleet.phases() == [Phase.ASSIGNED] * 2
    assert {row.gang_id for row in fleet.live()} == {fallen.gang_id}
    assert {row.gang_port for row in fleet.live()} != {old_port}


def test_an_engine_whose_members_wait_for_their_head_is_stopped_head_first() -> None:
    version = msgspec.structs.replace(WIDE, engine=EngineKind.SGLANG)
    hosts = [a_node(f"nod_{i}", inventory=an_inventory(engines=("sglang",))) for i in range(1, 4)]
    fleet = Fleet(versions={"ver_1": version}).with_nodes(*hosts)
    fleet.with_deployment(a_deployment(version=version)).settle()
    head, second = fleet.live()
    fleet.report(second.node_id, an_entry(second, ObservedPhase.FAILED, reason="engine-exited", detail="signal 9"))
    fleet.step()

    assert fleet.replicas[head.replica_id].desired is Desired.STOP
    assert fleet.replicas[second.replica_id].desired is Desired.RUN, "it ignores SIGTERM while its head runs"

    fleet.report(head.node_id, an_entry(head, ObservedPhase.STOPPED))
    fleet.step(1)
    fleet.step(1)
    assert fleet.replicas[second.replica_id].desired is Desired.STOP
    assert fleet.replicas[second.replica_id].desired_reason is Reason.GANG_MEMBER_DOWN

    fleet.report(second.node_id, an_entry(second, ObservedPhase.STOPPED))
    fleet.step(1)
    fleet.step(1)
    assert [(row.gang_epoch, row.phase) for row in fleet.live()] == [(2, Phase.ASSIGNED)] * 2


def test_members_do_not_wait_for_a_head_that_cannot_be_heard() -> None:
    version = msgspec.structs.replace(WIDE, engine=EngineKind.SGLANG)
    hosts = [a_node(f"nod_{i}", inventory=an_inventory(engines=("sglang",))) for i in range(1, 10)]
    fleet = Fleet(versions={"ver_1": version}).with_nodes(*hosts)
    fleet.with_deployment(a_deployment(version=version)).settle()
    head, second = fleet.live()
    others = [node_id for node_id in fleet.nodes if node_id != head.node_id]
    fleet.now += 20
    fleet.hear(*others)
    fleet.step()
    assert fleet.replicas[head.replica_id].phase is Phase.UNKNOWN

    fleet.report(second.node_id, an_entry(second, ObservedPhase.FAILED, reason="engine-exited", detail="signal 9"))
    fleet.step()

    assert fleet.replicas[second.replica_id].desired is Desired.STOP


def test_a_member_that_its_node_refuses_takes_the_others_with_it() -> None:
    fleet = a_wide_fleet()
    fleet.step()
    refused, other = fleet.live()
    fleet.report(refused.node_id, an_entry(refused, ObservedPhase.REJECTED, detail="no room"))
    fleet.report(other.node_id, an_entry(other, ObservedPhase.STARTING))
    fleet.step()

    assert fleet.replicas[other.replica_id].desired is Desired.STOP
    fleet.report(other.node_id, an_entry(other, ObservedPhase.STOPPED))
    fleet.step()
    fleet.step()
    placed = [row for row in fleet.live() if row.node_id]
    assert len(placed) == 2
    assert refused.node_id not in {row.node_id for row in placed}


def test_members_of_a_drained_leader_stop_when_it_has_ended() -> None:
    fleet = running()
    leader, member = fleet.live()
    fleet.with_deployment(msgspec.structs.replace(fleet.deployments["dep_1"], desired=DeploymentDesired.STOP))
    fleet.step()

    assert fleet.replicas[leader.replica_id].desired is Desired.DRAIN
    assert fleet.replicas[member.replica_id].desired is Desired.RUN

    fleet.report(leader.node_id, an_entry(leader, ObservedPhase.STOPPED))
    fleet.report(member.node_id, an_entry(member, ObservedPhase.READY))
    fleet.step()
    fleet.step()
    assert fleet.replicas[member.replica_id].desired is Desired.STOP
    fleet.report(member.node_id, an_entry(member, ObservedPhase.STOPPED))
    fleet.step()
    assert fleet.live() == []


def test_a_gang_with_a_silent_node_is_given_up_only_when_its_member_has_fenced_itself() -> None:
    fleet = running(nodes=9, disconnect_grace_s=5.0)
    _leader, member = fleet.live()
    assignment = told(fleet, member)
    assert assignment.fence_after_s == GANG_FENCE_S  # type: ignore[attr-defined]  # an Assignment
    others = [node_id for node_id in fleet.nodes if node_id != member.node_id]

    while fleet.replicas[member.replica_id].phase is not Phase.LOST:
        assert fleet.now < 1000 + GANG_FENCE_S + 60, "never given up"
        fleet.hear(*others)
        fleet.step(3)

    assert fleet.now - fleet.heard_at[member.node_id] > GANG_FENCE_S + 15
    fleet.hear(*others)
    fleet.report(_leader.node_id, an_entry(_leader, ObservedPhase.STOPPED))
    fleet.step(1)
    fleet.hear(*others)
    fleet.step(1)
    heirs = [row for row in fleet.live() if row.gang_epoch == 2]
    assert [row.phase for row in heirs] == [Phase.ASSIGNED] * 2
    assert member.node_id not in {row.node_id for row in heirs}


def test_a_gang_that_fails_again_and_again_rests_when_its_budget_is_spent() -> None:
    fleet = a_wide_fleet(failure_budget=2)
    for _ in range(12):
        fleet.hear_all()
        fleet.step(5)
        entries: dict[str, list[ReplicaReport]] = {node_id: [] for node_id in fleet.nodes}
        for row in fleet.live():
            if row.node_id and row.desired is Desired.RUN:
                phase = ObservedPhase.FAILED if row.gang_rank == 1 else ObservedPhase.STARTING
                entries[row.node_id].append(an_entry(row, phase, reason="engine-exited", detail="no rendezvous"))
            elif row.node_id:
                entries[row.node_id].append(an_entry(row, ObservedPhase.STOPPED))
        for node_id, listed in entries.items():
            fleet.report(node_id, *listed)

    (left,) = fleet.live()
    assert (left.phase, left.is_spent, left.gang_rank) == (Phase.FAILED, True, 0)
    assert left.failures == 2
    assert "no rendezvous" in left.detail


def test_a_gang_moves_away_whole_from_a_node_that_is_drained_under_one_member() -> None:
    fleet = running(nodes=4)
    leader, member = fleet.live()
    fleet.nodes[member.node_id] = msgspec.structs.replace(fleet.nodes[member.node_id], duty=NodeDuty.DRAINING)
    fleet.step()

    assert fleet.replicas[leader.replica_id].desired is Desired.RUN, "its replacement comes first"
    heirs = [row for row in fleet.live() if row.gang_id != leader.gang_id]
    assert [row.phase for row in heirs] == [Phase.ASSIGNED] * 2
    fleet.report_all()
    fleet.step()
    assert fleet.replicas[leader.replica_id].desired is Desired.DRAIN
    assert fleet.replicas[leader.replica_id].desired_reason is Reason.NODE_DRAINED
