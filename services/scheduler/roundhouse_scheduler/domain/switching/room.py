"""Would a replica find a place if some others were gone? Answered by placement itself, on the nodes where they are."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import msgspec

from roundhouse_common.contracts.node import NodeInventory
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.placement.board import Board
from roundhouse_scheduler.domain.placement.candidates import Candidate
from roundhouse_scheduler.domain.placement.demand import Demand
from roundhouse_scheduler.domain.placement.pending import board_of, siblings_of
from roundhouse_scheduler.domain.placement.search import Choice, Search
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Replica

__all__ = ["Rooms"]

_NOTHING_LOADED = frozenset({Phase.ASSIGNED, Phase.FETCHING, Phase.FAILED, Phase.LOST})


@dataclass(slots=True)
class Rooms:
    """The nodes as they will be. What switches before this one wait for is taken already: they go first."""

    draft: Draft
    taken: list[Replica] = field(default_factory=list)

    def now(self, replica: Replica) -> Choice | None:
        """Return where the replica can go as things are: room may have come free a moment ago."""
        board, demand = board_of(self.draft), self._demand(replica)
        search = Search(board, demand, siblings_of(self.draft, board, demand.deployment_id, demand.version_id))
        choice = search.pick()
        search.release()
        if choice is None or all(row.node_id != choice.node_id for row in self.taken):
            return choice
        return self._on(replica, [choice.node_id], frozenset())

    def find(self, replica: Replica, gone: Set[str]) -> Choice | None:
        """Return where the replica would go without the replicas in `gone`. Only where one of these is can be news:
        elsewhere it was not placed either."""
        nodes = {self.draft.replicas[key].node_id for key in gone} - {""}
        return self._on(replica, sorted(nodes), gone)

    def take(self, replica: Replica, choice: Choice) -> None:
        """The replica will go there: whoever comes later finds that much less."""
        self.taken.append(
            msgspec.structs.replace(
                replica,
                node_id=choice.node_id,
                device_uuids=choice.device_uuids,
                resources=choice.resources,
                phase=Phase.ASSIGNED,
            )
        )

    def _on(self, replica: Replica, node_ids: Sequence[str], gone: Set[str]) -> Choice | None:
        board = Board(self._candidate(node_id, gone) for node_id in node_ids if node_id in self.draft.nodes)
        demand = self._demand(replica)
        siblings = siblings_of(self.draft, board_of(self.draft), demand.deployment_id, demand.version_id)
        return Search(board, demand, siblings).pick()

    def _demand(self, replica: Replica) -> Demand:
        return Demand.of(replica, self.draft.view.versions[replica.version_id], now=self.draft.now)

    def _candidate(self, node_id: str, gone: Set[str]) -> Candidate:
        draft = self.draft
        node, there = draft.nodes[node_id], draft.on(node_id)
        leaving = [row for row in there if row.replica_id in gone and row.phase not in _NOTHING_LOADED]
        held = [row for row in there if row.replica_id not in gone]
        held += [row for row in self.taken if row.node_id == node_id]
        freed = msgspec.structs.replace(node, inventory=_without(node.inventory, leaving))
        files = draft.view.files.get(node_id, frozenset())
        return Candidate(freed, held, is_late=node_id in draft.late, files=files)


def _without(inventory: NodeInventory, leaving: Sequence[Replica]) -> NodeInventory:
    """What the node would report as free once these engines have ended."""
    on_host = sum(_taken_bytes(row) for row in leaving if row.resources.device_count == 0)
    devices = tuple(
        msgspec.structs.replace(
            device,
            memory_free_bytes=device.memory_free_bytes
            + sum(_taken_bytes(row) for row in leaving if device.uuid in row.device_uuids),
        )
        for device in inventory.devices
    )
    return msgspec.structs.replace(
        inventory, memory_available_bytes=inventory.memory_available_bytes + on_host, devices=devices
    )


def _taken_bytes(replica: Replica) -> int:
    return replica.memory_bytes or replica.resources.memory_bytes
