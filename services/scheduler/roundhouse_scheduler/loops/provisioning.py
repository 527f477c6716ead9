"""The leader's loop that tells nodes what to keep ready. Apart from the planner: it reads the planner's copy of the
record, and never makes it wait.

Level-triggered: what is to be told follows from the orders and from what nodes report. Somebody's word only makes the
loop look sooner, at those nodes whom it may concern; everything is looked at once a minute.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

import msgspec

from roundhouse_common.bus.api import Bus, BusUnavailable
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.provisioning import NodeOrders, Peer
from roundhouse_common.contracts.registry import ORDERS
from roundhouse_common.contracts.scheduler import Desired, Phase
from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock
from roundhouse_common.service import get_logger
from roundhouse_scheduler.domain.errors import StaleView, TermSuperseded
from roundhouse_scheduler.domain.provisioning.documents import Content, Need, Orders, content_of, is_told
from roundhouse_scheduler.domain.provisioning.orders import OrderedEngine, OrderedFiles
from roundhouse_scheduler.domain.provisioning.peers import Holder, Ring
from roundhouse_scheduler.domain.provisioning.preparing import files_key
from roundhouse_scheduler.domain.provisioning.settling import Settled, settle
from roundhouse_scheduler.domain.records import Node, NodeState
from roundhouse_scheduler.domain.revisions import next_document_revision
from roundhouse_scheduler.loops.leadership import Leadership
from roundhouse_scheduler.loops.mirror import Mirror
from roundhouse_scheduler.loops.stores import Stores
from roundhouse_scheduler.loops.waking import Waker
from roundhouse_scheduler.store.provisioning import (
    Told,
    change_order,
    drop_order,
    orders_written,
    read_engine_orders,
    read_file_orders,
    read_told,
    write_told,
)
from roundhouse_scheduler.store.standing_orders import note_gone

__all__ = ["Provisioning"]

_WHOLE_EVERY_S: Final = 60.0
_LOOK_EVERY_S: Final = 5.0
"""Another scheduler may have taken an order, and cannot wake this one."""
_REST_S: Final = 0.5
_RETRY_S: Final = 1.0
_AT_ONCE: Final = 50
"""Nodes between two chances for others to turn: about 10 ms."""
_FEW: Final = 100
_SPREAD_EVERY_S: Final = 5.0
"""When many nodes lack some files, each that has got them concerns all others: these are told together."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """What a node has for others to copy."""

    holder: Holder
    keys: frozenset[str]


class Provisioning:
    """Call `add` and `everything`, and run `run` and `documents.run` while leading."""

    def __init__(
        self, db: Database, bus: Bus, *, mirror: Mirror, stores: Stores, leadership: Leadership, clock: Clock
    ) -> None:
        self._db = db
        self._mirror = mirror
        self._stores = stores
        self._leadership = leadership
        self._clock = clock
        self.documents: Publisher[NodeOrders] = Publisher(bus, ORDERS, desired=self.current, some=self._some)
        self._waker = Waker()
        self._one_at_a_time = asyncio.Lock()
        self._dirty: set[str] = set()
        self._news: set[str] = set()
        self._is_all = True
        self._begin(term=0)

    def _begin(self, *, term: int) -> None:
        """Forget what another leader may have changed."""
        self._term = term
        self._orders = Orders()
        self._written = -1
        self._whole_at = float("-inf")
        self._spread_at = float("-inf")
        self._told: dict[str, Told] = {}
        self._is_loaded = False
        self._current: dict[str, NodeOrders] = {}
        self._lacking: dict[str, frozenset[str]] = {}
        self._offers: dict[str, _Offer] = {}

    def add(self, node_ids: Set[str], keys: Set[str] = frozenset()) -> None:
        """Something about these nodes changed, or about who has these files."""
        if node_ids or keys:
            self._dirty |= node_ids
            self._news |= keys
            self._waker.wake()

    def everything(self) -> None:
        """An order changed, or anything may have happened."""
        self._is_all = True
        self._waker.wake()

    async def run(self) -> None:
        """Look whenever somebody has news, and every few seconds."""
        while True:
            pause_s = _LOOK_EVERY_S
            try:
                await self.look()
            except (BusUnavailable, StaleView, TermSuperseded) as error:
                _log.info("orders_not_told", why=error.message)
                pause_s = _RETRY_S
            await asyncio.sleep(_REST_S)
            await self._waker.wait(pause_s)

    async def look(self) -> None:
        """Make what nodes are told equal to the orders. Raises BusUnavailable, TermSuperseded, and StaleView when an
        order was changed meanwhile: then look again."""
        async with self._one_at_a_time:
            if self._leadership.term == 0 or not self._mirror.is_loaded or not self._stores.is_known:
                return  # what is not known yet must not be taken for what is not there
            if self._leadership.term != self._term:
                self._begin(term=self._leadership.term)
                self._is_all = True
            await self._read()
            dirty, is_all = self._take()
            is_done = False
            try:
                changed = await self._commit(await self._contents(dirty))
                await self.documents.sync(only=changed)
                is_done = True
            finally:
                if not is_done:
                    self._dirty |= dirty
                    self._is_all = self._is_all or is_all
            if is_all:
                self._whole_at = self._clock.monotonic()

    async def refresh(self) -> None:
        """Look at everything, now."""
        self._is_all = True
        await self.look()

    async def _read(self) -> None:
        async with self._db.read() as session:
            written = await orders_written(session)
            if not self._is_loaded:
                self._told = await read_told(session)
            if written != self._written:
                engines, files = await read_engine_orders(session), await read_file_orders(session)
                self._orders, self._written = Orders(engines=engines, files=files), written
                self._is_all = True
        self._is_loaded = True

    def _take(self) -> tuple[set[str], bool]:
        """Return the nodes to look at, and whether these are all."""
        is_all = self._is_all or self._clock.monotonic() - self._whole_at >= _WHOLE_EVERY_S
        dirty = set(self._mirror.nodes) | set(self._told) if is_all else set(self._dirty)
        news, self._news = self._news, set()
        self._dirty, self._is_all = set(), False
        for node_id in sorted(dirty):
            news |= self._note_offer(node_id)
        if news and not is_all:
            dirty |= self._concerned_by(news)
        return dirty, is_all

    def _concerned_by(self, news: frozenset[str] | set[str]) -> set[str]:
        """Return the nodes that lack files of which other nodes have got more or less; none yet when they are many and
        were told a moment ago."""
        found = {node_id for node_id, keys in self._lacking.items() if keys & news}
        now = self._clock.monotonic()
        if len(found) > _FEW and now - self._spread_at < _SPREAD_EVERY_S:
            self._news |= news
            return set()
        self._spread_at = now
        return found

    def _note_offer(self, node_id: str) -> frozenset[str]:
        """Take in what a node offers to others; return the keys of which that says something new."""
        before, after = self._offers.get(node_id), self._offer(node_id)
        if after is None:
            self._offers.pop(node_id, None)
        else:
            self._offers[node_id] = after
        if before == after:
            return frozenset()
        if before is not None and after is not None and before.holder == after.holder:
            return before.keys ^ after.keys
        return (before.keys if before is not None else frozenset()) | (after.keys if after is not None else frozenset())

    def _offer(self, node_id: str) -> _Offer | None:
        node, store = self._mirror.nodes.get(node_id), self._stores.current.get(node_id)
        if node is None or store is None or not store.files_url:
            return None
        if not is_told(node) or node.state is not NodeState.READY or node.is_shutting_down:
            return None
        holder = Holder(
            node_id=node_id, region=node.in_region, zone=node.in_zone, url=store.files_url, token=store.files_token
        )
        return _Offer(holder=holder, keys=self._stores.ready.get(node_id, frozenset()))

    async def _contents(self, dirty: Set[str]) -> dict[str, Content]:
        rings: dict[str, Ring] = {}
        found: dict[str, Content] = {}
        for number, node_id in enumerate(sorted(dirty)):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            node = self._mirror.nodes.get(node_id)
            found[node_id] = Content() if node is None else self._content(node, rings)
        return found

    def _content(self, node: Node, rings: dict[str, Ring]) -> Content:
        def peers_of(key: str) -> tuple[Peer, ...]:
            if key not in rings:
                rings[key] = Ring(key, self._holders(key))
            return rings[key].peers(node.node_id, region=node.in_region, zone=node.in_zone)

        store = self._stores.current.get(node.node_id)
        return content_of(node, store, self._orders, self._needs(node.node_id), peers_of)

    def _holders(self, key: str) -> Iterable[Holder]:
        offers = (self._offers.get(node_id) for node_id in self._stores.holders(key))
        return [offer.holder for offer in offers if offer is not None and key in offer.keys]

    def _needs(self, node_id: str) -> dict[str, Need]:
        """Return the files that replicas on a node need."""
        needs: dict[str, Need] = {}
        for replica_id in self._mirror.index.on(node_id):
            replica = self._mirror.replicas[replica_id]
            version = self._mirror.versions.get(replica.version_id)
            if version is None or not replica.is_held or replica.desired is not Desired.RUN:
                continue
            if replica.phase is not Phase.LOST and (key := files_key(version)):
                needs[key] = Need(name=version.model_name, source=version.source)
        return needs

    async def _commit(self, contents: Mapping[str, Content]) -> Collection[str]:
        """Write down what is new, and return whose documents may have changed."""
        told = {node_id: found for node_id, item in contents.items() if (found := self._told_anew(node_id, item))}
        revisions = {node_id: item.revision for node_id, item in (self._told | told).items()}
        settled = settle(self._orders, self._mirror.nodes, self._stores.current, revisions)
        if told or settled.gone or settled.over:
            async with self._db.write() as session:
                await self._leadership.check(session)
                await write_told(session, told)
                for order in self._changed(settled):
                    write = drop_order if order.order_id in settled.over else change_order
                    await write(session, order)
                    await note_gone(session, order, settled.gone.get(order.order_id, ()), self._clock.now())
        if settled.gone or settled.over:
            self._is_all = True
            self._waker.wake()
        self._told |= told
        for node_id, item in contents.items():
            self._lacking[node_id] = item.lacking
            if node_id in self._told:
                self._current[node_id] = item.document(node_id, self._told[node_id].revision)
        return [node_id for node_id in contents if node_id in self._current]

    def _told_anew(self, node_id: str, content: Content) -> Told | None:
        """Return the next revision when a node is to be told something else, or has heard a later one: of a record
        that was restored from an older copy."""
        known, digest = self._told.get(node_id), content.digest
        if known is None and not content.engines and not content.files:
            return None
        store = self._stores.current.get(node_id)
        heard = store.orders_revision if store is not None else 0
        if known is not None and known.digest == digest and heard <= known.revision:
            return None
        before = max(known.revision if known is not None else 0, heard)
        return Told(revision=next_document_revision(before, self._clock.now()), digest=digest)

    def _changed(self, settled: Settled) -> Sequence[OrderedEngine | OrderedFiles]:
        """Return the orders of which something is over, as they are then."""
        changed: list[OrderedEngine | OrderedFiles] = []
        for order in self._orders.every:
            gone = settled.gone.get(order.order_id, ())
            if gone or order.order_id in settled.over:
                changed.append(msgspec.structs.replace(order, gone_from=(*order.gone_from, *gone)))
        return changed

    async def current(self) -> Mapping[str, NodeOrders]:
        """Return what every node is told now, by id."""
        return dict(self._current)

    async def _some(self, node_ids: Collection[str]) -> Mapping[str, NodeOrders]:
        return {node_id: self._current[node_id] for node_id in node_ids if node_id in self._current}
