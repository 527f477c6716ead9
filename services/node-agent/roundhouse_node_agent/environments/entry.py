"""One engine on this node as the manager sees it, and the pure questions about orders."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from roundhouse_common.contracts.provisioning import (
    EngineEnvironment,
    EngineOrder,
    EnvironmentState,
    InstallMethod,
)
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.environments.recipe import Build
from roundhouse_node_agent.environments.store import EnvironmentFile

__all__ = ["BUSY", "Entry", "found_state", "kept", "name_of", "newest_orders"]

_State = EnvironmentState
BUSY = frozenset({_State.WAITING, _State.INSTALLING, _State.VERIFYING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An engine that was ordered, or that a replica needs. `build` is None for a path and for an image."""

    told: EngineEnvironment
    build: Build | None = None
    path: str = ""
    image: str = ""
    runtime: EngineRuntime | None = None
    """While it is ready."""

    @property
    def environment_id(self) -> str:
        return self.told.environment_id

    def moved(self, state: EnvironmentState, at: float, **changes: object) -> "Entry":
        """Return it in another state, with what is said of that state; what was said of the former is gone."""
        plain: dict[str, object] = {"step": "", "detail": "", "log_tail": ()}
        told = msgspec.structs.replace(self.told, state=state, since=at, **{**plain, **changes})
        runtime = self.runtime if state in (_State.READY, _State.REMOVING) else None
        return replace(self, told=told, runtime=runtime)

    def ordered_by(self, order: EngineOrder) -> "Entry":
        """Return it with the order's name and attempt."""
        told = msgspec.structs.replace(self.told, order_id=order.order_id, attempt=order.attempt)
        return replace(self, told=told)


def kept(entry: Entry) -> EnvironmentFile:
    """Return what is written down of it."""
    return EnvironmentFile(told=msgspec.structs.replace(entry.told, step=""), path=entry.path, image=entry.image)


def name_of(order: EngineOrder, build: Build | None) -> str:
    """Return the id of the environment that an order means. The same engine by another path is another one."""
    if build is not None:
        return build.environment_id
    where = order.path if order.method is InstallMethod.PATH else order.image
    digest = hashlib.sha256(f"{where} {order.version}".encode()).hexdigest()[:8]
    return f"{order.engine.value}-{order.method.value}-{digest}"


def newest_orders(orders: Iterable[tuple[str, EngineOrder]]) -> dict[str, EngineOrder]:
    """Return by environment the order that counts: one that wants it before one that wants it gone, then the newest.

    Ids of orders are made in the order of time.
    """
    chosen: dict[str, EngineOrder] = {}
    for name, order in orders:
        known = chosen.get(name)
        if known is None or (not order.is_removed, order.order_id) > (not known.is_removed, known.order_id):
            chosen[name] = order
    return chosen


def found_state(runtime: EngineRuntime, at: float) -> EngineEnvironment:
    """Return what is told of an engine that was found."""
    return EngineEnvironment(
        environment_id=f"{runtime.kind}-{runtime.version or 'any'}-found",
        engine=runtime.kind,
        version=runtime.version,
        method=InstallMethod.PATH,
        state=_State.READY,
        origin=runtime.origin,
        since=at,
    )
