"""The buckets of the catalog. Each is made equal to SQL: at the start, after a wake, and again and again."""

from collections.abc import Mapping

from roundhouse_catalog.domain.limits import limit_record
from roundhouse_catalog.domain.providers import provider_record
from roundhouse_catalog.domain.records import key_record, spec_record
from roundhouse_catalog.domain.request_logs import LogLevel, capped
from roundhouse_catalog.domain.routes import route_record
from roundhouse_catalog.domain.tenants import Project, tenant_record
from roundhouse_catalog.store.deployments import all_deployments
from roundhouse_catalog.store.directory import blocked_keys
from roundhouse_catalog.store.key_reach import lost_reach
from roundhouse_catalog.store.keys import all_keys
from roundhouse_catalog.store.limits import all_limits
from roundhouse_catalog.store.projects import all_projects, all_tenants
from roundhouse_catalog.store.providers import all_providers
from roundhouse_catalog.store.routes import all_routes
from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.catalog import DeploymentSpec
from roundhouse_common.contracts.identity import TenantRecord
from roundhouse_common.contracts.registry import KEYS, LIMITS, PROVIDERS, ROUTES, SPECS, TENANTS
from roundhouse_common.contracts.routing import ApiKeyRecord, LimitRecord, ProviderRecord, RouteRecord
from roundhouse_common.database import Database

__all__ = ["Publications"]


class Publications:
    """Publishes what others read of the catalog, tombstones included. Nothing is ever removed from these buckets."""

    def __init__(self, db: Database, bus: Bus, *, request_logs_most: LogLevel = LogLevel.BODIES) -> None:
        self._db = db
        self._request_logs_most = request_logs_most
        self.specs = Publisher(bus, SPECS, desired=self._specs)
        self.keys = Publisher(bus, KEYS, desired=self._keys)
        self.routes = Publisher(bus, ROUTES, desired=self._routes)
        self.providers = Publisher(bus, PROVIDERS, desired=self._providers)
        self.limits = Publisher(bus, LIMITS, desired=self._limits)
        self.tenants = Publisher(bus, TENANTS, desired=self._tenants)

    def wake(self) -> None:
        """Look now: the record has changed. Losing it costs at most a resync interval."""
        self.specs.wake()
        self.keys.wake()
        self.routes.wake()
        self.providers.wake()
        self.limits.wake()
        self.tenants.wake()

    async def rebuild(self) -> dict[str, int]:
        """Write every entry again and return how many by bucket. Raises BusUnavailable."""
        return {
            SPECS.subject: await self.specs.rebuild(),
            KEYS.subject: await self.keys.rebuild(),
            ROUTES.subject: await self.routes.rebuild(),
            PROVIDERS.subject: await self.providers.rebuild(),
            LIMITS.subject: await self.limits.rebuild(),
            TENANTS.subject: await self.tenants.rebuild(),
        }

    async def _specs(self) -> Mapping[str, DeploymentSpec]:
        async with self._db.read() as session:
            return {one.deployment_id: spec_record(one) for one in await all_deployments(session)}

    async def _keys(self) -> Mapping[str, ApiKeyRecord]:
        async with self._db.read() as session:
            lost = await lost_reach(session)
            blocked = await blocked_keys(session) | lost.blocked
            return {
                one.key_id: key_record(
                    one, is_blocked=one.key_id in blocked, lost=lost.deployments.get(one.key_id, frozenset())
                )
                for one in await all_keys(session)
            }

    async def _routes(self) -> Mapping[str, RouteRecord]:
        async with self._db.read() as session:
            return {one.route_id: route_record(one) for one in await all_routes(session)}

    async def _limits(self) -> Mapping[str, LimitRecord]:
        async with self._db.read() as session:
            return {one.limit_id: limit_record(one) for one in await all_limits(session)}

    async def _tenants(self) -> Mapping[str, TenantRecord]:
        async with self._db.read() as session:
            projects: dict[str, list[Project]] = {}
            for one in await all_projects(session):
                projects.setdefault(one.tenant_id, []).append(one)
            every = await all_tenants(session)
        records = [tenant_record(one, projects.get(one.tenant_id, ())) for one in every]
        return {one.tenant_id: capped(one, self._request_logs_most) for one in records}

    async def _providers(self) -> Mapping[str, ProviderRecord]:
        async with self._db.read() as session:
            return {one.provider_id: provider_record(one) for one in await all_providers(session)}
