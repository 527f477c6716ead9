"""Pick a node for a replica, or say for every node why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.placement.candidates import Candidate, Demand
from roundhouse_scheduler.domain.placement.filters import FILTERS
from roundhouse_scheduler.domain.placement.scores import total_score
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Rejection, Replica
from roundhouse_scheduler.domain.transitions import ReplicaEvent

__all__ = ["Choice", "Infeasible", "place", "place_pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where a replica goes."""

    node_id: str
    device_uuids: tuple[str, ...]
    rejections: tuple[Rejection, ...]
    """The nodes that could not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """No node can take it now; every one says why."""

    rejections: tuple[Rejection, ...]
    hostnames: Mapping[str, str]
    """By node id: people know their machines by name."""

    @property
    def detail(self) -> str:
        """One sentence over all nodes."""
        if not self.rejections:
            return "there is no node"
        shown = "; ".join(f"{self.hostnames[item.node_id]}: {item.detail}" for item in self.rejections[:3])
        more = len(self.rejections) - 3
        return f"{shown}; and {more} more nodes" if more > 0 else shown


def place(demand: Demand, candidates: Sequence[Candidate]) -> Choice | Infeasible:
    """Filter, score, pick. The best score wins; at a tie the lower node id, so that the same view gives one answer."""
    rejections: list[Rejection] = []
    fitting: list[Candidate] = []
    for candidate in candidates:
        found = next((no for check in FILTERS if (no := check(demand, candidate)) is not None), None)
        if found is None:
            fitting.append(candidate)
        else:
            rejections.append(found)
    if not fitting:
        hostnames = {item.node.node_id: item.node.inventory.hostname for item in candidates}
        return Infeasible(rejections=tuple(rejections), hostnames=hostnames)
    best = min(fitting, key=lambda item: (-total_score(demand, item), item.node.node_id))
    devices = best.fitting_devices(demand)[: demand.version.resources.device_count]
    return Choice(
        node_id=best.node.node_id,
        device_uuids=tuple(device.uuid for device in devices),
        rejections=tuple(rejections),
    )


def place_pending(draft: Draft) -> None:
    """Give every wanted PENDING replica a node, oldest first; each sees the claims of those before it."""
    pending = [item for item in draft.live() if item.phase is Phase.PENDING and item.is_wanted]
    if not pending:
        return
    candidates = {node_id: _candidate(draft, node_id) for node_id in sorted(draft.nodes)}
    for replica in pending:
        demand = Demand(replica=replica, version=draft.view.versions[replica.version_id], now=draft.now)
        match place(demand, list(candidates.values())):
            case Choice() as choice:
                _assign(draft, replica, choice)
                candidates[choice.node_id] = _candidate(draft, choice.node_id)
            case Infeasible() as nowhere:
                draft.move(
                    replica.replica_id,
                    ReplicaEvent.UNPLACEABLE,
                    reason=Reason.NO_FEASIBLE_NODE,
                    detail=nowhere.detail,
                    rejections=nowhere.rejections,
                )
                for refusal in replica.refusals:
                    if refusal.until > draft.now:
                        draft.look_again(refusal.until)


def _candidate(draft: Draft, node_id: str) -> Candidate:
    return Candidate(node=draft.nodes[node_id], held=tuple(draft.on(node_id)), is_late=node_id in draft.late)


def _assign(draft: Draft, replica: Replica, choice: Choice) -> None:
    draft.move(
        replica.replica_id,
        ReplicaEvent.PLACED,
        reason=Reason.PLACED,
        detail=f"on {draft.nodes[choice.node_id].inventory.hostname}",
        node_id=choice.node_id,
        device_uuids=choice.device_uuids,
        rejections=(),
        missing_since=None,
        overdue_since=None,
    )
