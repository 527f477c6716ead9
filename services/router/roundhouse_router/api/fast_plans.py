"""What the routing table says of requests that are alike, found once in its life."""

from typing import Final

from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord
from roundhouse_common.runtime import UnixTime
from roundhouse_router.api.callers import caller_of
from roundhouse_router.api.interface import Interface
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.features import check_served
from roundhouse_router.domain.routing import resolve
from roundhouse_router.domain.tables import RoutingTable
from roundhouse_router.domain.targets import Resolution
from roundhouse_router.wire.exchange import Exchange

__all__ = ["Caller", "FastPlans"]

_CALLERS_MOST: Final = 10_000
_NAMES_MOST: Final = 1_000


class Caller:
    """Who sends a credential."""

    __slots__ = ("key", "resolutions")

    def __init__(self, key: ApiKeyRecord, resolutions: dict[tuple[str, str], Resolution]) -> None:
        self.key = key
        self.resolutions = resolutions
        """By path and model: those that the fast path may take."""


class FastPlans:
    """Forgets everything with the table. What is refused is not kept: saying why is the pipeline's."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._table: RoutingTable | None = None
        self._callers: dict[bytes, Caller] = {}

    def caller(self, exchange: Exchange, now: UnixTime) -> Caller | None:
        """Return who is asking; None: the pipeline is to look."""
        table = self._control_plane.table
        if table is not self._table:
            self._table, self._callers = table, {}
        caller = self._callers.get(exchange.headers.get(b"authorization", b""))
        if caller is None:
            return self._looked_up(exchange, now)
        expires_at = caller.key.expires_at
        return None if expires_at and expires_at <= now else caller

    def resolution(self, caller: Caller, interface: Interface, model: str) -> Resolution | None:
        """Return where the request leads, if it is one of the common kind; None: the pipeline is to look."""
        found = caller.resolutions.get((interface.path, model))
        return found or self._resolved(caller, interface, model)

    def _looked_up(self, exchange: Exchange, now: UnixTime) -> Caller | None:
        authorization = exchange.headers.get(b"authorization")
        if authorization is None or not self._control_plane.table.is_known:
            return None
        try:
            key = caller_of(self._control_plane, exchange, now)
        except ApiError:
            return None
        if key.tenant_id in self._control_plane.table.request_logs:
            return None  # whoever is logged has a task that follows the request
        if key.ip_ranges:  # the next request may come from elsewhere
            return Caller(key, {})
        if len(self._callers) >= _CALLERS_MOST:
            self._callers.clear()
        caller = self._callers[authorization] = Caller(key, {})
        return caller

    def _resolved(self, caller: Caller, interface: Interface, model: str) -> Resolution | None:
        table = self._control_plane.table
        try:
            resolution = resolve(table, caller.key, model)
            check_served(
                table.deployments, resolution.targets, interface.features, path=interface.path, model=resolution.model
            )
        except ApiError:
            return None
        if not _is_common(resolution.route) or any(not target.deployment_id for target in resolution.targets):
            return None
        if len(caller.resolutions) >= _NAMES_MOST:
            caller.resolutions.clear()
        caller.resolutions[interface.path, model] = resolution
        return resolution


def _is_common(route: RouteRecord) -> bool:
    """Whether nothing of the route needs a task: no answer that is given again, no queue, no deadline of its own."""
    timeouts = route.timeouts
    return not (
        route.is_coalesced
        or route.cache.ttl_s
        or route.is_continued
        or route.queue.max_waiting
        or timeouts.first_token_s
        or timeouts.total_s
    )
