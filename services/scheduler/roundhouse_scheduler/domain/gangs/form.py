"""Complete a gang whose leader was created: one row for every further member."""

import msgspec

from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.gangs.members import gangs_in_focus
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Replica

__all__ = ["form_gangs", "member_of"]


def form_gangs(draft: Draft) -> None:
    """Make a gang of every new replica whose version spans nodes, and complete those that lack members."""
    for replica in draft.focus_replicas():
        if replica.resources.node_count > 1 and not replica.gang_id and replica.phase is Phase.PENDING:
            draft.edit(
                replica.replica_id,
                gang_id=replica.replica_id,
                gang_size=replica.resources.node_count,
                gang_epoch=1,
            )
    for gang in gangs_in_focus(draft):
        leader = gang.leader
        if leader is None or not leader.is_wanted or leader.phase is not Phase.PENDING:
            continue
        present = {row.gang_rank for row in gang.current}
        for rank in range(1, leader.gang_size):
            if rank not in present:
                draft.create(member_of(draft, leader, rank=rank))


def member_of(draft: Draft, leader: Replica, *, rank: int) -> Replica:
    """Return a new row beside an unplaced leader, of its epoch."""
    return msgspec.structs.replace(
        leader, replica_id=draft.mint.replica_id(), gang_rank=rank, replaces="", rejections=(), row_version=0
    )
