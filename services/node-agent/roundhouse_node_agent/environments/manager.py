"""The engines of this node: found, installed by order, or installed because a replica needs one.

One installation at a time. What is ready is an offer; anything else is none. A restart of the agent takes up what was
in work from the beginning, and asks what was ready again.
"""

import asyncio
import contextlib
import platform
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_common.contracts.provisioning import (
    EngineEnvironment,
    EngineOrder,
    EnvironmentState,
    InstallMethod,
)
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime, pick, version_key
from roundhouse_node_agent.domain.errors import EngineUnavailable, StateDirUnusable
from roundhouse_node_agent.engines.engine import Engine
from roundhouse_node_agent.environments.entry import BUSY, Entry, found_state, kept, name_of, newest_orders
from roundhouse_node_agent.environments.installer import NotInstalled
from roundhouse_node_agent.environments.making import Maker
from roundhouse_node_agent.environments.recipe import Build, Recipe, Refused, choose, load_recipes, variant_of
from roundhouse_node_agent.environments.store import EnvironmentFile, EnvironmentStore

__all__ = ["EngineEnvironments", "Installations"]

_log = structlog.get_logger(__name__)
_State = EnvironmentState
_LOOK_EVERY_S: Final = 5.0
_STILL_USED: Final = "it is removed as soon as no replica runs in it"
_TRIED_AGAIN_AFTER_S: Final = 60.0
"""A replica that needs an engine whose installation has just failed is told so; after this it is tried anew."""


@dataclass(slots=True)
class Installations:
    """What was done since the start, for metrics."""

    succeeded: int = 0
    failed: int = 0
    last_s: float = 0.0


class EngineEnvironments:
    """`open`, then `run` beside everything else. `in_use`: ids of environments in which replicas run."""

    def __init__(
        self,
        *,
        store: EnvironmentStore,
        maker: Maker,
        drivers: Mapping[str, Engine],
        clock: Clock,
        may_install: bool,
        in_use: Callable[[], Collection[str]],
        recipes: Mapping[str, Recipe] | None = None,
        machine: str = platform.machine(),
    ) -> None:
        self._store = store
        self._maker = maker
        self._drivers = drivers
        self._clock = clock
        self._may_install = may_install
        self._in_use = in_use
        self._recipes = load_recipes() if recipes is None else recipes
        self._machine = machine
        self._vendors: tuple[DeviceVendor, ...] = ()
        self._found: dict[str, tuple[EngineRuntime, EngineEnvironment]] = {}
        self._entries: dict[str, Entry] = {}
        self._working: tuple[str, asyncio.Task[None]] | None = None
        self._deleting = ""
        self._writing = asyncio.Lock()
        self._due = asyncio.Event()
        self._change = asyncio.Event()
        self.installations = Installations()

    async def open(self, found: Iterable[EngineRuntime]) -> None:
        """Take in the engines that were found on this host, and what former agents left."""
        now = self._clock.now()
        for runtime in found:
            state = found_state(runtime, now)
            self._found[state.environment_id] = (runtime, state)
        for record in await asyncio.to_thread(self._store.open):
            entry = self._restored(record)
            self._entries[entry.environment_id] = entry
        ready = [entry for entry in self._entries.values() if entry.told.state in (_State.READY, _State.REMOVING)]
        await asyncio.gather(*(self._ask_again(entry) for entry in ready))
        self._due.set()

    def see_devices(self, vendors: Iterable[DeviceVendor]) -> None:
        """Tell which accelerators the node has: what is built for follows from them."""
        self._vendors = tuple(sorted({*self._vendors, *vendors}))  # one that does not answer now is still there

    def runtimes(self) -> Mapping[tuple[str, str], EngineRuntime]:
        """Return what replicas can run in, by kind and version.

        Of the same version, what was ordered goes before what was found, and what is built for the node's devices
        before all.
        """
        found = [runtime for runtime, _ in self._found.values()]
        own = variant_of(self._vendors)
        entries = sorted(self._entries.values(), key=lambda one: one.told.variant == own)
        ready = [one.runtime for one in entries if one.told.state is _State.READY and one.runtime]
        return {(runtime.kind, runtime.version): runtime for runtime in (*found, *ready)}

    def find(self, kind: str, version: str) -> EngineRuntime | None:
        """Return the runtime of this version, or of the newest one when none is named; None when there is none."""
        return pick(self.runtimes().values(), kind, version)

    def versions(self) -> dict[str, tuple[str, ...]]:
        """Return the versions of each engine, the newest first."""
        known: dict[str, set[str]] = {}
        for kind, version in self.runtimes():
            if version:
                known.setdefault(kind, set()).add(version)
        return {kind: tuple(sorted(known[kind], key=version_key, reverse=True)) for kind in sorted(known)}

    def installable(self) -> tuple[str, ...]:
        """Return the engines that this node may and can install."""
        kinds = sorted(self._recipes) if self._may_install else []
        return tuple(kind for kind in kinds if isinstance(self._choice(kind, "", ""), Build))

    def why_not(self, kind: str, version: str) -> str | None:
        """Return why this node cannot install an engine for a replica, or None."""
        if not self._may_install:
            return "this node installs no engines by itself (its setting installs_engines)"
        chosen = self._choice(kind, version, "")
        return chosen.why if isinstance(chosen, Refused) else None

    def states(self) -> tuple[EngineEnvironment, ...]:
        """Return every engine that was installed or found, and every one that is being installed."""
        told = [*(state for _, state in self._found.values()), *(entry.told for entry in self._entries.values())]
        return tuple(sorted(told, key=lambda one: one.environment_id))

    def log_dir(self, environment_id: str) -> Path | None:
        """Return where an environment's log is, if it has one; None when this node has no such environment."""
        is_known = environment_id in self._entries or environment_id in self._found
        return self._store.log_dir(environment_id) if is_known else None

    async def take(self, orders: tuple[EngineOrder, ...]) -> None:
        """Take in what is ordered now, whole. What is not listed is left as it is. Installing goes on beside this."""
        named = [(self._named(order), order) for order in orders]
        for environment_id, order in newest_orders(named).items():
            await self._take_one(environment_id, order)
        self._due.set()

    async def _take_one(self, environment_id: str, order: EngineOrder) -> None:
        entry = self._entries.get(environment_id)
        state = entry.told.state if entry is not None else None
        if order.is_removed:
            if entry is not None and state is not _State.REMOVING:
                leaving = entry.ordered_by(order).moved(_State.REMOVING, self._clock.now(), detail=_STILL_USED)
                await self._keep(leaving)
                self._give_up(environment_id)
        elif entry is None:
            await self._begin(environment_id, order)
        elif state is _State.REMOVING and entry.runtime is not None and environment_id != self._deleting:
            await self._keep(entry.ordered_by(order).moved(_State.READY, self._clock.now()))
        elif state is _State.REMOVING or (state is _State.FAILED and order.attempt > entry.told.attempt):
            await self._begin(environment_id, order)
        elif (order.order_id, order.attempt) != (entry.told.order_id, entry.told.attempt):
            await self._keep(entry.ordered_by(order))

    async def ensure(self, kind: str, version: str) -> EngineRuntime:
        """Return a runtime, installing it when there is none. Raises EngineUnavailable.

        Whoever waits may give up: the installation goes on.
        """
        runtime = self.find(kind, version)
        if runtime is not None:
            return runtime
        why = self.why_not(kind, version)
        if why is not None:
            raise EngineUnavailable(why)
        order = EngineOrder(order_id="", engine=EngineKind(kind), version=version)
        environment_id = self._named(order)
        if self._is_to_be_tried(self._entries.get(environment_id)):
            await self._begin(environment_id, order)
        while (now := self._entries.get(environment_id)) is not None and now.told.state in BUSY:
            await self._change.wait()
        if now is not None and now.told.state is _State.READY and now.runtime is not None:
            return now.runtime
        if now is not None and now.told.state is _State.FAILED:
            raise EngineUnavailable(f"{environment_id}: {now.told.detail}", now.told.log_tail)
        raise EngineUnavailable(f"{environment_id} is being removed from this node, as ordered")

    async def run(self) -> None:
        """Install and remove until cancelled; then nothing of an installation runs any more."""
        try:
            while True:
                for entry in [one for one in self._entries.values() if one.told.state is _State.REMOVING]:
                    await self._remove_unless_used(entry)
                due = next((one for one in self._entries.values() if self._is_next(one)), None)
                if due is not None:
                    await self._work_on(due)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await self._due.wait()
                self._due.clear()
        finally:
            if self._working is not None:
                self._working[1].cancel()
                await asyncio.wait([self._working[1]])

    async def _work_on(self, entry: Entry) -> None:
        """Return when it is ready, has failed, or is not wanted any more."""
        task = asyncio.create_task(self._install(entry), name=f"engine-{entry.environment_id}")
        self._working = (entry.environment_id, task)
        await asyncio.wait([task])
        self._working = None
        if not task.cancelled():
            task.result()

    def _is_next(self, entry: Entry) -> bool:
        """Whether it can be installed now: never below a replica that runs in what was there before."""
        return entry.told.state is _State.WAITING and entry.environment_id not in self._in_use()

    def _is_to_be_tried(self, entry: Entry | None) -> bool:
        if entry is None:
            return True
        is_old = self._clock.now() - entry.told.since >= _TRIED_AGAIN_AFTER_S
        return entry.told.state is _State.FAILED and is_old

    def _give_up(self, environment_id: str) -> None:
        if self._working is not None and self._working[0] == environment_id:
            self._working[1].cancel()

    async def _install(self, entry: Entry) -> None:
        began = self._clock.monotonic()
        await self._keep(entry.moved(_State.INSTALLING, self._clock.now()))
        _log.info("engine_installing", environment_id=entry.environment_id, order_id=entry.told.order_id)
        try:
            runtime, size = await self._maker.make(
                entry, self._drivers[entry.told.engine], lambda step, is_over: self._on_step(entry, step, is_over)
            )
        except NotInstalled as error:
            self.installations.failed += 1
            _log.warning("engine_not_installed", environment_id=entry.environment_id, why=error.detail)
            now = self._entries[entry.environment_id]
            failed = now.moved(_State.FAILED, self._clock.now(), detail=error.detail, log_tail=error.lines)
            await self._keep(failed)
            return
        took_s = self._clock.monotonic() - began
        self.installations.succeeded += 1
        self.installations.last_s = took_s
        _log.info("engine_installed", environment_id=entry.environment_id, took_s=round(took_s, 1), size_bytes=size)
        await self._keep(self._ready(self._entries[entry.environment_id], runtime, size))

    async def _ask_again(self, entry: Entry) -> None:
        """What was ready when the last agent ended is asked before it is offered."""
        runtime = await self._maker.reopened(entry, self._drivers[entry.told.engine])
        if runtime is not None:
            self._put(replace(entry, runtime=runtime))
        elif entry.told.state is _State.READY:
            detail = "it does not answer with its version any more; order it again, or remove it"
            await self._keep(entry.moved(_State.FAILED, self._clock.now(), detail=detail))

    def _ready(self, entry: Entry, runtime: EngineRuntime, size_bytes: int) -> Entry:
        note = entry.build.variant.note if entry.build is not None else ""
        if entry.build is not None and entry.build.pins is None:
            note = "; ".join(filter(None, (note, "this version is not pinned: its packages are those of today")))
        ready = entry.moved(
            _State.READY, self._clock.now(), version=runtime.version, size_bytes=size_bytes, detail=note
        )
        return replace(ready, runtime=runtime)

    def _on_step(self, entry: Entry, step: str, is_verifying: bool) -> None:
        now = self._entries[entry.environment_id]
        if now.told.state not in (_State.INSTALLING, _State.VERIFYING):
            return
        state = _State.VERIFYING if is_verifying else now.told.state
        since = now.told.since if state is now.told.state else self._clock.now()
        self._put(now.moved(state, since, step=step))

    async def _remove_unless_used(self, entry: Entry) -> None:
        if entry.environment_id in self._in_use():
            return
        self._deleting = entry.environment_id
        try:
            await asyncio.to_thread(self._store.remove, entry.environment_id)
        except OSError as error:
            _log.warning("engine_not_removed", environment_id=entry.environment_id, why=str(error))
            await asyncio.sleep(_LOOK_EVERY_S)
            return
        finally:
            self._deleting = ""
        if self._entries[entry.environment_id].told.state is _State.REMOVING:  # else it is wanted again, from anew
            del self._entries[entry.environment_id]
        _log.info("engine_removed", environment_id=entry.environment_id)
        self._wake()

    async def _begin(self, environment_id: str, order: EngineOrder) -> None:
        """Let it wait for its turn, or say at once why it can never be had."""
        chosen = self._choice(order.engine.value, order.version, order.variant) if _is_built(order) else None
        told = EngineEnvironment(
            environment_id=environment_id,
            engine=order.engine.value,
            version=chosen.version if isinstance(chosen, Build) else order.version,
            variant=chosen.variant.name if isinstance(chosen, Build) else order.variant,
            method=order.method,
            state=_State.WAITING,
            order_id=order.order_id,
            attempt=order.attempt,
            origin=_origin_of(order),
            since=self._clock.now(),
        )
        build = chosen if isinstance(chosen, Build) else None
        entry = Entry(told=told, build=build, path=order.path, image=order.image)
        why = self._objection(order) or (chosen.why if isinstance(chosen, Refused) else "")
        await self._keep(entry.moved(_State.FAILED, told.since, detail=why) if why else entry)
        self._due.set()

    def _objection(self, order: EngineOrder) -> str:
        if order.engine.value not in self._drivers:
            return f"this agent does not know engine {order.engine.value}; it may be older than who ordered it"
        if order.method is InstallMethod.UNKNOWN:
            return "this agent does not know this way of installing; it may be older than who ordered it"
        if order.method is InstallMethod.PATH and not order.path:
            return "the order names no path"
        if order.method is InstallMethod.IMAGE and not order.image:
            return "the order names no image"
        return ""

    def _choice(self, kind: str, version: str, variant: str) -> Build | Refused:
        recipe = self._recipes.get(kind)
        if recipe is None:
            return Refused(f"there is no recipe for {kind}; it can be had by path or as an image")
        return choose(recipe, version=version, variant=variant, vendors=self._vendors, machine=self._machine)

    def _named(self, order: EngineOrder) -> str:
        chosen = self._choice(order.engine.value, order.version, order.variant) if _is_built(order) else None
        return name_of(order, chosen if isinstance(chosen, Build) else None)

    def _restored(self, record: EnvironmentFile) -> Entry:
        told = record.told
        build = None
        if told.method is InstallMethod.ENVIRONMENT:
            chosen = self._choice(told.engine, told.version, told.variant)
            build = chosen if isinstance(chosen, Build) else None
        entry = Entry(told=told, build=build, path=record.path, image=record.image)
        return entry.moved(_State.WAITING, self._clock.now()) if told.state in BUSY else entry

    async def _keep(self, entry: Entry) -> None:
        """Show it, and write it down. A disk that takes nothing makes it forgotten over a restart, and no more."""
        self._put(entry)
        async with self._writing:
            now = self._entries.get(entry.environment_id)
            if now is None:
                return
            writing = asyncio.ensure_future(asyncio.to_thread(self._store.write, kept(now)))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                # An agent that is told to end just now would otherwise install it all again.
                await asyncio.wait((writing,))
                raise
            except StateDirUnusable as error:
                _log.warning("engine_not_written_down", environment_id=entry.environment_id, why=error.message)

    def _put(self, entry: Entry) -> None:
        self._entries[entry.environment_id] = entry
        self._wake()

    def _wake(self) -> None:
        self._change.set()
        self._change = asyncio.Event()


def _is_built(order: EngineOrder) -> bool:
    return order.method is InstallMethod.ENVIRONMENT


def _origin_of(order: EngineOrder) -> str:
    if order.method is InstallMethod.PATH:
        return f"at {order.path}"
    return f"image {order.image}" if order.method is InstallMethod.IMAGE else "installed by this node"
