"""The step that gives PENDING replicas their nodes."""

from collections.abc import Sequence

from roundhouse_common.contracts.scheduler import NodeAdmission, Phase, Reason
from roundhouse_scheduler.domain.placement.board import Board
from roundhouse_scheduler.domain.placement.candidates import Candidate
from roundhouse_scheduler.domain.placement.demand import Demand
from roundhouse_scheduler.domain.placement.explain import Infeasible
from roundhouse_scheduler.domain.placement.search import Choice, Search, Siblings
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.quotas import Holdings
from roundhouse_scheduler.domain.records import Replica
from roundhouse_scheduler.domain.transitions import ReplicaEvent

__all__ = ["assign", "board_of", "place_pending", "say_nowhere", "say_quota", "siblings_of"]

_QUOTA_AGAIN_S = 5.0
"""What others of the tenant give back is seen so much later at the most."""
_MOST_NODES_TOLD = 20
"""Of how many nodes a pending replica keeps why not: at thousands of nodes the nearest misses are what helps."""


class _Class:
    """Replicas that ask for the same, of the same version: they are searched for together."""

    __slots__ = ("nowhere", "search")

    def __init__(self, search: Search) -> None:
        self.search = search
        self.nowhere: Infeasible | None = None
        """Once one finds no node, no later one does in this decision: room only gets less."""


def place_pending(draft: Draft) -> None:
    """Give every wanted PENDING replica a node, oldest first; each sees the claims of those before it."""
    awaited = draft.view.awaited
    pending = [
        item
        for item in draft.focus_replicas()
        if item.phase is Phase.PENDING and item.is_wanted and not item.gang_id and item.deployment_id not in awaited
    ]
    _place_all(draft, pending)
    _place_all(draft, _back_where_they_failed(draft, pending))


def _back_where_they_failed(draft: Draft, pending: Sequence[Replica]) -> list[Replica]:
    """Return those that only a node can take on which they failed before: now it is asked too."""
    again: list[Replica] = []
    for item in pending:
        replica = draft.replicas[item.replica_id]
        if replica.phase is Phase.PENDING and any(refusal.is_soft for refusal in replica.refusals):
            hard = tuple(refusal for refusal in replica.refusals if not refusal.is_soft)
            again.append(draft.edit(replica.replica_id, refusals=hard))
    return again


def _place_all(draft: Draft, pending: Sequence[Replica]) -> None:
    if not pending:
        return
    expected = {item.deployment_id for item in draft.switches.values() if item.is_open}
    pending = sorted(pending, key=lambda item: item.deployment_id not in expected)  # room was made for these
    board = board_of(draft)
    holdings = Holdings(draft)
    demands = _in_order([(item, _demand(draft, item)) for item in pending], board)
    classes: dict[tuple[str, str, tuple[str, ...]], _Class] = {}
    siblings: dict[tuple[str, str], Siblings] = {}
    searching: Search | None = None
    for replica, demand in demands:
        if why := holdings.refusal([replica]):
            say_quota(draft, replica, why)
            continue
        family = (demand.deployment_id, demand.version_id)
        key = (*family, tuple(sorted(demand.refusals)))
        if key not in classes:
            if family not in siblings:
                siblings[family] = siblings_of(draft, board, *family)
            classes[key] = _Class(Search(board, demand, siblings[family]))
        mine = classes[key]
        if searching is not mine.search:
            if searching is not None:
                searching.release()
            searching = mine.search
        if _place(draft, replica, mine):
            holdings.take([replica])
    if searching is not None:
        searching.release()


def _demand(draft: Draft, replica: Replica) -> Demand:
    return Demand.of(replica, draft.view.versions[replica.version_id], now=draft.now)


def _in_order(pending: list[tuple[Replica, Demand]], board: Board) -> list[tuple[Replica, Demand]]:
    """The oldest first. Of more shapes than the board can remember, one after the other, the one asked first first."""
    first: dict[bytes, int] = {}
    for _, demand in pending:
        first.setdefault(demand.shape.key, len(first))
    if len(first) <= board.most_shapes:
        return pending
    return sorted(pending, key=lambda item: first[item[1].shape.key])


def _place(draft: Draft, replica: Replica, mine: _Class) -> bool:
    """Give it a node, or say why there is none; return whether it has one."""
    choice = mine.search.pick() if mine.nowhere is None else None
    if choice is not None:
        mine.search.claim(choice)
        assign(draft, replica, choice)
        return True
    if mine.nowhere is None:
        mine.nowhere = mine.search.why_not(most=_MOST_NODES_TOLD)
    say_nowhere(draft, replica, mine.nowhere)
    return False


def board_of(draft: Draft) -> Board:
    """Return what all nodes have left as the draft has it by now.

    A board is kept beside the index that the view brings; only what changed since is looked at again.
    """
    index = draft.index
    board, moved = index.board, index.take_moved()
    if board is None:
        board = index.board = Board()
        moved = set(draft.nodes)
    moved |= board.tentative | (board.late ^ draft.late)
    board.tentative = set(draft.nodes.changed)
    for before, after in draft.changed_replicas():
        board.tentative |= {row.node_id for row in (before, after) if row is not None and row.node_id}
    board.late = draft.late
    board.trim()
    for node_id in sorted(moved | board.tentative):
        node = draft.nodes.get(node_id)
        if node is None or node.admission is NodeAdmission.REMOVED:
            board.drop(node_id)
        else:
            files = draft.view.files.get(node_id, frozenset())
            board.put(Candidate(node, draft.on(node_id), is_late=node_id in draft.late, files=files))
    return board


def siblings_of(draft: Draft, board: Board, deployment_id: str, version_id: str) -> Siblings:
    """Return where replicas of a version are that are meant to stay there. Those of another version go soon, and so
    do those on nodes that are leaving, on quarantined devices, or given up: they keep nobody away."""
    found = Siblings()
    for replica in draft.members(deployment_id):
        if replica.version_id != version_id or not (replica.is_held and replica.is_wanted):
            continue
        if replica.node_id not in board.candidates:
            continue
        node = draft.nodes[replica.node_id]
        quarantined = {item.device_uuid for item in node.quarantines}
        if replica.phase is not Phase.LOST and not node.is_leaving and quarantined.isdisjoint(replica.device_uuids):
            found.add(board.candidates[replica.node_id])
    return found


def assign(draft: Draft, replica: Replica, choice: Choice) -> None:
    """Put a replica on the chosen node."""
    draft.move(
        replica.replica_id,
        ReplicaEvent.PLACED,
        reason=Reason.PLACED,
        detail=f"on {draft.nodes[choice.node_id].inventory.hostname}",
        node_id=choice.node_id,
        device_uuids=choice.device_uuids,
        alternative=choice.alternative,
        resources=choice.resources,
        rejections=(),
        missing_since=None,
        overdue_since=None,
    )


def say_quota(draft: Draft, replica: Replica, why: str) -> None:
    """Record that a quota keeps a replica waiting; the same again changes nothing."""
    draft.look_again(draft.now + _QUOTA_AGAIN_S, replica_id=replica.replica_id)
    if (replica.reason, replica.detail) != (Reason.QUOTA, why):
        draft.move(replica.replica_id, ReplicaEvent.UNPLACEABLE, reason=Reason.QUOTA, detail=why, rejections=())


def say_nowhere(draft: Draft, replica: Replica, nowhere: Infeasible) -> None:
    """Record why a replica has no node; the same again changes nothing."""
    for refusal in replica.refusals:
        if refusal.until > draft.now:
            draft.look_again(refusal.until, replica_id=replica.replica_id)
    said = (Reason.NO_FEASIBLE_NODE, nowhere.detail, nowhere.rejections)
    if (replica.reason, replica.detail, replica.rejections) != said:
        draft.move(
            replica.replica_id,
            ReplicaEvent.UNPLACEABLE,
            reason=Reason.NO_FEASIBLE_NODE,
            detail=nowhere.detail,
            rejections=nowhere.rejections,
        )
