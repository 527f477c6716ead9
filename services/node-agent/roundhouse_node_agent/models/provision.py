"""The model files of a node: what orders and replicas want is fetched, kept, and removed.

`decide` says what to do; `ModelFiles` does it, one look at a time. Everything it has to know after a restart is in the
store, in its journals and in the orders, which are kept on disk: a node without the bus goes on fetching.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import msgspec
import structlog

from roundhouse_common.contracts.catalog import REMOTE_SOURCES, ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import FileOrder, FileWish, Peer, StoredModel
from roundhouse_common.model_sources import shown_uri, source_key
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.domain.keeper import Transfer
from roundhouse_node_agent.domain.model_files import (
    Action,
    DropParts,
    Failure,
    Fetch,
    Interrupt,
    Plan,
    Remove,
    Running,
    View,
    Wanted,
    decide,
    retry_pause_s,
    wanted_of,
)
from roundhouse_node_agent.models.adoption import OnDisk
from roundhouse_node_agent.models.files_here import FilesHere
from roundhouse_node_agent.models.resolvers import resolve
from roundhouse_node_agent.models.shelf import Looked, Shelf, look_at
from roundhouse_node_agent.models.source import ModelResolver
from roundhouse_node_agent.models.standings import Standings
from roundhouse_node_agent.models.starts import Starts
from roundhouse_node_agent.sources.source import SourceOptions
from roundhouse_node_agent.transfers import runner
from roundhouse_node_agent.transfers.errors import StoreBusy
from roundhouse_node_agent.transfers.messages import FetchOrder, Progress, TransferLimits
from roundhouse_node_agent.transfers.store import FileStore

__all__ = ["ModelFiles", "ProvisionOptions", "limits_for"]

_log = structlog.get_logger(__name__)
_BUSY_AGAIN_S = 2.0
_UNREADABLE_AGAIN_S = 5.0
_WEIGHED_WITHIN_S = 20.0
_LOST_AT_MOST_S = 4.0
"""Of a transfer with a limited rate, when it is killed."""
_LEAST_PART_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionOptions:
    at_once: int = 2
    """Transfers at the same time."""
    replica_tries: int = 3
    """After so many failures in a row that might pass, a replica's start fails; the scheduler tries it again."""
    limits: TransferLimits = field(default_factory=TransferLimits)
    sources: SourceOptions = field(default_factory=SourceOptions)
    """Mirrors, and where tokens are."""
    look_every_s: float = 10.0
    """What was imported beside the agent is seen that soon."""


def limits_for(*, connections: int, rate_bytes_s: int, at_once: int, headroom_bytes: int) -> TransferLimits:
    """Return the limits of one of the transfers that may run `at_once`; `rate_bytes_s` is of all together, 0: none.

    What is not a whole part is lost when a transfer is killed: the slower the line, the smaller the parts.
    """
    limits = TransferLimits(connections=connections, headroom_bytes=headroom_bytes)
    if not rate_bytes_s:
        return limits
    share = math.ceil(rate_bytes_s / at_once)
    part_bytes = min(max(int(share * _LOST_AT_MOST_S / connections), _LEAST_PART_BYTES), limits.part_bytes)
    return msgspec.structs.replace(limits, rate_bytes_s=share, part_bytes=part_bytes)


@dataclass(slots=True, kw_only=True)
class _Transfer:
    started_at: float
    had_peers: bool
    task: asyncio.Task[None]
    is_ending: bool = False
    progress: Progress = field(default_factory=Progress)
    is_weighed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it is known how much it takes, or that it never will be."""

    @property
    def missing_bytes(self) -> int:
        """What it is still going to take of the disk."""
        return max(0, self.progress.total_bytes - self.progress.stored_bytes)


class ModelFiles:
    """One event loop uses it; blocking work goes to threads, bytes are fetched by child processes."""

    def __init__(
        self,
        *,
        store: FileStore,
        fetch: runner.Fetch,
        local: Mapping[SourceKind, ModelResolver],
        clock: Clock,
        options: ProvisionOptions,
        find_on_disk: Callable[[ModelSource], OnDisk | None] = lambda _source: None,
    ) -> None:
        """`find_on_disk` blocks; it returns where files of a source are that need not be fetched."""
        self.store = store
        self.fetched_bytes = 0
        self.failed_transfers = 0
        self._fetch = fetch
        self._local = local
        self._clock = clock
        self._options = options
        self.here = FilesHere(store, find_on_disk, clock)
        self._orders: tuple[FileOrder, ...] = ()
        self._starts = Starts(clock, tries=options.replica_tries)
        self._running: dict[str, _Transfer] = {}
        self._failures: dict[str, Failure] = {}
        self._shelf = Shelf()
        self._standings = Standings(clock)
        self._used: Callable[[], frozenset[str]] = frozenset
        self._due = asyncio.Event()
        self.deleting = asyncio.Lock()
        """Held while files are deleted, and while it is looked whether they are there for a replica."""

    def take(self, orders: tuple[FileOrder, ...]) -> None:
        """Make these the orders; what is not listed is left as it is."""
        self._orders = orders
        self._due.set()

    def look_soon(self) -> None:
        """Something changed that the next look should see, e.g. which replicas there are."""
        self._due.set()

    async def ensure(self, source: ModelSource, name: str, peers: tuple[Peer, ...] = ()) -> str:
        """Return the path for an engine once the files are whole, however long that takes.

        Raises ModelUnavailable with the cause and what to do. Cancelling it ends the transfer unless somebody else
        wants it; what was fetched is kept.
        """
        if source.kind in REMOTE_SOURCES:
            self._standings.name(source, name)
        if (path := await self.find(source)) is not None:
            self._due.set()
            return path
        self._due.set()
        try:
            return await self._starts.wait(source, name, peers)
        finally:
            self._due.set()

    async def find(self, source: ModelSource) -> str | None:
        """Return the path of files that are here now, whole, without fetching anything; None when they are not.

        Raises ModelUnavailable for a source on this machine that is not there.
        """
        if source.kind not in REMOTE_SOURCES:
            return await asyncio.to_thread(resolve, self._local, source)
        async with self.deleting:
            return await asyncio.to_thread(self.here.take, source)

    async def run(self, used: Callable[[], frozenset[str]]) -> None:
        """Look at every change and regularly, until cancelled; transfers end with it."""
        self._used = used
        self._running.clear()
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    pause_s = await self._look(tasks)
                except OSError as error:
                    _log.warning("model_store_unreadable", why=str(error))
                    pause_s = _UNREADABLE_AGAIN_S
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._due.wait()
                self._due.clear()

    @property
    def is_looked_at(self) -> bool:
        """Whether there was a first look: before it, nothing is known of what is here."""
        return self._shelf.is_known

    @property
    def disk(self) -> tuple[int, int]:
        """Size and free bytes of the file system, at the last look."""
        return self._shelf.disk_bytes, self._shelf.free_bytes

    def states(self) -> tuple[StoredModel, ...]:
        """Return every model that is wanted or here, as of now."""
        progress = {key: transfer.progress for key, transfer in self._running.items()}
        return self._standings.models(self._shelf, progress, self.in_use())

    def transfers(self) -> tuple[Transfer, ...]:
        return tuple(
            Transfer(
                key=key,
                stored_bytes=running.progress.stored_bytes,
                total_bytes=running.progress.total_bytes,
                rate_bytes_s=running.progress.rate_bytes_s,
                left_s=running.progress.left_s,
                origin=running.progress.origin,
            )
            for key, running in sorted(self._running.items())
        )

    def parts_changed_at(self, key: str) -> float:
        """Return when something was last fetched of a model that is not whole (Unix seconds)."""
        begun = self._shelf.unfinished.get(key)
        return begun.changed_at if begun is not None else self._clock.now()

    def in_use(self) -> frozenset[str]:
        """Return the keys that must not be cleaned up: a replica has them or waits, or an order wants them kept."""
        kept = (FileWish.FETCH, FileWish.PAUSE)
        ordered = {source_key(order.source) for order in self._orders if order.order_id and order.wish in kept}
        return frozenset({*self._used(), *ordered, *self._starts.keys, *self._running})

    async def _look(self, tasks: asyncio.TaskGroup) -> float:
        """Do what is to be done now; return how long until the next look at the latest."""
        local = [order for order in self._orders if order.source.kind not in REMOTE_SOURCES]
        used = self._used()
        looked = Looked(local=[order.source for order in local], used=used, names=dict(self._standings.names))
        self._shelf = await asyncio.to_thread(look_at, self.store, self._local, looked, self._shelf, self._clock.now())
        now = self._clock.monotonic()
        remote = (order for order in self._orders if order.source.kind in REMOTE_SOURCES)
        wanted = wanted_of(remote, self._starts.needs)
        self._failures = {key: failure for key, failure in self._failures.items() if key in wanted}
        plan = decide(self._view(wanted, used), now)
        self._starts.look(self._shelf.stored)
        is_changed = False
        for action in plan.actions:
            is_changed |= await self._act(action, wanted, tasks)
        self._standings.take(plan.standings, wanted, local, self._shelf)
        return 0.0 if is_changed else self._pause_s(plan, wanted, now)

    def _view(self, wanted: Mapping[str, Wanted], used: frozenset[str]) -> View:
        running = {
            key: Running(started_at=item.started_at, had_peers=item.had_peers, is_ending=item.is_ending)
            for key, item in self._running.items()
        }
        return View(
            wanted=wanted,
            held=self._shelf.held(),
            running=running,
            failures=self._failures,
            used=used,
            at_once=self._options.at_once,
        )

    def _pause_s(self, plan: Plan, wanted: Mapping[str, Wanted], now: float) -> float:
        """Return when the next failure is tried again, or something can be deleted that was busy or in use."""
        is_leaving = any(item.wish is FileWish.REMOVE and item.key in plan.standings for item in wanted.values())
        if is_leaving or any(isinstance(action, DropParts | Remove) for action in plan.actions):
            return _BUSY_AGAIN_S
        due = [item.at + retry_pause_s(item.count) - now for item in self._failures.values() if item.is_retryable]
        return min([self._options.look_every_s, *(max(0.1, pause_s) for pause_s in due if pause_s > 0)])

    async def _act(self, action: Action, wanted: Mapping[str, Wanted], tasks: asyncio.TaskGroup) -> bool:
        """Return whether the store is another one now."""
        match action:
            case Fetch(key=key):
                self._begin(wanted[key], tasks)
            case Interrupt(key=key):
                running = self._running.get(key)
                if running is not None:
                    running.is_ending = True
                    running.task.cancel()
            case DropParts(key=key):
                return await self._delete(self.store.drop_unfinished, key)
            case Remove(key=key):
                return await self._delete(self.store.remove, key)
        return False

    async def _delete(self, how: Callable[[str], int], key: str) -> bool:
        async with self.deleting:
            if key in self._used() or key in self._starts.keys:
                return False
            try:
                freed = await asyncio.to_thread(how, key)
            except (StoreBusy, OSError) as error:
                _log.info("model_files_not_deleted", key=key, why=str(error))
                return False
        _log.info("model_files_deleted", key=key, freed_bytes=freed)
        return True

    def _begin(self, item: Wanted, tasks: asyncio.TaskGroup) -> None:
        task = tasks.create_task(self._transfer(item), name=f"fetch-{item.key}")
        transfer = _Transfer(started_at=self._clock.monotonic(), had_peers=bool(item.peers), task=task)
        self._running[item.key] = transfer
        task.add_done_callback(lambda _: self._ended(item.key, transfer))

    def _ended(self, key: str, transfer: _Transfer) -> None:
        transfer.is_weighed.set()
        self._running.pop(key, None)
        self._due.set()

    async def _reserved_bytes(self, key: str) -> int:
        """Return what transfers that began before this one are going to take; without knowing, it would be theirs too.

        One that does not tell for long is not waited for.
        """
        before = list(self._running)[: list(self._running).index(key)]
        earlier = [self._running[other] for other in before]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WEIGHED_WITHIN_S):
                for transfer in earlier:
                    await transfer.is_weighed.wait()
        return sum(transfer.missing_bytes for transfer in earlier if not transfer.task.done())

    async def _transfer(self, item: Wanted) -> None:
        _log.info("model_fetch_begun", key=item.key, name=item.name, uri=shown_uri(item.source), peers=len(item.peers))
        try:
            if await asyncio.to_thread(self.here.stored, item.source) is None:
                order = FetchOrder(
                    source=item.source,
                    root=str(self.store.layout.root),
                    options=self._options.sources,
                    peers=item.peers,
                    limits=msgspec.structs.replace(
                        self._options.limits, reserved_bytes=await self._reserved_bytes(item.key)
                    ),
                )
                await self._fetch(order, partial(self._note, item.key))
        except (ModelUnavailable, OSError) as error:
            self._failed(item, error)
        else:
            self._failures.pop(item.key, None)
            _log.info("model_fetched", key=item.key, name=item.name)

    def _note(self, key: str, progress: Progress) -> None:
        running = self._running.get(key)
        if running is None:
            return
        if running.is_weighed.is_set():
            self.fetched_bytes += max(0, progress.stored_bytes - running.progress.stored_bytes)
        running.progress = progress
        if progress.total_bytes > 0:
            running.is_weighed.set()

    def _failed(self, item: Wanted, error: ModelUnavailable | OSError) -> None:
        is_retryable = getattr(error, "is_retryable", False) or isinstance(error, StoreBusy | OSError)
        message = error.message if isinstance(error, ModelUnavailable) else str(error)
        before = self._failures.get(item.key)
        count = before.count + 1 if before is not None and before.attempt == item.attempt else 1
        self.failed_transfers += 1
        self._failures[item.key] = Failure(
            at=self._clock.monotonic(), attempt=item.attempt, count=count, message=message, is_retryable=is_retryable
        )
        _log.warning("model_fetch_failed", key=item.key, name=item.name, why=message, is_retryable=is_retryable)
        self._starts.failed(item.key, message, is_retryable=is_retryable)
