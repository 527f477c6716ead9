"""Give gangs their nodes and their meeting place: all members at once, or none."""

from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.gangs.members import Gang, gangs_in_focus
from roundhouse_scheduler.domain.placement.board import Board
from roundhouse_scheduler.domain.placement.demand import Demand
from roundhouse_scheduler.domain.placement.explain import Infeasible
from roundhouse_scheduler.domain.placement.gang import place_gang
from roundhouse_scheduler.domain.placement.pending import assign, board_of, say_nowhere, say_quota, siblings_of
from roundhouse_scheduler.domain.placement.search import Choice
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.quotas import Holdings
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.domain.transitions import ReplicaEvent

__all__ = ["FIRST_PORT", "place_gangs"]

_MOST_NODES_TOLD = 20
FIRST_PORT, _PORTS = 29_500, 500
"""Where gangs meet on rank 0's node; above the ports that engines serve at by default, below the ephemeral ones."""


def place_gangs(draft: Draft) -> None:
    """Place every gang that waits whole, is due, and of whose earlier epochs nothing can still run."""
    board: Board | None = None
    holdings: Holdings | None = None
    for gang in gangs_in_focus(draft):
        if not (gang.is_wanted and gang.is_unplaced and _is_due(draft, gang)):
            continue
        if gang.current[0].deployment_id in draft.view.awaited:
            continue
        if board is None:
            board, holdings = board_of(draft), Holdings(draft)
        assert holdings is not None
        rows = gang.current
        if why := holdings.refusal(rows):
            say_quota(draft, rows[0], why)
        elif _place(draft, board, gang):
            holdings.take(rows)


def _is_due(draft: Draft, gang: Gang) -> bool:
    leader = gang.leader
    assert leader is not None
    if len(gang.current) < leader.gang_size:
        return False
    if not gang.may_start:
        waits_for = ", ".join(sorted({row.node_id for row in gang.earlier}))
        _say(draft, leader, f"waits until the members of its last epoch have ended on {waits_for}")
        return False
    if leader.retry_at is not None and draft.now < leader.retry_at:
        draft.look_again(leader.retry_at, replica_id=leader.replica_id)
        return False
    return True


def _place(draft: Draft, board: Board, gang: Gang) -> bool:
    """Give all members nodes, or say why there are none; return whether they have them."""
    rows = gang.current
    version = draft.view.versions[rows[0].version_id]
    demands = [Demand.of(row, version, now=draft.now) for row in rows]
    siblings = siblings_of(draft, board, rows[0].deployment_id, rows[0].version_id)
    match place_gang(demands, board, siblings, most=_MOST_NODES_TOLD):
        case Infeasible() as nowhere:
            say_nowhere(draft, rows[0], nowhere)
            return False
        case choices:
            _assign(draft, board, gang, choices)
            return True


def _assign(draft: Draft, board: Board, gang: Gang, choices: tuple[Choice, ...]) -> None:
    first = choices[0].node_id
    port = _port(draft, first, gang)
    for row, choice in zip(gang.current, choices, strict=True):
        assign(draft, row, choice)
        draft.edit(
            row.replica_id,
            gang_address=draft.nodes[first].inventory.address,
            gang_port=port,
            retry_at=None,
        )
        board.take(choice.node_id, choice.resources, choice.device_uuids)


def _port(draft: Draft, node_id: str, gang: Gang) -> int:
    """Return a port at which nobody meets on this node, and another one for each epoch. Should another program have
    it, the member fails to start, and the next epoch tries the next."""
    taken = {row.gang_port for row in draft.on(node_id)} | {row.gang_port for row in gang.rows}
    wanted = sum(gang.gang_id.encode()) + gang.epoch
    return next(port for offset in range(_PORTS) if (port := FIRST_PORT + (wanted + offset) % _PORTS) not in taken)


def _say(draft: Draft, leader: Replica, detail: str) -> None:
    if leader.phase is Phase.PENDING and leader.detail != detail:
        draft.move(leader.replica_id, ReplicaEvent.UNPLACEABLE, reason=Reason.GANG_MEMBER_DOWN, detail=detail)
