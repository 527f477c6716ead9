"""The routing table, kept from the buckets that routers read, or from the snapshot on disk."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import msgspec

from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.projection import Projection
from roundhouse_common.client_address import Proxies
from roundhouse_common.contracts.identity import TenantRecord
from roundhouse_common.contracts.money import BudgetRecord, PriceRecord
from roundhouse_common.contracts.registry import BUDGETS, ENDPOINTS, KEYS, LIMITS, PRICES, PROVIDERS, ROUTES, TENANTS
from roundhouse_common.contracts.routing import ApiKeyRecord, LimitRecord, ProviderRecord, RouteRecord
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_common.pricing import PriceTable
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.limits import NO_TABLE, BudgetTable, LimitsTable, limits_table
from roundhouse_router.domain.tables import (
    EMPTY,
    RoutingTable,
    by_digest,
    by_name,
    in_force,
    latest,
    request_logs,
    usable_providers,
)
from roundhouse_router.store.snapshot import SavedTable

__all__ = ["ControlPlane"]

_SPENT_SAVED_S = 30.0
"""How often the snapshot on disk learns what was spent of budgets."""


class ControlPlane:
    """Holds the one current table and swaps it whole. Nothing that was heard is ever forgotten but by a tombstone."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        saved: SavedTable | None,
        *,
        on_endpoints: Callable[[RoutingTable], None],
        proxies: Proxies = Proxies(),
    ) -> None:
        self._clock = clock
        self._on_endpoints = on_endpoints
        self._keys = dict(saved.keys) if saved else {}
        self._routes = dict(saved.routes) if saved else {}
        self._endpoints = dict(saved.endpoints) if saved else {}
        self._providers = dict(saved.providers) if saved else {}
        self._limits = dict(saved.limits) if saved else {}
        self._prices = dict(saved.prices) if saved else {}
        self._budgets = dict(saved.budgets) if saved else {}
        self.tenants = dict(saved.tenants) if saved else {}
        """All that were heard of, deleted ones too, by id."""
        self._told_at = 0.0
        self._listeners: list[Callable[[], None]] = []
        self._next = asyncio.Event()
        self._keys_view = Projection(bus, KEYS, on_change=self._hear_keys)
        self._routes_view = Projection(bus, ROUTES, on_change=self._hear_routes)
        self._endpoints_view = Projection(bus, ENDPOINTS, on_change=self._hear_endpoints)
        self._providers_view = Projection(bus, PROVIDERS, on_change=self._hear_providers)
        self._limits_view = Projection(bus, LIMITS, on_change=self._hear_limits)
        self._prices_view = Projection(bus, PRICES, on_change=self._hear_prices)
        self._budgets_view = Projection(bus, BUDGETS, on_change=self._hear_budgets)
        self._tenants_view = Projection(bus, TENANTS, on_change=self._hear_tenants)
        self.proxies = proxies
        """Those in front of this router: what they say of their clients is believed."""
        self.table = EMPTY
        self.limits: LimitsTable = NO_TABLE
        """Those of the table, as they are counted."""
        self.prices = PriceTable(self._prices.values())
        self._has_budgets = saved is not None and saved.has_budgets
        self.budgets = BudgetTable(self._budgets.values(), is_heard=self._has_budgets)
        if saved:
            self._swap(
                RoutingTable(
                    keys=by_digest(self._keys.values()),
                    routes=by_name(self._routes.values()),
                    deployments=self._endpoints,
                    providers=usable_providers(self._providers.values()),
                    limits=in_force(self._limits.values()),
                    request_logs=request_logs(self.tenants.values()),
                    is_known=True,
                )
            )
            on_endpoints(self.table)

    @property
    def loops(self) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
        """The projections, to be run by the service."""
        return (
            ("keys", self._keys_view.run),
            ("routes", self._routes_view.run),
            ("endpoints", self._endpoints_view.run),
            ("providers", self._providers_view.run),
            ("limits", self._limits_view.run),
            ("prices", self._prices_view.run),
            ("budgets", self._budgets_view.run),
            ("tenants", self._tenants_view.run),
        )

    async def changed(self) -> None:
        """Return at the next swap of the table."""
        await self._next.wait()

    def listen(self, on_change: Callable[[], None]) -> None:
        """Call it at each swap of the table, in the same turn of the event loop."""
        self._listeners.append(on_change)

    def to_save(self) -> SavedTable:
        """Return what a later start needs. Revoked keys and what is deleted are left out: absent refuses as well, and a
        limit that is gone bounds nothing."""
        return SavedTable(
            saved_at=self._clock.now(),
            keys={key_id: key for key_id, key in self._keys.items() if not key.is_revoked},
            routes={route_id: route for route_id, route in self._routes.items() if not route.is_deleted},
            endpoints=dict(self._endpoints),
            providers={name: provider for name, provider in self._providers.items() if not provider.is_deleted},
            limits={limit_id: limit for limit_id, limit in self._limits.items() if not limit.is_deleted},
            prices={name: price for name, price in self._prices.items() if not _has_ended(price, self._clock.now())},
            budgets={name: budget for name, budget in self._budgets.items() if not budget.is_deleted},
            has_budgets=self._has_budgets,
            tenants=self.tenants,
        )

    def _hear_keys(self, changed: Mapping[str, ApiKeyRecord]) -> None:
        self._keys.update(changed)
        self._swap(replace(self.table, keys=by_digest(self._keys.values())))

    def _hear_routes(self, changed: Mapping[str, RouteRecord]) -> None:
        self._routes.update(changed)
        self._swap(replace(self.table, routes=by_name(self._routes.values())))

    def _hear_endpoints(self, changed: Mapping[str, DeploymentEndpoints]) -> None:
        self._endpoints = latest(self._endpoints, changed)
        self._swap(replace(self.table, deployments=self._endpoints))
        self._on_endpoints(self.table)

    def _hear_providers(self, changed: Mapping[str, ProviderRecord]) -> None:
        self._providers.update(changed)
        self._swap(replace(self.table, providers=usable_providers(self._providers.values())))

    def _hear_limits(self, changed: Mapping[str, LimitRecord]) -> None:
        self._limits.update(changed)
        self._swap(replace(self.table, limits=in_force(self._limits.values())))

    def _hear_prices(self, changed: Mapping[str, PriceRecord]) -> None:
        self._prices.update(changed)
        self.prices = PriceTable(self._prices.values())
        self._swap(replace(self.table))

    def _hear_budgets(self, changed: Mapping[str, BudgetRecord]) -> None:
        """Spending changes all the time: that alone makes no new table, so that it is not saved every second."""
        known = self._budgets
        newer = {
            name: budget
            for name, budget in changed.items()
            if name not in known or budget.generation >= known[name].generation
        }
        is_same = all(name in known and _settings_of(newer[name]) == _settings_of(known[name]) for name in newer)
        self._budgets = {**known, **newer}
        is_first, self._has_budgets = not self._has_budgets, True
        self.budgets = BudgetTable(self._budgets.values())
        now = self._clock.monotonic()
        if is_first or not is_same or not self.table.is_known or now - self._told_at > _SPENT_SAVED_S:
            self._told_at = now
            self._swap(replace(self.table))

    def _hear_tenants(self, changed: Mapping[str, TenantRecord]) -> None:
        """Take in whose requests are logged, and how long: the rest of a tenant is told by its keys."""
        known = self.tenants
        newer = {
            name: tenant
            for name, tenant in changed.items()
            if name not in known or tenant.generation >= known[name].generation
        }
        self.tenants = {**known, **newer}
        self._swap(replace(self.table, request_logs=request_logs(self.tenants.values())))

    def _swap(self, table: RoutingTable) -> None:
        if not table.is_known:
            views = (
                self._keys_view,
                self._routes_view,
                self._endpoints_view,
                self._providers_view,
                self._limits_view,
            )  # without metering, so without prices and budgets, a new router serves
            table = replace(table, is_known=all(view.has_synced for view in views))
        if table.limits is not self.table.limits:
            self.limits = limits_table(table.limits)
        self.table = table
        self._next.set()
        self._next = asyncio.Event()
        for on_change in self._listeners:
            on_change()


def _settings_of(budget: BudgetRecord) -> BudgetRecord:
    """Return the budget without what changes with every request."""
    return msgspec.structs.replace(budget, spent=0, generation=0, period_start=0.0)


def _has_ended(price: PriceRecord, now: float) -> bool:
    return price.is_deleted or bool(price.valid_until and price.valid_until < now)
