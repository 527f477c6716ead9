"""A whole router in this process: its real service on a real socket, with a memory bus and scripted engines."""

import asyncio
import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import aiohttp

from roundhouse_common.bus.api import Bus, SignalHandler
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Message, Signal
from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.contracts.catalog import EngineKind, ModelKind
from roundhouse_common.contracts.identity import TenantRecord
from roundhouse_common.contracts.money import BudgetRecord
from roundhouse_common.contracts.operations import RebuildBus, Rebuilt
from roundhouse_common.contracts.registry import (
    BUDGETS,
    ENDPOINTS,
    KEYS,
    LIMITS,
    PROVIDERS,
    READ_REQUEST_LOG,
    REPUBLISH_USAGE,
    ROUTES,
    TENANTS,
    USAGE_BATCH,
)
from roundhouse_common.contracts.request_log import ReadRequestLog, RequestLogPart
from roundhouse_common.contracts.routing import ApiKeyRecord, LimitRecord, ProviderRecord, RouteRecord, RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint, EndpointState
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_router.main import build, limits_of
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.spool import Spool
from tests.support.eventually import eventually
from tests.support.nats import NatsServer
from tests.support.scripted_engine import Engine

__all__ = ["SECRET", "Fleet", "RunningRouter", "api_key", "deployment_endpoints", "endpoint", "route"]

SECRET = "rh-" + "k" * 43
TENANT = "ten_default"
M = TypeVar("M", bound=Message)


def api_key(secret: str = SECRET, **changed: Any) -> ApiKeyRecord:  # Any: fields of many types
    fields = {
        "key_id": "key_1",
        "sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "name": "test",
        "tenant_id": TENANT,
        "user_id": "usr_admin",
    }
    return ApiKeyRecord(**{**fields, **changed})


def route(name: str = "tiny", deployment_id: str = "dep_1", **changed: Any) -> RouteRecord:  # Any: as above
    fields = {
        "route_id": f"rte_{name}",
        "name": name,
        "tenant_id": TENANT,
        "targets": (RouteTarget(deployment_id=deployment_id),),
        "model_kind": ModelKind.CHAT,
        "created_at": 1_790_000_000.0,
    }
    return RouteRecord(**{**fields, **changed})


def endpoint(base_url: str, number: int = 1, **changed: Any) -> Endpoint:  # Any: as above
    fields = {
        "replica_id": f"rep_{number}",
        "node_id": "nod_1",
        "base_url": base_url,
        "served_model": "tiny",
        "engine_api_key": f"engine-secret-{number}",
        "state": EndpointState.READY,
        "engine": EngineKind.UNKNOWN,
    }
    return Endpoint(**{**fields, **changed})


def deployment_endpoints(
    *endpoints: Endpoint,
    deployment_id: str = "dep_1",
    revision: int = 1,
    **changed: Any,  # Any: fields of DeploymentEndpoints
) -> DeploymentEndpoints:
    return DeploymentEndpoints(
        deployment_id=deployment_id,
        deployment_name="tiny",
        tenant_id=TENANT,
        model_name="tiny-model",
        model_kind=ModelKind.CHAT,
        revision=revision,
        endpoints=endpoints,
        **changed,
    )


class Fleet:
    """The control plane's side of the bus: writes the buckets as catalog and scheduler do, and gathers usage."""

    def __init__(self, nats: NatsServer | None = None, *, without_metering: bool = False) -> None:
        self.broker = MemoryBroker(SystemClock())
        self._nats = nats
        self._buses = {name: self.bus_of(name) for name in _WRITERS}
        self.records: list[UsageRecord] = []
        self.revision = 0
        self._without_metering = without_metering
        self._consuming: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Fleet":
        for name, bus in self._buses.items():
            if name is not ServiceName.METERING:
                await bus.connect()
        if not self._without_metering:
            await self.start_metering()
        return self

    async def start_metering(self) -> None:
        """Make its buckets, and gather usage."""
        bus = self._buses[ServiceName.METERING]
        await bus.connect()
        consumer = bus.consumer(USAGE_BATCH, "metering-usage-batches", self._take)
        self._consuming = asyncio.create_task(consumer.run(), name="ledger")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._consuming is not None:
            self._consuming.cancel()
            await asyncio.gather(self._consuming, return_exceptions=True)
        for bus in self._buses.values():
            await bus.close()

    def bus_of(self, service: ServiceName) -> Bus:
        """Return a bus of this service that is not connected yet: in memory, or on the real server."""
        if self._nats is None:
            return MemoryBus(self.broker, service, clock=SystemClock())
        return NatsBus(service, url=self._nats.url, seed_file=self._nats.seed_file(service), clock=SystemClock())

    async def put_key(self, key: ApiKeyRecord) -> None:
        await self._buses[ServiceName.CATALOG].bucket(KEYS).put(key.key_id, key)

    async def put_route(self, record: RouteRecord) -> None:
        await self._buses[ServiceName.CATALOG].bucket(ROUTES).put(record.route_id, record)

    async def put_provider(self, record: ProviderRecord) -> None:
        await self._buses[ServiceName.CATALOG].bucket(PROVIDERS).put(record.provider_id, record)

    async def put_limit(self, record: LimitRecord) -> None:
        await self._buses[ServiceName.CATALOG].bucket(LIMITS).put(record.limit_id, record)

    async def put_budget(self, record: BudgetRecord) -> None:
        await self._buses[ServiceName.METERING].bucket(BUDGETS).put(record.budget_id, record)

    async def put_tenant(self, record: TenantRecord) -> None:
        await self._buses[ServiceName.CATALOG].bucket(TENANTS).put(record.tenant_id, record)

    async def read_request_log(self, query: ReadRequestLog) -> list[RequestLogPart]:
        return await self._buses[ServiceName.CATALOG].request_all(
            READ_REQUEST_LOG, query, "all", timeout_s=10, quiet_s=0.5
        )

    async def put_endpoints(
        self,
        *endpoints: Endpoint,
        deployment_id: str = "dep_1",
        **changed: Any,  # Any: fields of DeploymentEndpoints
    ) -> None:
        self.revision += 1
        value = deployment_endpoints(*endpoints, deployment_id=deployment_id, revision=self.revision, **changed)
        await self._buses[ServiceName.SCHEDULER].bucket(ENDPOINTS).put(deployment_id, value)

    async def serve(self, *engines: Engine, **changed: Any) -> None:  # Any: fields of Endpoint
        """Publish a key, a route and a ready endpoint per engine."""
        await self.put_key(api_key())
        await self.put_route(route())
        await self.put_endpoints(*(endpoint(engine.base_url, n, **changed) for n, engine in enumerate(engines, 1)))

    async def one_record(self) -> UsageRecord:
        """Wait for the first record and return it."""
        await eventually(lambda: self.records)
        return self.records[0]

    async def ask_to_republish(self) -> list[Rebuilt]:
        return await self._buses[ServiceName.METERING].request_all(
            REPUBLISH_USAGE, RebuildBus(), "all", timeout_s=10, quiet_s=0.5
        )

    @property
    def by_id(self) -> dict[str, UsageRecord]:
        """The ledger: a record that came twice is there once."""
        return {record.request_id: record for record in self.records}

    async def _take(self, batch: Any) -> None:  # Any: a sequence of deliveries
        self.records += [record for delivery in batch for record in delivery.message.records]

    async def hear(self, contract: Signal[M], handler: SignalHandler[M]) -> None:
        """Hear what routers signal to the scheduler."""
        await self._buses[ServiceName.SCHEDULER].subscribe(contract, handler)

    async def sleeps(self, *, wake_timeout_s: float = 30.0) -> None:
        """Publish a key, a route, and a deployment that sleeps."""
        await self.put_key(api_key())
        await self.put_route(route())
        await self.put_endpoints(is_wakeable=True, wake_timeout_s=wake_timeout_s)


_WRITERS = (ServiceName.CATALOG, ServiceName.SCHEDULER, ServiceName.METERING)


class RunningRouter:
    """`async with` starts it and stops it as SIGTERM does."""

    def __init__(self, state_dir: Path, fleet: Fleet, **settings: Any) -> None:  # Any: settings of many types
        quick = {"ready_wait_s": 0.2, "spool_sync_s": 0.01, "snapshot_delay_s": 0.0, "drain_timeout_s": 2.0}
        self.settings = RouterSettings(state_dir=state_dir, port=0, **{**quick, **settings})
        clock, ids = SystemClock(), SystemIds()
        self.bus = fleet.bus_of(ServiceName.ROUTER)
        self.spool = Spool.open(state_dir / "spool", limits=limits_of(self.settings), clock=clock, ids=ids)
        self.service = build(self.settings, self.spool, clock=clock, ids=ids, bus=self.bus)

    async def __aenter__(self) -> "RunningRouter":
        self._serving = asyncio.create_task(self.service.serve(), name="router")
        await eventually(lambda: self.service.readiness()["service"] == "ok" or self._serving.done())
        self.session = aiohttp.ClientSession(f"http://127.0.0.1:{self.service.port}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
        self.service.stop()
        assert await self._serving == 0

    async def ready(self) -> None:
        """Wait until it knows a table."""
        await eventually(lambda: set(self.service.readiness().values()) == {"ok"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def post(
        self, body: Any = None, *, path: str = "/v1/chat/completions", secret: str = SECRET, **headers: str
    ) -> Any:  # Any: a document or bytes; aiohttp's context manager
        """Send the members beside a default body, or bytes as they are."""
        sent = {"authorization": f"Bearer {secret}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        if isinstance(body, bytes):
            return self.session.post(path, data=body, headers=sent)
        return self.session.post(path, json={"model": "tiny", "messages": [], **(body or {})}, headers=sent)

    def stream(self, **changed: Any) -> Any:  # Any: members of a request; aiohttp's context manager
        return self.post({"stream": True, **changed})

    def metric(self, name: str, **labels: str) -> float:
        return self.service.registry.get_sample_value(name, labels) or 0.0
