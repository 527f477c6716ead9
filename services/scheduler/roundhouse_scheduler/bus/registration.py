"""Answers nodes: a new epoch, and what the record says they must run."""

import msgspec

from roundhouse_common.contracts.scheduler import AssignmentsQuery, NodeAssignments, Registered, RegisterNode
from roundhouse_common.database import Database
from roundhouse_common.errors import InvalidInput
from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_scheduler.domain.errors import EpochSuperseded, StaleView, UnknownNode
from roundhouse_scheduler.domain.records import Node
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.store.joining import check_not_removed
from roundhouse_scheduler.store.look import node_assignments
from roundhouse_scheduler.store.nodes import register
from roundhouse_scheduler.store.strangers import orphans_on, unknown_of

__all__ = ["Registrar"]

_TRIES = 5
_log = get_logger(__name__)


class Registrar:
    """Serves the two questions of node agents, always from SQL."""

    def __init__(
        self, db: Database, *, clock: Clock, rules: Rules, hearing: Hearing, planner: Waker, telling: Waker
    ) -> None:
        self._db = db
        self._clock = clock
        self._rules = rules
        self._hearing = hearing
        self._planner = planner
        self._telling = telling

    async def register(self, request: RegisterNode, ids: tuple[str, ...]) -> Registered:
        """Return the epoch now valid for this agent; every earlier one is superseded. Safe to repeat."""
        if ids != (request.node_id,):
            raise InvalidInput(f"asked on the subject of {'.'.join(ids)} to register {request.node_id}")
        node = await self._register(request)
        self._hearing.registered(node)
        self._planner.wake()
        self._telling.wake()
        _log.info("node_registered", node_id=node.node_id, epoch=node.epoch, hostname=node.inventory.hostname)
        return Registered(
            node_id=node.node_id,
            epoch=node.epoch,
            heartbeat_interval_s=self._rules.heartbeat_interval_s,
            lease_s=self._rules.lease_s,
            admission=node.admission,
        )

    async def read_assignments(self, query: AssignmentsQuery, ids: tuple[str, ...]) -> NodeAssignments:
        """Return what the record wants of this node now: the second look before an engine is stopped.

        It is not settled while an engine runs there that the record has never heard of and nobody has judged.
        Raises NodeRemoved, EpochSuperseded for an old epoch, and UnknownNode for a node or an epoch that the record
        does not have: a record that lost something must not be taken for one that wants nothing.
        """
        if ids != (query.node_id,):
            raise InvalidInput(f"asked on the subject of {'.'.join(ids)} for the assignments of {query.node_id}")
        async with self._db.read() as session:
            await check_not_removed(session, query.node_id)
            document = await node_assignments(session, query.node_id)
            strangers = await unknown_of(session, query.running)
            orphans = await orphans_on(session, query.node_id) if strangers else ()
        if query.epoch < document.epoch:
            raise EpochSuperseded(query.node_id, given=query.epoch, current=document.epoch)
        if query.epoch > document.epoch:
            raise UnknownNode(query.node_id)
        if not strangers <= set(orphans):
            self._planner.wake()
            return msgspec.structs.replace(document, is_settled=False)
        return document

    async def _register(self, request: RegisterNode) -> Node:
        for _ in range(_TRIES - 1):
            try:
                return await self._register_once(request)
            except StaleView:
                continue
        return await self._register_once(request)

    async def _register_once(self, request: RegisterNode) -> Node:
        async with self._db.write() as session:
            return await register(session, request, at=self._clock.now())
